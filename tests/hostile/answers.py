"""Answers that no honest server gives, as bytes: made of a status, headers, a body and a framing."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

VIDEO: dict[str, Any] = {
    "id": "video_1",
    "object": "video",
    "created": 1_700_000_000,
    "model": "starvideos_o3",
    "status": "completed",
    "error": None,
    "video_url": "https://files.example/video_1.mp4?sig=x",
    "actualDuration": 3.0,
}
STATUSES = [200, 201, 204, 206, 301, 302, 303, 304, 307, 400, 401, 402, 404, 409, 422, 429, 500, 502, 503, 504]


@dataclass(frozen=True)
class Spoiled:
    """One answer.

    :param data: its bytes
    :param ending: what comes after them: ``close``, ``reset`` or ``hang``
    :param parts: in how many pieces it is sent
    :param body: what it says, however that is encoded and framed
    """

    data: bytes
    ending: str = "close"
    parts: int = 1
    body: bytes = b""

    def __repr__(self) -> str:
        more = f" + {len(self.data) - 3000} bytes" if len(self.data) > 3000 else ""
        return f"Spoiled({self.data[:3000]!r}{more}, {self.ending!r}, {self.parts})"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=10,
)
codes = st.sampled_from(
    [0, 200, 400, 401, 402, 404, 429, 500, 503, 599, 600, -401, 401.5, "401", "429", "x", 1e400, True]
)
NAMES = ("code", "message", "msg", "data", "progress", "", "task_id", "taskStatus", "result", "videos", "output")
MORE_NAMES = ("errors", "detail", "fail_reason", "success", "request_id", "amount", "url", "task")
names = st.sampled_from([*VIDEO, *NAMES, *MORE_NAMES])
texts = st.sampled_from(
    [
        "",
        "\x00",
        "\ud800",
        "no handler found",
        "https://u:p@h/?sig=x",
        "a\r\nX-A: b",
        "\u202e\x1b[31m",
        "../..",
        "a/b",
        "é" * 900,
    ]
)
near_videos = st.dictionaries(names, json_values | texts | codes, max_size=4).map(lambda odd: VIDEO | odd)
objects = (
    near_videos
    | st.dictionaries(names, json_values | texts | codes, max_size=4)
    | near_videos.map(lambda video: {"code": 200, "data": video})
    | st.builds(lambda code, message: {"code": code, "message": message, "data": None}, codes, texts | json_values)
    | st.builds(lambda code, message: {"error": {"code": code, "message": message}}, codes, texts | json_values)
)
payloads = st.one_of(
    objects.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")),
    objects.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8-sig", "surrogatepass")),
    objects.map(lambda value: json.dumps(value, ensure_ascii=False).encode("latin-1", "replace")),
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"",
            b" \r\n",
            b"<html><body>502 Bad Gateway</body></html>",
            b"[" * 200_000,
            b'{"data":' * 200_000,
            b'{"id":"video_1","created":' + b"9" * 10_000 + b"}",
            b'{"id":"video_1","status":"queued","error":"' + b"http://a" * 100_000 + b'"}',
            b'{"id":"video_1","status":' + b"[" * 900 + b"]" * 900 + b"}",
            b"{" + b'"id":"video_1",' * 60_000 + b'"status":"queued"}',
            b" " * 1_200_000,
            b"\x00" * 5000,
        ]
    ),
)
headers = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Type: \xff\xfe; charset=utf-7",
            b"Content-Encoding: br",
            b"Content-Encoding: gzip",
            b"Content-Encoding: identity, nothing, gzip",
            b"Retry-After: 2",
            b"Retry-After: -5",
            b"Retry-After: " + b"9" * 5000,
            b"Retry-After: Fri, 31 Dec 9999 23:59:60 GMT",
            b"Retry-After: nan",
            b"Retry-After: \xb2",
            b"Date: Mon, 99 Foo 0000",
            b"Location: http://[::1",
            b"Location: //evil.invalid/\xff",
            b"X-Request-Id: \x1b[31m\xff" + b"z" * 5000,
            b"Set-Cookie: a=b; Domain=.invalid",
            b"WWW-Authenticate: Digest realm=x, nonce=y",
            b"Connection: Upgrade",
            b"Upgrade: h2c",
            b"Connection: close",
            b"X-A: " + b"y" * 70_000,
            b" folded: yes",
            b"no colon",
            b": no name",
            b"X-\xc3\xbc: 1",
            b"X-Null: \x00",
            b"Trailer: X-T",
        ]
    )
    | st.binary(max_size=40).filter(lambda value: b"\n" not in value),
    max_size=3,
)
statuses = st.integers(100, 999) | st.sampled_from(STATUSES) | st.sampled_from(STATUSES)
status_lines = st.sampled_from([b"HTTP/1.0 %d", b"HTTP/1.1 %d \xff\x00", b"HTTP/2 %d", b"http/1.1 %d"])
broken_lines = st.sampled_from(
    [b"", b"HTTP/1.1", b"HTTP/1.1 abc OK", b"HTTP/1.1 -1 X", b"SSH-2.0-x", b"HTTP/1.1 99999999999999 X"]
)


def _chunked(body: bytes, size: bytes = b"%x") -> bytes:
    half = len(body) // 2 or 1
    pieces = [body[:half], body[half:]] if len(body) > half else [body]
    return b"".join(size % len(piece) + b"\r\n" + piece + b"\r\n" for piece in pieces if piece) + b"0\r\n\r\n"


FRAMINGS: dict[str, Any] = {
    # name: body -> (headers, bytes)
    "length": lambda body: ([b"Content-Length: %d" % len(body)], body),
    "none": lambda body: ([], body),
    "too long": lambda body: ([b"Content-Length: %d" % (len(body) + 9)], body),
    "too short": lambda body: ([b"Content-Length: %d" % (len(body) // 2)], body),
    "two lengths": lambda body: ([b"Content-Length: 3", b"Content-Length: %d" % len(body)], body),
    "no number": lambda body: ([b"Content-Length: -1"], body),
    "huge": lambda body: ([b"Content-Length: " + b"9" * 30], body),
    "chunked": lambda body: ([b"Transfer-Encoding: chunked"], _chunked(body)),
    "both": lambda body: ([b"Transfer-Encoding: chunked", b"Content-Length: 3"], _chunked(body)),
    "bad chunks": lambda body: ([b"Transfer-Encoding: chunked"], _chunked(body, b"-%x")),
    "huge chunks": lambda body: ([b"Transfer-Encoding: chunked"], _chunked(body, b"ffffffffffffffffff%x")),
    "half a chunk": lambda body: ([b"Transfer-Encoding: chunked"], _chunked(body)[:-9]),
    "other coding": lambda body: ([b"Transfer-Encoding: gzip, x"], body),
    "gzip": lambda body: (
        [b"Content-Encoding: gzip", b"Content-Length: %d" % len(gzip.compress(body))],
        gzip.compress(body),
    ),
    "half gzip": lambda body: ([b"Content-Encoding: gzip"], gzip.compress(body)[: len(body) // 2]),
    "deflate": lambda body: ([b"Content-Encoding: deflate"], zlib.compress(body)),
}


def _join(line: bytes, lines: list[bytes], body: bytes, framing: str) -> bytes:
    more, data = FRAMINGS[framing](body)
    return b"\r\n".join([line, *lines, *more]) + b"\r\n\r\n" + data


ENDINGS = st.sampled_from(["close", "close", "reset", "reset", "hang"])
INTERIM = st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n"])


PLAIN_HEADERS = st.lists(
    st.sampled_from(
        [
            b"Retry-After: 2",
            b"Retry-After: nan",
            b"Date: x",
            b"Location: //h/x",
            b"X-Request-Id: a",
        ]
    ),
    max_size=2,
)


@st.composite
def plain(draw: Any) -> Spoiled:
    """Draw an answer that says anything, in HTTP as it should be: what it means isn't a matter of who reads it."""
    status = draw((st.integers(200, 999) | st.sampled_from(STATUSES)).filter(lambda status: status not in (204, 304)))
    body = draw(payloads)
    framing = draw(st.sampled_from(["length", "none", "chunked", "gzip", "deflate"] if body else ["length"]))
    lines = [*draw(PLAIN_HEADERS), b"Connection: close"]  # it is; else a second request may go out just before
    data = _join(b"HTTP/1.1 %d OK" % status, lines, body, framing)
    return Spoiled(draw(st.just(b"") | INTERIM) + data, parts=draw(st.sampled_from([1, 2])), body=body)


@st.composite
def spoiled(draw: Any) -> Spoiled:
    """Draw an answer that is odd in one to three ways; an answer odd in all ways is just noise."""
    ways = [
        "status",
        "status",
        "body",
        "body",
        "body",
        "headers",
        "framing",
        "framing",
        "line",
        "before",
        "cut",
        "ending",
    ]
    odd = set(draw(st.lists(st.sampled_from(ways), min_size=1, max_size=3)))
    status = draw(statuses) if "status" in odd else 200
    line = draw(status_lines | broken_lines) if "line" in odd else b"HTTP/1.1 %d OK"
    body = draw(payloads) if "body" in odd else json.dumps(VIDEO).encode()
    framing = draw(st.sampled_from(sorted(FRAMINGS))) if "framing" in odd else "length"
    lines = draw(headers) if "headers" in odd else []
    data = _join(line % status if b"%d" in line else line, lines, body, framing)
    if "before" in odd:
        data = draw(INTERIM) + data
    if "cut" in odd:
        data = data[: int(len(data) * draw(st.floats(0, 1)))]
    ending = draw(ENDINGS) if "ending" in odd else "close"
    return Spoiled(data, ending, draw(st.sampled_from([1, 1, 2, 7])), body)
