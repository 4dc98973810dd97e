"""Nothing hangs, and nothing grows: servers that never end, in time or in size."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import MAX_ANSWER_BYTES
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosConnectionError,
    StarVideosMalformedAnswerError,
    StarVideosUnconfirmedError,
)

SHORT = 0.2  # the timeout of a request in these tests, seconds
SLACK = 5.0  # how much later a busy machine may notice
VIDEO = b'{"id": "video_1", "status": "queued"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Check that something takes about that long: no less, and little more."""
    started = time.monotonic()
    yield
    assert seconds * 0.9 <= time.monotonic() - started < seconds + SLACK


def hang(peer: Any) -> None:
    """Read the request, and never answer."""
    peer.read_request()
    peer.hang()


def drip_status(peer: Any) -> None:
    """Send a status line that never ends, a byte now and then."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 ")
    peer.drip(b"x")


def drip_headers(peer: Any) -> None:
    """Send headers for ever, a byte now and then."""
    peer.read_request()
    peer.send(HEAD)
    peer.drip(b"X-A: b\r\n")


def drip_body(peer: Any) -> None:
    """Send a body that never ends, a byte now and then."""
    peer.read_request()
    peer.send(HEAD + b"Content-Length: 100000000\r\n\r\n")
    peer.drip(b" ")


def drip_chunks(peer: Any) -> None:
    """Send chunks for ever, now and then."""
    peer.read_request()
    peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"1\r\n \r\n")


def drip_continues(peer: Any) -> None:
    """Say "100 Continue" for ever."""
    peer.read_request()
    peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n", seconds=0.001)


def drip_hints(peer: Any) -> None:
    """Give early hints for ever."""
    peer.read_request()
    peer.drip(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", seconds=0.001)


ENDLESS = [hang, drip_status, drip_headers, drip_body, drip_chunks, drip_continues, drip_hints]


@pytest.mark.parametrize("handle", ENDLESS, ids=lambda handle: handle.__name__)
def test_every_request_ends_in_its_time(handle: Callable[[Any], None], client: Any, api: Any, serve: Any) -> None:
    """However a server keeps it waiting; an order counts as sent then, and isn't sent again."""
    server = serve(handle)
    with ends_within(SHORT), pytest.raises(StarVideosConnectionError, match=r"no whole answer within 0\.2 s") as caught:
        client.send(api(server.url, timeout=SHORT).query)
    assert caught.value.sent is True
    with ends_within(SHORT), pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url, timeout=SHORT, max_retries=5).create())
    assert len(server.requests) == 2


@pytest.mark.parametrize("handle", ENDLESS, ids=lambda handle: handle.__name__)
def test_a_request_that_was_given_up_leaves_nothing_behind(
    handle: Callable[[Any], None], client: Any, api: Any, serve: Any
) -> None:
    """Its connection is closed, so that the server sees the client leave, and its thread ends."""
    left = threading.Event()

    def noticing(peer: Any) -> None:
        try:
            handle(peer)
        finally:
            left.set()

    server = serve(noticing)
    with pytest.raises(StarVideosConnectionError):
        client.send(api(server.url, timeout=SHORT).order)
    assert left.wait(10)
    assert not server.closing.is_set()
    client.leave()
    for thread in threading.enumerate():
        if thread.name == "starvideos-request":
            thread.join(10)
            assert not thread.is_alive()


def test_after_a_query_that_was_given_up_the_next_one_is_answered(client: Any, api: Any, serve: Any) -> None:
    """And gets its own answer, not the late one of the other."""

    def handle(peer: Any) -> None:
        if peer.server.connections == 1:
            hang(peer)
        while peer.read_request():
            peer.answer(VIDEO)

    server = serve(handle)
    here = api(server.url, timeout=SHORT)
    with pytest.raises(StarVideosConnectionError):
        client.send(here.query)
    for _ in range(2):
        assert client.send(here.with_(timeout=10.0).query).body == VIDEO
    assert server.connections == 2


def test_connecting_ends_in_its_time(client: Any, api: Any, serve: Any) -> None:
    """A handshake that isn't answered never carried an order, and has a separate timeout."""
    server = serve(lambda peer: peer.hang())
    here = api(f"https://127.0.0.1:{server.port}", timeout=30.0, connect_timeout=SHORT)
    with ends_within(SHORT), pytest.raises(StarVideosConnectionError) as caught:
        client.send(here.order)
    assert caught.value.sent is False


def test_the_whole_request_includes_connecting(client: Any, api: Any, serve: Any) -> None:
    """A long connect timeout doesn't prolong it."""
    server = serve(lambda peer: peer.hang())
    here = api(f"https://127.0.0.1:{server.port}", timeout=SHORT, connect_timeout=30.0)
    with ends_within(SHORT), pytest.raises(StarVideosConnectionError) as caught:
        client.send(here.order)
    assert caught.value.sent is False


STATUSES = ["200 OK", "302 Found\r\nLocation: http://elsewhere.invalid/", "401 Unauthorized", "500 Server Error"]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status[:3])
def test_an_endless_answer_is_read_up_to_the_cap(status: str, chunked: bool, client: Any, api: Any, serve: Any) -> None:
    """A megabyte, whatever its status; the server can't get rid of much more than that, so no memory holds it."""
    sent: list[int] = []
    block = b" " * 65536

    def handle(peer: Any) -> None:
        peer.read_request()
        peer.send(f"HTTP/1.1 {status}\r\n".encode())
        peer.send(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: 100000000\r\n\r\n")
        while sum(sent) < 100_000_000 - len(block):
            peer.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            sent.append(len(block))

    server = serve(handle)
    response = client.send(api(server.url).query)
    assert response.too_large
    assert len(response.body) == MAX_ANSWER_BYTES
    server._threads[1].join(10)
    assert sum(sent) < 30_000_000


@pytest.mark.parametrize(("size", "too_large"), [(MAX_ANSWER_BYTES, False), (MAX_ANSWER_BYTES + 1, True)])
def test_the_caps_two_sides(size: int, too_large: bool, client: Any, api: Any, serve: Any) -> None:
    """An answer of exactly the cap is whole; one byte more, and it is cut."""

    def handle(peer: Any) -> None:
        peer.read_request()
        peer.answer(b" " * size)

    response = client.send(api(serve(handle).url).query)
    assert (len(response.body), response.too_large) == (MAX_ANSWER_BYTES, too_large)


@pytest.mark.parametrize("size", [0, 1, 5, 1000])
def test_an_answer_that_comes_in_pieces_is_whole(size: int, client: Any, api: Any, serve: Any) -> None:
    """Head and body may come together, or byte by byte: it ends where it says, not where the first piece does."""
    body = VIDEO + b" " * size

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            for index in range(0, len(body), 7):
                peer.send(body[index : index + 7])
                peer.server.closing.wait(0.001)

    server = serve(handle)
    for _ in range(2):
        response = client.send(api(server.url).query)
        assert (response.body, response.too_large) == (body, False)
    assert server.connections == 1


def test_a_huge_answer_to_an_order_leaves_it_unconfirmed(client: Any, api: Any, emulator: Emulator) -> None:
    """It was accepted, but its id can't be read; and to a query it is an answer that can't be read."""
    emulator.add_fault(on="create", kind="huge", when="after")
    emulator.add_fault(on="query", kind="huge")
    with pytest.raises(StarVideosUnconfirmedError, match="larger than 1048576 bytes"):
        client.run(api(emulator.base_url).create())
    assert emulator.billed.videos == 1
    with pytest.raises(StarVideosMalformedAnswerError):
        client.run(api(emulator.base_url).poll())


def test_closing_leaves_no_connection_open(client: Any, api: Any, serve: Any) -> None:
    """The server sees it end, and nothing is left for the garbage collector to warn of."""
    ended = threading.Event()

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.answer(VIDEO)
        ended.set()

    server = serve(handle)
    client.send(api(server.url).query)
    assert not ended.is_set()
    client.leave()
    assert ended.wait(10)
    gc.collect()
