"""Nothing hangs: a host that says nothing, or little, or talks for ever, is left at the limit."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosDownloadError
from tests.storage.hosts import VIDEO, Host, answer

Start = Callable[..., Host]
Fetch = Callable[..., Any]
SLACK = 5.0  # of a busy machine, seconds


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set at the end of the test, so that hosts stop."""
    event = threading.Event()
    yield event
    event.set()


def drip(over: threading.Event, head: bytes, repeated: bytes) -> Callable[[Any], None]:
    """Return a reply that says something small every 50 ms, without an end."""

    def reply(sock: Any) -> None:
        sock.sendall(head)
        while not over.wait(0.05):
            sock.sendall(repeated)

    return reply


def test_silence(host: Start, fetch: Fetch, over: threading.Event) -> None:
    """A host that stops in mid-way is left after stall_seconds, and asked again."""

    def stall(sock: Any) -> None:
        sock.sendall(answer(cut=1000))
        over.wait(30)

    server = host(stall, answer())
    began = time.monotonic()
    assert fetch(server.url, stall_seconds=0.3).path.read_bytes() == VIDEO
    assert 0.3 <= time.monotonic() - began < SLACK


def test_silence_from_the_start(host: Start, fetch: Fetch, over: threading.Event) -> None:
    """A host that takes the request and says nothing; the attempts are bounded, too."""
    server = host(lambda sock: over.wait(30))
    began = time.monotonic()
    with pytest.raises(StarVideosDownloadError, match="Timeout"):
        fetch(server.url, stall_seconds=0.1)
    assert len(server.requests) == 5
    assert time.monotonic() - began < SLACK


@pytest.mark.parametrize(
    ("head", "repeated"),
    [
        (answer(cut=200), b"v"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"trailer: x\r\n"),
    ],
    ids=["body", "header", "100s", "chunk length", "trailers"],
)
def test_dripping(host: Start, fetch: Fetch, over: threading.Event, head: bytes, repeated: bytes) -> None:
    """A byte now and then, in the body or where a head never ends, keeps no task beyond transfer_seconds."""
    server = host(drip(over, head, repeated))
    began = time.monotonic()
    with pytest.raises(StarVideosDownloadError, match=r"longer than 0\.5 s"):
        fetch(server.url, transfer_seconds=0.5, stall_seconds=10)
    assert 0.5 <= time.monotonic() - began < SLACK
    assert len(server.requests) == 1


def test_the_limit_holds_over_all_attempts(host: Start, fetch: Fetch, over: threading.Event) -> None:
    """Each attempt has the rest of the time, not all of it again; and no pause is slept beyond the end."""

    def slow(sock: Any) -> None:
        over.wait(0.2)

    server = host(slow)
    began = time.monotonic()
    with pytest.raises(StarVideosDownloadError, match=r"longer than 0\.5 s"):
        fetch(server.url, transfer_seconds=0.5)
    assert time.monotonic() - began < SLACK
    assert all(pause <= 0.5 for pause in fetch.sleeps)  # type: ignore[attr-defined]


@pytest.mark.parametrize("reply", [answer(), answer(b"<html>")])
def test_no_thread_stays_behind(host: Start, fetch: Fetch, reply: bytes) -> None:
    """The watch over the deadline, and the digest's helper, end with the transfer, however that ends."""
    server = host(reply)
    with contextlib.suppress(StarVideosDownloadError):
        fetch(server.url)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) or thread.name.startswith("starvideos-digest"):
            thread.join(5)
            assert not thread.is_alive()
