"""Answers that come encoded, though ``identity`` is asked for: read all the same where that can be, on any version.

A paid order's id may be in one. What is decoded is bounded: see also ``tests/hostile``.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import MAX_ANSWER_BYTES, received
from airflow_provider_starvideos.exceptions import StarVideosMalformedAnswerError, StarVideosUnconfirmedError

VIDEO = b'{"id": "video_1", "status": "queued"}'
PACKED = gzip.compress(VIDEO)
RAW = zlib.compress(VIDEO, wbits=-15)

READABLE = {
    "gzip": ("gzip", PACKED),
    "capitals": (" GZip ", PACKED),
    "x-gzip": ("x-gzip", PACKED),
    "deflate": ("deflate", zlib.compress(VIDEO)),
    "raw deflate": ("deflate", RAW),
    "plain, whatever its header says": ("gzip", VIDEO),
    "plain, of a coding nobody knows": ("utf-8", VIDEO),
}
UNREADABLE = {
    "cut": ("gzip", PACKED[:-9]),
    "damaged": ("gzip", PACKED[:-8] + bytes(8)),
    "not what it says": ("deflate", PACKED),
    "packed twice": ("gzip, gzip", gzip.compress(PACKED)),
    "unknown": ("br", PACKED),
    "a thousand codings": (", ".join(["gzip"] * 1000), PACKED),
}


def answering(encoding: str, body: bytes) -> Any:
    """Return a server that answers every request so."""

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.answer(body, "200 OK", f"Content-Encoding: {encoding}")

    return handle


@pytest.mark.parametrize("name", READABLE)
def test_an_encoded_answer_is_read(name: str, client: Any, api: Any, serve: Any) -> None:
    """An order's id isn't lost to a gateway that packs what it wasn't asked to pack; connections are kept as ever."""
    server = serve(answering(*READABLE[name]))
    assert client.run(api(server.url).create()).id == "video_1"
    for _ in range(2):
        assert client.run(api(server.url).poll()).id == "video_1"
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_answer_that_cannot_be_decoded(name: str, client: Any, api: Any, serve: Any) -> None:
    """It is an answer that can't be read, and says what it is encoded with; an order may have been accepted."""
    encoding, body = UNREADABLE[name]
    server = serve(answering(encoding, body))
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url, max_retries=5).create())
    assert (len(server.requests), client.slept) == (1, [])
    for _ in range(2):
        with pytest.raises(StarVideosMalformedAnswerError, match=rf"is encoded \('{encoding[:50]}.* can't be read"):
            client.run(api(server.url).poll())
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("more", [0, 1, 5_000_000])
def test_the_cap_holds_for_what_was_unpacked(coding: str, more: int) -> None:
    """An answer of exactly the cap is whole; one byte more, and it is cut."""
    body = b" " * (MAX_ANSWER_BYTES + more)
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    answer = received(200, {"content-encoding": coding}, packed)
    assert (len(answer.body), answer.too_large) == (MAX_ANSWER_BYTES, more > 0)


def test_what_is_beyond_the_cap_is_not_unpacked() -> None:
    """It was cut on its way already."""
    answer = received(200, {"content-encoding": "gzip"}, PACKED + bytes(MAX_ANSWER_BYTES))
    assert answer.too_large
    assert answer.body.startswith(PACKED)
