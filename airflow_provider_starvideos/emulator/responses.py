"""What to send, as data, and the one function that sends it. Faults edit answers, and never write to a socket."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import hdrs, web

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes to send: a head, one byte over and over, a tail. So it may be larger than memory."""

    head: bytes = b""  # the first bytes
    count: int = 0  # how many zeros (or ``fill``) follow
    tail: bytes = b""  # the last bytes
    fill: bytes = b"\0"  # the byte to fill with

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.head) + self.count + len(self.tail)

    def part(self, start: int, stop: int) -> Body:
        """Return the bytes from ``start`` up to ``stop``."""
        filled = len(self.head)
        tail = filled + self.count
        count = max(0, min(stop, tail) - max(start, filled))
        return Body(self.head[start:stop], count, self.tail[max(0, start - tail) : max(0, stop - tail)], self.fill)

    def chunks(self) -> Iterator[bytes]:
        """Yield them, some at a time."""
        yield from _split(self.head)
        block = self.fill * min(CHUNK, self.count)
        for start in range(0, self.count, CHUNK):
            yield block[: self.count - start]
        yield from _split(self.tail)


def _split(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int = 200  # HTTP status
    body: Body = field(default_factory=Body)  # its bytes
    content_type: str = ""  # ``Content-Type``; empty for none
    headers: Mapping[str, str] = field(default_factory=dict)  # further headers
    payload: Any = None  # the JSON object in the body, for faults that change it
    # ``Content-Length``: ``exact``, another number, or None for a chunked body without one
    length: int | Literal["exact"] | None = "exact"
    cut: int | None = None  # close the connection after that many bytes of the body; None sends it whole and keeps it
    bytes_per_second: float | None = None  # drip the body at that rate; None sends as fast as it goes
    # ``close`` or ``reset`` closes the connection without any answer at all
    ending: Literal["send", "close", "reset"] = "send"
    whole: Answer | None = None  # the answer to the same request had it carried no ``Range``


def json_answer(payload: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with a JSON body."""
    body = Body(json.dumps(payload).encode())
    return Answer(status, body, "application/json", headers or {}, payload)


def error_answer(status: int, message: str, code: str, **more: object) -> Answer:
    """Return an error in the API's form."""
    return json_answer({"error": {"message": message, "code": code, **more}}, status)


@dataclass(slots=True)
class Sent:
    """What went out."""

    response: web.StreamResponse  # what aiohttp's handler has to return
    body_bytes: int = 0  # how much of the body was written
    whole: bool = True  # whether it was all of the answer


async def send(request: web.Request, answer: Answer) -> Sent:
    """Send an answer, or as much of it as it says.

    :param request: what it answers.
    :param answer: what to send.
    :returns: what went out.
    :raises ConnectionError: the client has gone.
    """
    if answer.ending != "send":
        drop(request, reset=answer.ending == "reset")
        return Sent(web.Response(), whole=False)
    response = _head(answer)
    sent = Sent(response)
    await response.prepare(request)
    if answer.cut is not None:
        # aiohttp holds the head back until the first piece of the body, and there may be none.
        await response.write(b"")
    if request.method != hdrs.METH_HEAD:
        limits = (answer.body.size, answer.cut, answer.length)
        limit = min(number for number in limits if isinstance(number, int))
        for chunk in _pieces(answer, limit):
            if answer.bytes_per_second:
                await asyncio.sleep(len(chunk) / answer.bytes_per_second)
            await response.write(chunk)
            sent.body_bytes += len(chunk)
    if answer.cut is not None:
        sent.whole = sent.body_bytes == answer.body.size
        if sent.whole:
            await response.write_eof()
        drop(request)
        return sent
    await response.write_eof()
    if isinstance(answer.length, int) and answer.length > answer.body.size:
        sent.whole = False
        drop(request)
    return sent


def _head(answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
    if answer.content_type:
        response.headers[hdrs.CONTENT_TYPE] = answer.content_type
    if answer.length == "exact":
        response.content_length = answer.body.size
    elif answer.length is not None:
        response.content_length = answer.length
    else:
        response.enable_chunked_encoding()
    return response


def _pieces(answer: Answer, limit: int) -> Iterator[bytes]:
    """Yield the body up to the limit, in pieces small enough for the rate."""
    # A drip is felt, and stops soon when the client leaves, at ten pieces per second.
    step = max(1, int((answer.bytes_per_second or CHUNK * 10) / 10))
    left = limit
    for chunk in answer.body.chunks():
        for start in range(0, len(chunk), step):
            if left <= 0:
                return
            piece = chunk[start : start + min(step, left)]
            left -= len(piece)
            yield piece


def drop(request: web.Request, *, reset: bool = False) -> None:
    """Close the connection without another byte: with a FIN, or with a RST as when a server dies."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
