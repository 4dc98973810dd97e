"""The same connection as Airflow reads it from a URI, from JSON and from the environment."""

from __future__ import annotations

import json
import traceback

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS, AIRFLOW_V_3_3_PLUS
from airflow.sdk import Connection

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import StarVideosConfigurationError
from airflow_provider_starvideos.hooks.connection import VENDOR_BASE_URL, endpoint_of
from airflow_provider_starvideos.hooks.form import CONN_FIELDS, NUMBER_EXTRAS
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

KEY = "sk-key-of-the-form-tests"
VARIABLE = "AIRFLOW_CONN_STARVIDEOS_DEFAULT"

URIS: dict[str, tuple[str, Endpoint]] = {
    "no host": (f"starvideos://:{KEY}@", Endpoint(VENDOR_BASE_URL, KEY)),
    "a bare host": (f"starvideos://:{KEY}@api.example", Endpoint("https://api.example", KEY)),
    "host and port": (f"starvideos://:{KEY}@api.example:8443", Endpoint("https://api.example:8443", KEY)),
    "host, port and path": (f"starvideos://:{KEY}@api.example:8443/a", Endpoint("https://api.example:8443/a", KEY)),
    "a longer path": (f"starvideos://:{KEY}@api.example/a/b/", Endpoint("https://api.example/a/b", KEY)),
    "the base URL as host": (
        f"starvideos://:{KEY}@https%3A%2F%2Fapi.example%3A8443%2Fbase%2F",
        Endpoint("https://api.example:8443/base", KEY),
    ),
    "the vendor's URL as host": (
        f"starvideos://:{KEY}@https%3A%2F%2Fzcbservice.aizfw.cn%2FkyyReactApiServer",
        Endpoint(VENDOR_BASE_URL, KEY),
    ),
    "two schemes": (f"starvideos://https://:{KEY}@api.example:443/a", Endpoint("https://api.example:443/a", KEY)),
    "two schemes, http": (
        f"starvideos://http://:{KEY}@api.example/a?allow_http=1",
        Endpoint("http://api.example/a", KEY),
    ),
    "loopback": (f"starvideos://:{KEY}@127.0.0.1:8080/base", Endpoint("http://127.0.0.1:8080/base", KEY)),
    "IPv6 loopback": (f"starvideos://:{KEY}@[::1]:8080/base", Endpoint("http://[::1]:8080/base", KEY)),
    "IPv6 loopback, two schemes": (f"starvideos://http://:{KEY}@[::1]:80/a", Endpoint("http://[::1]:80/a", KEY)),
    "IPv6": (f"starvideos://https://:{KEY}@[2001:db8::1]/a", Endpoint("https://[2001:db8::1]/a", KEY)),
    "extras": (
        f"starvideos://:{KEY}@api.example/?timeout=30&connect_timeout=2.5&max_retries=0&allow_http=false",
        Endpoint("https://api.example", KEY, 30, 2.5, 0),
    ),
    "extras without a host": (f"starvideos://:{KEY}@/?timeout=30", Endpoint(VENDOR_BASE_URL, KEY, 30)),
    "extras as one": (
        f"starvideos://:{KEY}@api.example/?__extra__=%7B%22timeout%22%3A+30%7D",
        Endpoint("https://api.example", KEY, 30),
    ),
    "a key with reserved characters": ("starvideos://:sk%2Fa%2Bb%3A%40c@h", Endpoint("https://h", "sk/a+b:@c")),
}


needs_uris = pytest.mark.skipif(
    not AIRFLOW_V_3_3_PLUS,
    reason="older SDKs make no connection of a URI, or lose its extras; test_the_hook_reads_the_environment holds",
)


def read(uri: str) -> Endpoint:
    """Return the endpoint of a connection that is written as a URI."""
    connection = Connection(conn_id="mine", uri=uri)
    return endpoint_of(connection, connection.extra_dejson)


@needs_uris
@pytest.mark.parametrize(("uri", "expected"), URIS.values(), ids=URIS)
def test_a_connection_is_read_from_every_spelling_of_a_uri(uri: str, expected: Endpoint) -> None:
    """Airflow splits a URI in ways of its own; what comes out is the base URL that was meant, and the key."""
    assert read(uri) == expected


@needs_uris
@pytest.mark.parametrize(("uri", "expected"), URIS.values(), ids=URIS)
def test_a_connection_survives_airflows_own_spelling(uri: str, expected: Endpoint) -> None:
    """Airflow hands connections on as URIs of its making, and as JSON: neither changes where the key goes."""
    connection = Connection(conn_id="mine", uri=uri)
    assert read(connection.get_uri()) == expected
    copy = Connection.from_json(connection.as_json(), conn_id="mine")
    assert endpoint_of(copy, copy.extra_dejson) == expected


@pytest.mark.parametrize(("uri", "expected"), URIS.values(), ids=URIS)
async def test_the_hook_reads_the_environment(uri: str, expected: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default connection as a URI in the environment, blocking and awaited."""
    monkeypatch.setenv(VARIABLE, uri)
    assert StarVideosHook().get_conn() == expected
    assert await StarVideosHook().aget_conn() == expected


@pytest.mark.parametrize("name", NUMBER_EXTRAS)
def test_the_form_has_the_bounds_that_are_checked(name: str) -> None:
    """What the form lets through is taken, and its text names the same numbers."""
    rule, field = NUMBER_EXTRAS[name], CONN_FIELDS[name]
    kind = "integer" if rule.whole else "number"
    assert field["schema"] == {"type": [kind, "null"], "minimum": rule.lowest, "maximum": rule.highest}
    assert f"{rule.lowest:g} to {int(rule.highest)}" in field["description"]
    default = "no limit" if rule.default is None else f"{rule.default:g}"
    assert f"Empty: {default}." in field["description"]


async def test_the_hook_reads_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default connection as JSON in the environment, its extra an object or text."""
    extra = {"timeout": 30, "max_retries": 1}
    for spelled in (extra, json.dumps(extra)):
        connection = {"conn_type": "starvideos", "host": "https://api.example/a", "password": KEY, "extra": spelled}
        monkeypatch.setenv(VARIABLE, json.dumps(connection))
        expected = Endpoint("https://api.example/a", KEY, 30, max_retries=1)
        assert StarVideosHook().get_conn() == expected
        assert await StarVideosHook().aget_conn() == expected


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        (f"starvideos://{KEY}@api.example", "password: must hold"),
        (f"starvideos://:{KEY}@http%3A%2F%2Fapi.example", "host: must be https"),
        (f"starvideos://http://:{KEY}@10.0.0.1:80/a", "host: must be https"),
        (f"starvideos://:{KEY}@https%3A%2F%2Fuser%3A{KEY}%40api.example", "without user, query or fragment"),
        (f"starvideos://:{KEY}@https%3A%2F%2Fapi.example%2F%3Fkey%3D{KEY}", "without user, query or fragment"),
        (f"starvideos://:{KEY}%20{KEY}@api.example", "password: must be an API key"),
        (f"starvideos://:{KEY}@api.example/?timeout=soon&allow_http=perhaps", "extra timeout: must be a number"),
        (
            f"starvideos://:{KEY}@/?__extra__=%5B1%5D",
            "extra: must be a JSON object" if AIRFLOW_V_3_2_PLUS else "no Airflow connection",  # not read before
        ),
    ],
)
async def test_a_bad_uri_is_refused_without_the_key(uri: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook says what is wrong, and neither the message nor its causes show the key."""
    monkeypatch.setenv(VARIABLE, uri)
    with pytest.raises(StarVideosConfigurationError) as caught:
        StarVideosHook().get_conn()
    with pytest.raises(StarVideosConfigurationError) as acaught:
        await StarVideosHook().aget_conn()
    assert str(caught.value) == str(acaught.value)
    assert problem in str(caught.value)
    shown = "".join(traceback.format_exception_only(caught.value)) + repr(caught.value.__cause__)
    assert KEY not in shown


@pytest.mark.parametrize("uri", [f"starvideos://:{KEY}/x@api.example", f"starvideos://api.example:{KEY}", "{"])
async def test_what_airflow_can_not_read_is_no_connection(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that isn't percent-encoded breaks a URI: the hook says that there is no connection, without the key."""
    monkeypatch.setenv(VARIABLE, uri)
    with pytest.raises(StarVideosConfigurationError, match="no Airflow connection 'starvideos_default'") as caught:
        StarVideosHook().get_conn()
    assert KEY not in repr(caught.value) + repr(caught.value.__cause__)
