"""Answers that are framed in uncommon ways, and both clients read them alike (CASES C10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosUnconfirmedError
from tests.contract.conftest import Peer

VIDEO = b'{"id": "video_1", "status": "queued"}'
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(VIDEO)
CHUNKS = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(VIDEO), VIDEO)

WHOLE: dict[str, bytes] = {
    "a header of 9 KB": OK + LENGTH + b"Content-Security-Policy: " + b"x" * 9_000 + b"\r\n\r\n" + VIDEO,
    "a header of 60 KB": OK + LENGTH + b"Set-Cookie: " + b"x" * 60_000 + b"\r\n\r\n" + VIDEO,
    "a header of 200 KB": OK + LENGTH + b"X-Filler: " + b"x" * 200_000 + b"\r\n\r\n" + VIDEO,
    "120 KB of headers": OK
    + LENGTH
    + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 4000) for n in range(30))
    + b"\r\n"
    + VIDEO,
    "a long reason": b"HTTP/1.1 200 " + b"fine " * 3_000 + b"\r\n" + LENGTH + b"\r\n" + VIDEO,
    "150 headers": OK + LENGTH + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + b"\r\n" + VIDEO,
    "600 cookies": OK + LENGTH + b"".join(b"Set-Cookie: a%d=b\r\n" % n for n in range(600)) + b"\r\n" + VIDEO,
    "no reason": b"HTTP/1.1 200\r\n" + LENGTH + b"\r\n" + VIDEO,
    "HTTP/1.0 with a length": b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\n" + VIDEO,
    "HTTP/1.0 until it closes": b"HTTP/1.0 200 OK\r\n\r\n" + VIDEO,
    "HTTP/1.1 until it closes": OK + b"Connection: close\r\n\r\n" + VIDEO,
    "chunks": OK + CHUNKS + b"\r\n" + CHUNK + b"0\r\n\r\n",
    "chunks with trailers": OK + CHUNKS + b"Trailer: X-Sum\r\n\r\n" + CHUNK + b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    "chunks with extensions": OK + CHUNKS + b"\r\n" + CHUNK.replace(b"\r\n", b";a=b\r\n", 1) + b"0\r\n\r\n",
    "chunks of one byte": OK + CHUNKS + b"\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in VIDEO) + b"0\r\n\r\n",
    "a header twice": OK + LENGTH + b"X-Request-Id: a\r\nX-Request-Id: b\r\n\r\n" + VIDEO,
    "a newline too many": OK + LENGTH + b"\r\n" + VIDEO + b"\n",
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
    + OK
    + LENGTH
    + b"\r\n"
    + VIDEO,
    "header in UTF-8": OK + LENGTH + "X-Who: Grüße\r\n\r\n".encode() + VIDEO,
}
# HTTP lets a client refuse these.
UNREADABLE = {
    "the same length twice": OK + LENGTH + LENGTH + b"\r\n" + VIDEO,
    "more than its length": OK + LENGTH + b"Connection: close\r\n\r\n" + VIDEO + b"trailing",
    "less than its length": OK + b"Content-Length: 99\r\n\r\n" + VIDEO,
    "chunks and a length": OK + CHUNKS + LENGTH + b"\r\n" + CHUNK + b"0\r\n\r\n",
}


def answering(data: bytes) -> Callable[[Peer], None]:
    """Return a server's behaviour: answer a request with these bytes, and close the connection."""

    def handle(peer: Peer) -> None:
        if peer.read_request():
            peer.send(data)

    return handle


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_whole_answer_is_read(data: bytes, client: Any, api: Any, serve: Any) -> None:
    """An accepted order isn't lost, and a poll doesn't fail, over what a gateway adds."""
    here = api(serve(answering(data)).url)
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.poll()).id == "video_1"


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_cannot_be_trusted_leaves_an_order_unconfirmed(
    data: bytes, client: Any, api: Any, serve: Any
) -> None:
    """Where an answer begins and ends isn't guessed: the order may have been accepted, and isn't sent again."""
    server = serve(answering(data))
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url, max_retries=3).create())
    assert server.connections == 1
