"""The hook, blocking and awaited, with its connection out of the environment, against a running server."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosNotFoundError,
    StarVideosServerError,
    StarVideosUnconfirmedError,
    StarVideosValidationError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

SHORT = 0.02  # seconds between two polls


class Calls:
    """The hook's calls, whichever twin does them."""

    def __init__(self, conn_id: str = "starvideos_default") -> None:
        self.hook = StarVideosHook(conn_id)

    def create(self, **request: Any) -> VideoTask:
        return self.hook.create_video(**request)

    def get(self, video_id: Any) -> VideoTask:
        return self.hook.get_video(video_id)

    def wait(self, video_id: Any, **options: Any) -> VideoTask:
        return self.hook.wait_for_video(video_id, **options)


class AwaitedCalls(Calls):
    """The same, awaited."""

    def create(self, **request: Any) -> VideoTask:
        return asyncio.run(self.hook.acreate_video(**request))

    def get(self, video_id: Any) -> VideoTask:
        return asyncio.run(self.hook.aget_video(video_id))

    def wait(self, video_id: Any, **options: Any) -> VideoTask:
        return asyncio.run(self.hook.await_for_video(video_id, **options))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the default connection, as an operator of an Airflow does: by an environment variable."""

    def set_connection(host: str, key: str, **extra: Any) -> None:
        extra = {"timeout": 10, "max_retries": 0, **extra}
        connection = {"conn_type": "starvideos", "host": host, "password": key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))

    return set_connection


@pytest.fixture
def server(emulator: Emulator, connect: Callable[..., None]) -> Emulator:
    """The server, under the default connection."""
    connect(emulator.base_url, emulator.key)
    return emulator


@pytest.fixture(params=[Calls, AwaitedCalls], ids=["blocking", "awaited"])
def calls(request: pytest.FixtureRequest) -> Calls:
    """Each of the twins."""
    made: Calls = request.param()
    return made


def test_a_video_from_order_to_result(calls: Calls, server: Emulator) -> None:
    """Ordered, asked for, waited for: one bill, and the same video all the way."""
    ordered = calls.create(prompt="a red fox", duration="5", ratio="16:9")
    assert calls.get(f" {ordered.id}\n").id == ordered.id
    server.finish(ordered.id)
    done = calls.wait(ordered.id, poll_interval=SHORT, timeout=10)
    assert (done.id, done.is_completed, done.actual_duration) == (ordered.id, True, 5.0)
    assert server.orders[0].request == {
        "model": "starvideos_o3",
        "prompt": "a red fox",
        "duration": 5,
        "ratio": "16:9",
    }
    assert server.billed.videos == 1


def test_a_bad_request_is_refused_before_anything_is_sent(calls: Calls, server: Emulator) -> None:
    """Nothing reaches the server, not even a connection; nor does an id that can't be one."""
    with pytest.raises(StarVideosValidationError, match="has 2 problems"):
        calls.create(prompt="", duration=2)
    for call in (calls.get, calls.wait):
        with pytest.raises(StarVideosValidationError):
            call("../admin")
    assert server.state["requests"] == {"create": 0, "query": 0, "download": 0, "unknown": 0}


def test_a_wait_goes_on_through_a_bad_time(calls: Calls, server: Emulator) -> None:
    """Errors, lost answers, unknown statuses and impatient gateways are waited out."""
    video_id = calls.create(prompt="a red fox").id
    server.finish(video_id)
    for kind in ("server_error", "reset", "html", "unknown_status", "half_body"):
        server.add_fault(on="query", kind=kind, times=1)
    for status in (408, 425, 499):
        server.add_fault(on="query", kind="status", status=status, times=1)
    assert calls.wait(video_id, poll_interval=SHORT, timeout=20).is_completed


def test_a_failed_video_ends_the_wait(calls: Calls, server: Emulator) -> None:
    """With the API's reason."""
    video_id = calls.create(prompt="a red fox").id
    server.finish(video_id, "failed", "content policy")
    with pytest.raises(StarVideosVideoFailedError, match="content policy"):
        calls.wait(video_id, poll_interval=SHORT, timeout=20)
    assert calls.get(video_id).error == "content policy"


def test_a_wait_ends_at_its_deadline(calls: Calls, server: Emulator) -> None:
    """The video goes on."""
    video_id = calls.create(prompt="a red fox").id
    started = time.monotonic()
    with pytest.raises(StarVideosWaitTimeoutError):
        calls.wait(video_id, poll_interval=60, timeout=0.3)
    assert 0.2 < time.monotonic() - started < 10
    assert server.order(video_id).queries == 2


def test_an_unknown_video_is_told_as_such(calls: Calls, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permanent: neither another poll nor another wait helps."""
    monkeypatch.setattr("airflow_provider_starvideos.api.retry.UNKNOWN_DELAY", 0.01)
    for call in (calls.get, calls.wait):
        with pytest.raises(StarVideosNotFoundError, match="doesn't know this video"):
            call("video_nobody_has")


def test_a_lost_order_is_unconfirmed(calls: Calls, server: Emulator) -> None:
    """It was billed once, and isn't sent again."""
    server.add_fault(on="create", kind="reset", when="after")
    with pytest.raises(StarVideosUnconfirmedError):
        calls.create(prompt="a red fox")
    assert server.billed.videos == server.requests["create"] == 1


def test_the_connections_retries_count(
    calls: Calls, emulator: Emulator, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``max_retries`` of the connection is how often a call is sent again."""
    monkeypatch.setattr("airflow_provider_starvideos.api.retry.FIRST_DELAY", 0.01)
    connect(emulator.base_url, emulator.key, max_retries=1)
    emulator.add_fault(on="query", kind="server_error", times=1)
    emulator.add_fault(on="create", kind="status", status=503, times=1)
    video_id = calls.create(prompt="a red fox").id
    assert calls.get(video_id).id == video_id
    assert emulator.requests["create"] == emulator.requests["query"] == 2


@pytest.mark.usefixtures("impatient")
def test_a_wait_has_no_retries_within_its_polls(calls: Calls, emulator: Emulator, connect: Callable[..., None]) -> None:
    """The next poll is the retry; the tenth in a row that fails ends the wait."""
    connect(emulator.base_url, emulator.key, max_retries=5)
    emulator.add_fault(on="query", kind="server_error")
    with pytest.raises(StarVideosServerError):
        calls.wait("video_1", poll_interval=SHORT, timeout=60)
    assert emulator.requests["query"] == 10


@pytest.mark.parametrize("times", [{"poll_interval": 0}, {"poll_interval": -1.0}, {"timeout": 0}, {"timeout": "60"}])
def test_a_wait_without_a_pause_is_refused(calls: Calls, emulator: Emulator, times: dict[str, Any]) -> None:
    """It would ask without end, as fast as it can: an error of the caller's, before anything is asked."""
    (name,) = times
    with pytest.raises(ValueError, match=f"{name} must be a positive number of seconds"):
        calls.wait("video_1", **{"poll_interval": SHORT, "timeout": 60, **times})
    assert emulator.requests["query"] == 0


def test_the_connections_timeout_counts(calls: Calls, emulator: Emulator, connect: Callable[..., None]) -> None:
    """A server that hangs is given up in its time."""
    connect(emulator.base_url, emulator.key, timeout=1)
    emulator.add_fault(on="query", kind="hang")
    started = time.monotonic()
    with pytest.raises(StarVideosConnectionError, match="no whole answer within 1 s"):
        calls.get("video_1")
    assert 0.9 < time.monotonic() - started < 6


def test_the_key_is_in_no_log(
    calls: Calls, server: Emulator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is logged, at whatever level, by whomever."""
    caplog.set_level(logging.DEBUG)
    server.add_fault(on="query", kind="status", status=500, body={"error": f"no, {server.key}"}, times=2)
    video_id = calls.create(prompt="a red fox").id
    server.add_fault(on="query", kind="reset", skip=2, times=1)
    server.finish(video_id)
    calls.wait(video_id, poll_interval=SHORT, timeout=20)
    out, err = capfd.readouterr()
    assert "failed (1 in a row)" in caplog.text + out + err
    assert server.key not in caplog.text + out + err


# -- the form's test button


def press() -> tuple[bool, str]:
    """Press the test button."""
    good, message = StarVideosHook().test_connection()
    return good, message


def test_a_good_connection(server: Emulator) -> None:
    """One query, nothing ordered, and a message that says so."""
    good, message = press()
    assert good
    assert "No video was ordered" in message
    assert server.base_url in message
    assert (server.requests["query"], server.billed.videos) == (1, 0)


def test_a_bad_key(emulator: Emulator, connect: Callable[..., None]) -> None:
    """The message says which field to check, and doesn't show the key."""
    connect(emulator.base_url, "sk-another")
    good, message = press()
    assert not good
    assert "check the connection's password" in message
    assert "sk-another" not in message


@pytest.mark.parametrize("path", ["/", "/kyyReactApiServer/v1", "/elsewhere"])
def test_a_wrong_path(path: str, emulator: Emulator, connect: Callable[..., None]) -> None:
    """A server that is right, under a base URL that isn't."""
    connect(emulator.url + path, emulator.key)
    good, message = press()
    assert not good
    assert "no StarVideos API at this base URL" in message


ANSWERS: dict[str, tuple[bytes, str]] = {
    "a web page": (b"<html>Welcome</html>", "200 OK"),
    "a page not found": (b"<html>Not found</html>", "404 Not Found"),
    "another API": (b'{"status": "ok"}', "200 OK"),
    "a login": (b"", "302 Found"),
    "a broken gateway": (b"<html>nginx</html>", "502 Bad Gateway"),
    "nothing": (b"", "200 OK"),
}


@pytest.mark.parametrize(("body", "status"), ANSWERS.values(), ids=ANSWERS)
def test_a_host_that_is_not_starvideos(body: bytes, status: str, connect: Callable[..., None], serve: Any) -> None:
    """Another server isn't taken for the API, and is asked once."""

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.answer(body, status)

    server = serve(handle)
    connect(server.url, "sk-key", max_retries=5)
    good, message = press()
    assert not good
    assert message.startswith("There is a server, but")
    assert len(server.requests) == 1


def test_nothing_listens(connect: Callable[..., None], unused_port: int) -> None:
    """At once, and with the host."""
    connect(f"http://127.0.0.1:{unused_port}", "sk-key", max_retries=5)
    good, message = press()
    assert not good
    assert f"no connection to 127.0.0.1:{unused_port}" in message


@pytest.mark.parametrize(("host", "key", "problem"), [("ftp://x", "sk-key", "host: "), ("", "", "password: ")])
def test_a_connection_that_can_not_be_used(host: str, key: str, problem: str, connect: Callable[..., None]) -> None:
    """The message lists what is wrong with it."""
    connect(host, key)
    good, message = press()
    assert not good
    assert problem in message


def test_a_connection_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named."""
    monkeypatch.delenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", raising=False)
    assert press()[0] is False
    with pytest.raises(StarVideosConfigurationError, match="'starvideos_default'"):
        StarVideosHook().get_video("video_1")


@pytest.mark.usefixtures("impatient")
def test_a_wrong_key_fails_every_call(calls: Calls, emulator: Emulator, connect: Callable[..., None]) -> None:
    """As what it is."""
    connect(emulator.base_url, "sk-another")
    for call in (lambda: calls.create(prompt="x"), lambda: calls.get("video_1")):
        with pytest.raises(StarVideosAuthenticationError):
            call()
    with pytest.raises(StarVideosAuthenticationError):  # after ten polls over ten minutes: it may be being exchanged
        calls.wait("video_1", poll_interval=SHORT)
    assert emulator.requests["query"] == 1 + 10
