"""Connections that fail: whether an order could have been received is never guessed wrong, and it is sent once."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosConnectionError,
    StarVideosMalformedAnswerError,
    StarVideosQuotaError,
    StarVideosUnconfirmedError,
)
from tests.contract.conftest import Peer

VIDEO = b'{"id": "video_1", "status": "queued"}'


def lost(client: Any, request: Any) -> StarVideosConnectionError:
    """Send a request that can't be answered; return the error, which never shows the key."""
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(request)
    attached: BaseException | None = caught.value
    while attached is not None:
        assert request.endpoint.key not in f"{attached!r} {attached}"
        attached = attached.__cause__ or attached.__context__
    assert request.endpoint.host in str(caught.value)
    return caught.value


def never_sent(client: Any, here: Any) -> None:
    """Check that an order to there ends as one that provably never left, and is sent again where that is allowed."""
    error = lost(client, here.order)
    assert error.sent is False
    assert "no connection to" in str(error)
    with pytest.raises(StarVideosConnectionError):
        client.run(here.with_(max_retries=2).create())
    assert len(client.slept) == len(client.warnings) == 2


def test_nobody_listens(client: Any, api: Any, unused_port: int) -> None:
    """A refused connection never carried an order."""
    never_sent(client, api(f"http://127.0.0.1:{unused_port}"))


def test_a_name_that_does_not_exist(client: Any, api: Any) -> None:
    """A host that can't be found never got an order."""
    never_sent(client, api("https://nonexistent.invalid"))


def test_tls_against_a_server_without_it(client: Any, api: Any, serve: Any) -> None:
    """The handshake fails, so the order and the key never left."""

    def handle(peer: Any) -> None:
        peer.sock.recv(65536)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = serve(handle)
    never_sent(client, api(f"https://127.0.0.1:{server.port}"))


def test_a_handshake_that_is_cut_off(client: Any, api: Any, serve: Any) -> None:
    """The same, where the server hangs up on the first bytes."""

    def handle(peer: Any) -> None:
        peer.sock.recv(65536)
        peer.reset()

    server = serve(handle)
    error = lost(client, api(f"https://127.0.0.1:{server.port}").order)
    assert error.sent is False


def test_an_order_after_which_a_connection_is_made_is_not_sent_any_more(
    client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup of the name may outlast the timeout. The order then counts as never sent, and stays unsent for ever."""
    found, look_up = threading.Event(), socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        assert found.wait(30)
        return look_up(*args, **options)

    def handle(peer: Any) -> None:
        if peer.read_request():
            peer.answer(VIDEO)

    server = serve(handle)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    before = set(threading.enumerate())
    error = lost(client, api(f"http://localhost:{server.port}", timeout=0.2).order)
    assert error.sent is False
    found.set()
    client.leave()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "starvideos-request":
            thread.join(10)
            assert not thread.is_alive()
    assert server.requests == []


def reset(peer: Any) -> None:
    """Read the request, then end the connection with a RST."""
    peer.read_request()
    peer.reset()


def close(peer: Any) -> None:
    """Read the request, then close the connection."""
    peer.read_request()


def half_head(peer: Any) -> None:
    """Close the connection in the middle of the answer's head."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def half_body(peer: Any) -> None:
    """Close the connection in the middle of the answer's body."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n" + VIDEO[:20])


def half_chunk(peer: Any) -> None:
    """Close the connection in the middle of a chunk, though what was sent of it could be read."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(VIDEO) + 5) + VIDEO)


def no_last_chunk(peer: Any) -> None:
    """Send all chunks but the last, empty one."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(VIDEO), VIDEO))


def bad_chunk(peer: Any) -> None:
    """Send a chunk of negative length."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + VIDEO + b"\r\n0\r\n\r\n")


def no_http(peer: Any) -> None:
    """Answer in another protocol."""
    peer.read_request()
    peer.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def two_lengths(peer: Any) -> None:
    """Send two lengths that contradict each other."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 37\r\n\r\n" + VIDEO)


def two_lengths_and_no_more(peer: Any) -> None:
    """The same, and the connection ends with the answer: nothing stays open of it."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\nContent-Length: 37\r\n\r\n" + VIDEO)


def long_header(peer: Any) -> None:
    """Send a header of a megabyte."""
    peer.read_request()
    peer.answer(VIDEO, "200 OK", "X-Filler: " + "x" * 1_000_000)


LOST = [reset, close, half_head, half_body, half_chunk, no_last_chunk, bad_chunk, no_http]
LOST += [two_lengths, two_lengths_and_no_more, long_header]


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """An unclosed socket is a warning, and so an error, once it is collected."""
    yield
    gc.collect()


@pytest.mark.parametrize("handle", LOST, ids=lambda handle: handle.__name__)
def test_an_answer_that_is_lost_after_the_order_was_read(
    handle: Callable[[Any], None], client: Any, api: Any, serve: Any
) -> None:
    """The order may have been accepted: it counts as sent, it is unconfirmed, and it isn't sent again."""
    server = serve(handle)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url, max_retries=5).create())
    assert len(server.requests) == server.connections == 1
    assert client.slept == []
    error = lost(client, api(server.url).order)
    assert error.sent is True
    assert "lost the connection to" in str(error)


@pytest.mark.parametrize("handle", LOST, ids=lambda handle: handle.__name__)
def test_a_query_whose_answer_is_lost_is_sent_again(
    handle: Callable[[Any], None], client: Any, api: Any, serve: Any
) -> None:
    """It costs nothing; the same server then answers as it should."""

    def then_well(peer: Any) -> None:
        if peer.server.connections <= 2:
            handle(peer)
        else:
            while peer.read_request():
                peer.answer(VIDEO)

    server = serve(then_well)
    assert client.run(api(server.url, max_retries=2).poll()).id == "video_1"
    assert len(server.requests) == 3
    assert 1 <= len(client.slept) <= 2  # aiohttp itself repeats a GET once, where a connection just closed


def test_a_query_that_is_lost_on_a_kept_alive_connection_was_sent(client: Any, api: Any, serve: Any) -> None:
    """No new connection was made for it, and still it left."""

    def handle(peer: Any) -> None:
        peer.read_request()
        peer.answer(VIDEO)
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n" + VIDEO[:20])

    server = serve(handle)
    client.send(api(server.url).query)
    assert lost(client, api(server.url).query).sent is True
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_query_without_a_connection_says_so(client: Any, api: Any, serve: Any, unused_port: int) -> None:
    """Whether no server listens, none is found or no handshake ends: its error names the network, not the API."""
    server = serve(lambda peer: peer.hang())
    for url in (f"http://127.0.0.1:{unused_port}", "https://nonexistent.invalid", f"https://127.0.0.1:{server.port}"):
        error = lost(client, api(url, connect_timeout=0.2).query)
        assert error.sent is False
        assert "no connection to" in str(error)


def test_a_connection_that_is_closed_before_the_order_was_read_whole(client: Any, api: Any, serve: Any) -> None:
    """What the server did with what had arrived can't be known: it counts as sent."""

    def handle(peer: Any) -> None:
        peer.sock.recv(1)
        peer.reset()

    server = serve(handle)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url, max_retries=5).create())
    assert server.connections == 1


ACCEPTED_AND_LOST = ["reset", "close", "half_body", "server_error", "bad_gateway_html", "empty", "html", "garbage"]
ACCEPTED_AND_LOST += ["no_id"]


@pytest.mark.parametrize("kind", ACCEPTED_AND_LOST)
def test_an_accepted_order_whose_answer_is_lost_is_billed_once(
    kind: str, client: Any, api: Any, emulator: Emulator
) -> None:
    """The server counts: one order, one bill, whatever it answered."""
    emulator.add_fault(on="create", kind=kind, when="after")
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(emulator.base_url, max_retries=5).create())
    assert emulator.requests["create"] == emulator.billed.videos == 1


@pytest.mark.parametrize("kind", ["rate_limit", "status"])
def test_an_order_that_was_not_taken_is_billed_once_in_the_end(
    kind: str, client: Any, api: Any, emulator: Emulator
) -> None:
    """429 and 503 say that it wasn't: it is sent again, each time over a new connection."""
    options = {"status": 503} if kind == "status" else {}
    emulator.add_fault(on="create", kind=kind, times=2, **options)
    task = client.run(api(emulator.base_url, max_retries=2).create())
    assert emulator.billed.videos == 1
    assert emulator.orders[0].id == task.id
    requests = emulator.journal(event="request", kind="create")
    assert len({entry["connection"] for entry in requests}) == len(requests) == 3


REFUSALS = [
    ("429 Too Many Requests", b'{"id": "video_1", "status": "queued"}'),
    ("503 Service Unavailable", b'{"id": "video_1", "status": "queued"}'),
    ("400 Bad Request", b'{"data": {"id": "video_1", "status": "processing"}}'),
    ("200 OK", b'{"code": 429, "data": [{"id": "video_1", "status": "queued"}]}'),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
def test_a_refusal_that_names_a_video_sends_nothing_again(
    status: str, body: bytes, client: Any, api: Any, serve: Any
) -> None:
    """A gateway may answer so for an order that went through: one request, and the id is in the error."""

    def handle(peer: Peer) -> None:
        while peer.read_request():
            peer.answer(body, status)

    server = serve(handle)
    with pytest.raises(StarVideosUnconfirmedError, match=r"yet names a video \('video_1'\)"):
        client.run(api(server.url, max_retries=5).create())
    assert len(server.requests) == 1


PAGE = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"
GATEWAYS: dict[str, tuple[str, bytes]] = {
    # what is in front of an API says these also where the API has the order: "first byte timeout", "upstream reset"
    "nginx": ("503 Service Temporarily Unavailable", PAGE),
    "Varnish, Fastly": ("503 first byte timeout", b"<?xml version='1.0'?><html><title>503 first byte timeout</title>"),
    "Envoy": ("503 Service Unavailable", b"upstream connect error or disconnect/reset before headers"),
    "Istio": ("503 Service Unavailable", b"no healthy upstream"),
    "HAProxy": ("503 Service Unavailable", b""),
    "AWS": ("503 Service Unavailable", b'{"message": "Service Unavailable"}'),
    "Kong": ("503 Service Unavailable", b'{"message": "failure to get a peer from the ring-balancer"}'),
    "Apigee": ("503 Service Unavailable", b'{"fault": {"faultstring": "The Service is temporarily unavailable"}}'),
    "Azure": ("503 Service Unavailable", b'{"statusCode": 503, "message": "Service unavailable"}'),
    "Spring": (
        "503 Service Unavailable",
        b'{"timestamp": 1, "path": "/", "status": 503, "error": "Service Unavailable"}',
    ),
    "Tyk": ("503 Service Unavailable", b'{"error": "There was a problem proxying the request"}'),
    "ESPv2": ("503 Service Unavailable", b'{"code": 14, "message": "upstream request timeout"}'),
    "inside a 200": ("200 OK", b'{"code": 503, "message": "upstream timed out", "data": null}'),
    "Cloudflare": ("524 A Timeout Occurred", b"error code: 524"),
    "a load balancer": ("460 Client Closed", b""),
}


@pytest.mark.parametrize("wait", [b"", b"Retry-After: 0\r\n", b"Retry-After: 1\r\n"], ids=["", "0", "1"])
@pytest.mark.parametrize(("status", "body"), GATEWAYS.values(), ids=GATEWAYS)
def test_b1_a_gateways_503_sends_nothing_again(
    status: str, body: bytes, wait: bytes, client: Any, api: Any, serve: Any
) -> None:
    """B1: whatever its form and its Retry-After, the order may have been accepted: one request, unconfirmed."""

    def handle(peer: Peer) -> None:
        while peer.read_request():
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n".encode()
            peer.send(head + wait + b"\r\n" + body)

    server = serve(handle)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url, max_retries=5).create())
    assert len(server.requests) == 1
    assert client.slept == []


ACCEPTED_ALL_THE_SAME = {"status": 503, "body": PAGE.decode()}


def test_b1_what_the_gateway_hid_is_billed_once(client: Any, api: Any, emulator: Emulator) -> None:
    """The server behind it counts: accepted, then a page with 503."""
    emulator.add_fault(on="create", kind="status", when="after", retry_after=0, **ACCEPTED_ALL_THE_SAME)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(emulator.base_url, max_retries=5).create())
    assert emulator.requests["create"] == emulator.billed.videos == 1


NAMED: dict[str, tuple[bytes, str | None, str]] = {
    # body, the id of the accepted video (None: not accepted, or unknown), the id that the error names
    "B13, projectId": (b'{"projectId": "proj_9", "status": "pending"}', "proj_9", ""),
    "B13, a list": (b'{"code": 200, "data": [{"taskId": "t-8"}]}', "t-8", ""),
    "B8": (b'{"id": "req-8f3a", "code": 402, "message": "insufficient balance"}', None, ""),
    "a video beside an error": (b'{"id": "video_8f3a", "code": 500, "message": "oops"}', None, "video_8f3a"),
    "half an answer": (b'{"id": "video_8f3a", "status": "que', None, "video_8f3a"),
}


@pytest.mark.parametrize(("body", "video_id", "named"), NAMED.values(), ids=NAMED)
def test_b8_b13_an_answer_is_read_as_the_server_means_it(
    body: bytes, video_id: str | None, named: str, client: Any, api: Any, serve: Any
) -> None:
    """One request each; a refusal is one, and what may have been ordered keeps the name of its video."""

    def handle(peer: Peer) -> None:
        while peer.read_request():
            peer.answer(body)

    server = serve(handle)
    order = api(server.url, max_retries=5).create()
    if video_id:
        assert client.run(order).id == video_id
    else:
        with pytest.raises(StarVideosUnconfirmedError if named else StarVideosQuotaError) as caught:
            client.run(order)
        assert getattr(caught.value, "named", "") == named
    assert len(server.requests) == 1


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: "])
def test_a_key_in_the_place_of_an_answer_is_taken_out(before: bytes, client: Any, api: Any, serve: Any) -> None:
    """A library's error quotes what it couldn't read, and a server may send back what it got."""

    def handle(peer: Peer) -> None:
        while request := peer.read_request():
            (line,) = [one for one in request.split(b"\r\n") if one.lower().startswith(b"authorization: ")]
            peer.send(before + line.partition(b" ")[2] + b"\r\n\r\n")
            return

    here = api(serve(handle).url)
    for call in (here.poll(), here.create()):
        with pytest.raises(
            (StarVideosConnectionError, StarVideosMalformedAnswerError, StarVideosUnconfirmedError)
        ) as caught:
            client.run(call)
        attached: BaseException | None = caught.value
        while attached is not None:
            assert here.endpoint.key not in f"{attached!r} {attached}"
            attached = attached.__cause__ or attached.__context__
