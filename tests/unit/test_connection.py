"""From an Airflow connection, however it is written down, to the endpoint: host, port, path, key and extras."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import StarVideosConfigurationError
from airflow_provider_starvideos.hooks.connection import VENDOR_BASE_URL, endpoint_of
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

KEY = "sk-key-of-the-connection-tests"


def endpoint(connection: Connection) -> Endpoint:
    """Return the endpoint of a connection, its extras read as Airflow reads them."""
    return endpoint_of(connection, connection.extra_dejson)


def given(**fields: Any) -> Endpoint:
    """Return the endpoint of a connection made of fields."""
    return endpoint(Connection(**{"conn_id": "mine", "conn_type": "starvideos", "password": KEY, **fields}))


def refusal(**fields: Any) -> str:
    """Return the message of a connection that must be refused; it never shows the key."""
    with pytest.raises(StarVideosConfigurationError) as caught:
        given(**fields)
    assert caught.value.permanent
    assert KEY not in f"{caught.value!r}"
    message = str(caught.value)
    assert message.startswith("Connection 'mine' can't be used:\n  - ")
    return message.removeprefix("Connection 'mine' can't be used:")


HOSTS = {
    None: VENDOR_BASE_URL,
    "": VENDOR_BASE_URL,
    "  ": VENDOR_BASE_URL,
    VENDOR_BASE_URL: VENDOR_BASE_URL,
    f" {VENDOR_BASE_URL}/\n": VENDOR_BASE_URL,
    "api.example": "https://api.example",
    "api.example/base": "https://api.example/base",
    "api.example:8443/base/": "https://api.example:8443/base",
    "https://api.example": "https://api.example",
    "https://api.example/": "https://api.example",
    "https://api.example//a//b//": "https://api.example/a//b",
    "https://api.example:443": "https://api.example:443",
    "HTTPS://API.EXAMPLE/Base": "https://api.example/Base",
    "https://api.example/?": "https://api.example",
    "http://localhost:8080/base": "http://localhost:8080/base",
    "localhost": "http://localhost",
    "localhost:8080": "http://localhost:8080",
    "starvideos.localhost:8080": "http://starvideos.localhost:8080",
    "https://localhost": "https://localhost",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "127.0.0.1:8080/base": "http://127.0.0.1:8080/base",
    "127.8.9.10": "http://127.8.9.10",
    "http://[::1]:8080/base": "http://[::1]:8080/base",
    "[::1]:8080": "http://[::1]:8080",
    "::1": "http://[::1]",
    "http://::1": "http://[::1]",
    "https://[2001:db8::1]/base": "https://[2001:db8::1]/base",
    "2001:db8::1": "https://[2001:db8::1]",
}


ENDPOINTS = [
    "",
    "/",
    "/v1/starvideos/videos",
    "/v1/starvideos/videos/",
    "/v1/result",
    "/v1/result/video_1",
    "//v1/result/",
]
VENDORS = [
    f"{scheme}{host}{port}{path}"
    for scheme in ("", "https://", "HTTPS://")
    for host in ("zcbservice.aizfw.cn", "ZCBservice.aizfw.cn", "zcbservice.aizfw.cn.")
    for port in ("", ":443")
    for path in ("", "/v1", "/kyyReactApiServer/v1", *ENDPOINTS, *(f"/kyyReactApiServer{path}" for path in ENDPOINTS))
]


@pytest.mark.parametrize("host", VENDORS)
def test_the_vendors_server_is_found_by_whatever_part_of_its_url(host: str) -> None:
    """The host alone, the base URL, a whole endpoint: all mean the same."""
    assert given(host=host).base_url == VENDOR_BASE_URL


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "base", ["https://gw.example", "https://gw.example/star/videos", "http://localhost:8080/kyyReactApiServer"]
)
def test_elsewhere_an_endpoint_is_left_out_and_nothing_is_added(base: str, path: str) -> None:
    """A gateway may serve the API under any path, or under none."""
    assert given(host=f"{base}{path}").base_url == base


OTHERS = {
    "https://zcbservice.aizfw.cn:8443": "https://zcbservice.aizfw.cn:8443",
    "https://zcbservice.aizfw.cn/other": "https://zcbservice.aizfw.cn/other",
    "https://zcbservice.aizfw.cn.example": "https://zcbservice.aizfw.cn.example",
    "https://gw.example/v1": "https://gw.example/v1",
    "https://gw.example/v1/results": "https://gw.example/v1/results",
    "https://gw.example/v1/result/a/b": "https://gw.example/v1/result/a/b",
    "http://[fe80::1%25eth0]:8080": "http://[fe80::1%eth0]:8080",
    "http://[fe80::1%eth0]": "http://[fe80::1%eth0]",
    "https://fe80::1%eth0": "https://[fe80::1%eth0]",
}


@pytest.mark.parametrize(("host", "base_url"), OTHERS.items())
def test_what_is_another_server_or_path_stays_as_it_is(host: str, base_url: str) -> None:
    """Nothing is guessed; a zone is spelled as sockets want it."""
    assert given(host=host, extra='{"allow_http": true}').base_url == base_url


@pytest.mark.parametrize(("host", "base_url"), HOSTS.items(), ids=map(repr, HOSTS))
def test_a_host_is_read_as_a_base_url(host: str | None, base_url: str) -> None:
    """Slashes at its end don't matter; a bare host means https, a bare loopback host http; none means the vendor's."""
    assert given(host=host).base_url == base_url


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "api.example", "port": 8443}, "https://api.example:8443"),
        ({"host": "api.example", "port": "8443"}, "https://api.example:8443"),
        ({"host": "api.example", "port": 0}, "https://api.example"),
        ({"host": "https://api.example", "port": 8443, "schema": "/base/"}, "https://api.example:8443/base"),
        ({"host": "https://api.example:1/base", "port": 2, "schema": "x"}, "https://api.example:1/base"),
        ({"host": "::1", "port": 8080, "schema": "base"}, "http://[::1]:8080/base"),
    ],
)
def test_port_and_schema_complete_a_host_that_has_none(fields: dict[str, Any], base_url: str) -> None:
    """A URI is split over them; what the host itself says comes first."""
    assert given(**fields).base_url == base_url


FOREIGN_HTTP = ["http://api.example", "http://10.0.0.1:8080", "http://[2001:db8::1]", "http://localhost.example"]
FOREIGN_HTTP += ["http://0.0.0.0", "http://128.0.0.1", "http://127.0.0.1.example", "http://notlocalhost", "http://::2"]


@pytest.mark.parametrize("host", FOREIGN_HTTP)
def test_the_key_goes_over_http_to_loopback_only(host: str) -> None:
    """Any other host must be https, unless the connection says that it may be http."""
    assert "host: must be https, or the key could be read on the way" in refusal(host=host)
    assert given(host=host, extra='{"allow_http": true}').base_url.startswith("http://")
    assert "host: must be https" in refusal(host=host, extra='{"allow_http": "false"}')


def test_allow_http_does_not_turn_https_off() -> None:
    """A bare host stays https."""
    assert given(host="api.example", extra='{"allow_http": true}').base_url == "https://api.example"


BAD_HOSTS = {
    "ftp://api.example": "must be an https:// URL",
    "https://": "must be an https:// URL",
    "https:///base": "must be an https:// URL",
    "https://:443": "must be an https:// URL",
    "//api.example": "must be an https:// URL",
    "https://api.example:port": "must be a base URL such as",
    "https://api.example:99999": "must be a base URL such as",
    "https://[::1": "must be a base URL such as",
    "https://user@api.example": "without user, query or fragment",
    "https://:SECRET@api.example": "without user, query or fragment",
    "https://user:SECRET@api.example": "without user, query or fragment",
    "user:SECRET@api.example": "without user, query or fragment",
    "user:SECRET@[broken": "must be a base URL such as",
    "https://api.example?token=SECRET": "without user, query or fragment",
    "https://api.example/base?token=SECRET": "without user, query or fragment",
    "https://api.example/#SECRET": "without user, query or fragment",
    "https://api.example/a b": "without blanks",
    "https://api ex.example": "without blanks",
    "https://api.exa\tmple": "without blanks",
    "https://api.example/\x00": "without blanks",
}


@pytest.mark.parametrize(("host", "rule"), BAD_HOSTS.items(), ids=map(repr, BAD_HOSTS))
def test_what_is_no_base_url_is_refused(host: str, rule: str) -> None:
    """With field and rule, and without a password or a query in it."""
    message = refusal(host=host)
    assert message.startswith("\n  - host: ")
    assert rule in message
    assert "SECRET" not in message


@pytest.mark.parametrize("port", [-1, 65536, 99999, "abc", "80.5", "٨٠", 10**30, "9" * 5000])
def test_an_impossible_port_is_refused(port: Any) -> None:
    """Here, and not in an HTTP client after the retries."""
    assert "port: must be a whole number from 1 to 65535" in refusal(host="api.example", port=port)


@pytest.mark.parametrize("key", [None, "", "   ", "\n"])
def test_no_key_is_told(key: str | None) -> None:
    """An empty password says which field is missing."""
    assert "password: must hold the StarVideos API key (it is empty)" in refusal(password=key)


@pytest.mark.parametrize("key", ["sk bad SECRET", "sk-\nSECRET", "sk-\x00SECRET", "sk-ключ-SECRET", "sk-“SECRET”"])
def test_a_key_that_fits_no_header_is_told_without_being_shown(key: str) -> None:
    """A newline in a header would be another header; the message doesn't show the value."""
    message = refusal(password=key)
    assert "password: must be an API key, printable ASCII without blanks (the value isn't shown)" in message
    assert "SECRET" not in message


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY}\n", f"\t{KEY}\r\n"])
def test_blanks_around_a_key_do_not_matter(key: str) -> None:
    """They come with copy and paste."""
    assert given(password=key).key == KEY


def test_the_key_is_in_no_repr() -> None:
    """An endpoint may be logged."""
    assert given().key == KEY
    assert KEY not in repr(given())


@pytest.mark.parametrize("name", ["host", "password", "schema"])
@pytest.mark.parametrize("value", [5, True, ["x"], {"x": 1}, b"x"])
def test_a_field_of_another_type_is_told(name: str, value: Any) -> None:
    """JSON lets a field be anything; the message has its name and type, not its value."""
    assert refusal(**{name: value}) == f"\n  - {name}: must be text (got {type(value).__name__})"


def test_the_defaults() -> None:
    """Without extras every number has the documented default; an empty form field is no number."""
    defaults = (60, 10, 3, 3600, False)
    for extra in (None, "", "{}", '{"timeout": null, "connect_timeout": "", "max_retries": null, "allow_http": ""}'):
        found = given(extra=extra)
        numbers = (found.timeout, found.connect_timeout, found.max_retries, found.presign_seconds)
        assert (*numbers, found.allow_private_downloads) == defaults


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [("timeout", 1, 600), ("connect_timeout", 0.1, 120), ("max_retries", 0, 20), ("presign_seconds", 60, 604_800)],
)
def test_numbers_are_taken_up_to_their_bounds(name: str, lowest: float, highest: float) -> None:
    """As numbers, and as the text that a URI makes of them; beyond the bounds they are refused."""
    for value in (lowest, highest):
        for spelled in (value, str(value), f" {value} "):
            assert getattr(given(extra=json.dumps({name: spelled})), name) == value
    for value in (lowest - 0.01, highest + 1, -1, 1e400, 10**400):
        assert f"extra {name}: must be " in refusal(extra=json.dumps({name: value}))


@pytest.mark.parametrize("value", [True, "abc", "5s", "nan", float("nan"), [], [5], {}, {"a": 5}, "  "])
@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "max_retries"])
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    """With the name of the extra and its bounds."""
    assert f"extra {name}: must be a" in refusal(extra=json.dumps({name: value}))


def test_retries_are_whole() -> None:
    """Half a retry is refused, and two are an int, however they are spelled."""
    assert "extra max_retries: must be a whole number from 0 to 20 (got 2.5)" in refusal(extra='{"max_retries": 2.5}')
    assert type(given(extra='{"max_retries": "2.0"}').max_retries) is int


@pytest.mark.parametrize("value", [True, "true", "True", " YES ", 1, "1"])
def test_truths(value: Any) -> None:
    """What a form, JSON and a URI write for true."""
    assert given(extra=json.dumps({"allow_private_downloads": value})).allow_private_downloads
    assert given(extra=json.dumps({"skip_input_checks": value})).skip_input_checks
    assert given(host="http://api.example", extra=json.dumps({"allow_http": value}))


@pytest.mark.parametrize("value", [False, "false", "False", " NO ", 0, "0", "", None])
def test_untruths(value: Any) -> None:
    """What they write for false: then the key doesn't go over http."""
    assert not given(extra=json.dumps({"allow_private_downloads": value})).allow_private_downloads
    assert not given(extra=json.dumps({"skip_input_checks": value})).skip_input_checks
    assert "host: must be https" in refusal(host="http://api.example", extra=json.dumps({"allow_http": value}))


@pytest.mark.parametrize("value", ["maybe", 2, -1, [], {}, 1.5, "on"])
def test_what_is_neither_true_nor_false_is_refused(value: Any) -> None:
    """Whether the key may be sent unencrypted isn't guessed."""
    assert "extra allow_http: must be true or false" in refusal(extra=json.dumps({"allow_http": value}))


@pytest.mark.parametrize("extra", ["[1]", "5", '"text"', "true"])
def test_an_extra_that_is_no_object_is_told(extra: str) -> None:
    """Not an AttributeError."""
    assert "extra: must be a JSON object" in refusal(extra=extra)


MISSPELLED = [
    "max_order_per_task",
    "MAX_ORDERS_PER_TASK",
    "max-orders-per-task",
    " max_orders_per_task",
    "maxOrdersPerTask",
    "max_orders",
    "extra__starvideos__max_orders_per_task",
    "max_seconds_per_orders",
    "max_second_per_order",
    "order_limit",
    "max_videos",
    "daily_budget",
    "Timeout",
    "timeout_seconds",
    "connection_timeout",
    "retries",
    "presign_second",
    "allow_https",
    "allow_private",
    "skip_input_check",
]


@pytest.mark.parametrize("name", MISSPELLED)
def test_a_misspelled_extra_is_refused(name: str) -> None:
    """An administrator would believe in a limit that isn't there; and so it is with a timeout."""
    message = refusal(extra=json.dumps({name: 5}))
    assert f"extra {name!r}: there is no such extra; perhaps you mean one of " in message
    assert "max_orders_per_task" in message


@pytest.mark.parametrize(
    "extra", ["max_orders_per_task=5", "{'max_orders_per_task': 5}", '{"max_orders_per_task": 5,}']
)
def test_an_extra_that_cannot_be_read_is_refused(extra: str) -> None:
    """Airflow takes it for an empty one: the limit in it would be gone."""
    assert "extra: must be a JSON object" in refusal(extra=extra)


@pytest.mark.parametrize("name", ["verify", "proxies", "timezone", "headers", "region_name", "team", ""])
def test_unknown_extras_are_ignored_where_they_are_like_none_that_is_known(name: str) -> None:
    """For example of a tool that keeps notes of its own in connections."""
    assert given(extra=json.dumps({name: "x"})) == given()


def test_unknown_extras_are_ignored() -> None:
    """A newer version's option doesn't break an older one."""
    assert given(extra='{"future": {"a": 1}}') == given()


def test_every_problem_is_told_at_once() -> None:
    """With these lines fixed, the connection works."""
    lines = refusal(password="", host="ftp://x", port=-1, extra='{"timeout": 0, "max_retries": "x", "allow_http": "?"}')
    found = [line.split(":")[0].removeprefix("  - ") for line in lines.strip("\n").splitlines()]
    assert found == ["password", "extra timeout", "extra max_retries", "extra allow_http", "port", "host"]


async def test_a_connection_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocking and awaited, the hook says which connection to create, and of which type."""
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    with pytest.raises(StarVideosConfigurationError, match=r"no Airflow connection 'nowhere': create it.*'starvideos'"):
        StarVideosHook("nowhere").get_conn()
    with pytest.raises(StarVideosConfigurationError, match=r"no Airflow connection 'nowhere': create it.*'starvideos'"):
        await StarVideosHook("nowhere").aget_conn()
