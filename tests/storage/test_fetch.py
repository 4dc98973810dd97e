"""Fetch against hosts that misbehave: broken, wrong, expired and resumed; whole in the end, or an error."""

from __future__ import annotations

import gzip
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosTooLargeError
from airflow_provider_starvideos.storage.gunzip import PIECE_BYTES
from tests.storage.hosts import VIDEO, Host, answer, chunked, mp4

Start = Callable[..., Host]
Fetch = Callable[..., Any]
HALF = len(VIDEO) // 2
ETAG = '"v1"'


def part(body: bytes, start: int, *, total: int | None = None, etag: str | None = ETAG, **options: Any) -> bytes:
    """Return a 206 with the bytes from ``start`` on."""
    spans = f"bytes {start}-{len(body) - 1}/{total or len(body)}"
    return answer(body[start:], "206 Partial Content", content_range=spans, etag=etag, **options)


def range_of(request: str) -> str | None:
    """Return what a request's Range header asks for."""
    for line in request.split("\r\n"):
        if line.lower().startswith("range:"):
            return line.split(":", 1)[1].strip()
    return None


def test_a_whole_file(host: Start, fetch: Fetch, tmp_path: Path) -> None:
    """Its bytes, size, digest and type."""
    got = fetch(host(answer()).url)
    assert got.path.read_bytes() == VIDEO
    assert (got.size_bytes, got.content_type) == (len(VIDEO), "video/mp4")
    assert got.sha256 == hashlib.sha256(VIDEO).hexdigest()


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "binary/octet-stream", "video/quicktime"])
def test_vague_types_are_fine(host: Start, fetch: Fetch, content_type: str | None) -> None:
    """Buckets often say no more than "bytes"; what counts is what the bytes are."""
    assert fetch(host(answer(content_type=content_type)).url).size_bytes == len(VIDEO)


def test_chunks_without_a_length(host: Start, fetch: Fetch) -> None:
    """The chunks' own end says that all has come."""
    assert fetch(host(chunked(VIDEO)).url).size_bytes == len(VIDEO)


def test_a_broken_transfer_goes_on_where_it_broke(host: Start, fetch: Fetch) -> None:
    """With Range and If-Range; the whole has the digest of the whole."""
    server = host(answer(etag=ETAG, cut=HALF), part(VIDEO, HALF))
    got = fetch(server.url)
    assert got.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert range_of(server.requests[0]) is None
    assert range_of(server.requests[1]) == f"bytes={HALF}-"
    assert f"If-Range: {ETAG}" in server.requests[1]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_it_begins_again(host: Start, fetch: Fetch, etag: str | None) -> None:
    """Nothing proves that the rest belongs to the beginning."""
    server = host(answer(etag=etag, cut=HALF), answer(etag=etag))
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert range_of(server.requests[1]) is None


def test_a_range_that_is_ignored(host: Start, fetch: Fetch) -> None:
    """A 200 to a Range request is the whole file, not the rest."""
    server = host(answer(etag=ETAG, cut=HALF), answer(etag=ETAG))
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert range_of(server.requests[1])


OTHER = mp4(len(VIDEO), b"w")


@pytest.mark.parametrize(
    "wrong",
    [
        part(VIDEO, HALF + 1),
        part(VIDEO, HALF - 1),
        part(VIDEO, HALF, total=len(VIDEO) + 1),
        part(OTHER, HALF, etag='"v2"'),
        answer(VIDEO[HALF:], "206 Partial Content", etag=ETAG),
        answer(VIDEO[HALF:], "206 Partial Content", etag=ETAG, content_range="bytes */5"),
        answer(VIDEO[HALF:], "206 Partial Content", etag=ETAG, content_range=f"bytes {'9' * 5000}-1/2"),
        answer(b"", "416 Range Not Satisfiable"),
        part(VIDEO, HALF, content_encoding="gzip"),
    ],
)
def test_a_wrong_part_is_never_put_to_the_beginning(host: Start, fetch: Fetch, wrong: bytes) -> None:
    """Another offset, length, version or encoding, no Content-Range at all: begun again from nothing."""
    server = host(answer(etag=ETAG, cut=HALF), wrong, answer(etag=ETAG))
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert range_of(server.requests[2]) is None


def test_a_changed_etag_begins_again(host: Start, fetch: Fetch) -> None:
    """The host honours If-Range: its file is another one now, so it sends all of that."""
    server = host(answer(etag=ETAG, cut=HALF), answer(OTHER, etag='"v2"'))
    assert fetch(server.url).path.read_bytes() == OTHER


def test_a_failing_host_in_mid_way_costs_no_progress(host: Start, fetch: Fetch) -> None:
    """A 503 between two parts doesn't throw away what is there."""
    server = host(answer(etag=ETAG, cut=HALF), answer(b"busy", "503 Busy"), part(VIDEO, HALF))
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert range_of(server.requests[2])


@pytest.mark.parametrize("status", ["403 Forbidden", "410 Gone", "404 Not Found", "401 Unauthorized"])
def test_an_expired_url_is_asked_for_anew(host: Start, fetch: Fetch, status: str) -> None:
    """Before the first byte and in mid-way; what is there is kept, if the new URL has the same file."""
    server = host(
        answer(b"expired", status), answer(etag=ETAG, cut=HALF), answer(b"expired", status), part(VIDEO, HALF)
    )
    urls = [f"{server.url}?n={number}" for number in range(9)]
    assert fetch(lambda: urls.pop(0)).path.read_bytes() == VIDEO
    assert [request.split()[1][-1] for request in server.requests] == ["0", "1", "1", "2"]


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"<!DOCTYPE html><html>sign in</html>", content_type="text/html"),
        answer(b"<!DOCTYPE html><html>sign in</html>"),
        answer(b'{"error": "gone"}', content_type="application/json"),
        answer(b""),
        answer(b"", "204 No Content"),
        answer(VIDEO[:-1]),
        answer(VIDEO, length=HALF),
        answer(VIDEO, length=len(VIDEO) + 1),
        answer(VIDEO, cut=HALF),
        answer(gzip.compress(VIDEO)[:-1], content_encoding="gzip"),
        answer(gzip.compress(VIDEO)[:-9] + b"123456789", content_encoding="gzip"),
        answer(gzip.compress(VIDEO[:-1])),
        answer(b"\x1b\x03\x00\xf8" + bytes(range(256)), content_encoding="br"),
        answer(b"\x1aE\xdf\xa3\x9fB\x86\x81\x01" + bytes(500), content_type="video/webm"),
        answer(VIDEO, length=None, cut=HALF),
        chunked(VIDEO, end=False),
        chunked(VIDEO[:HALF]),
        answer(VIDEO[:120] + b"\0\0\0\0mdat" + VIDEO, length=None),
        answer(b"", "500 Oops"),
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_what_is_not_a_whole_video_is_refused(host: Start, fetch: Fetch, reply: bytes) -> None:
    """Pages, cut files, wrong lengths, endless heads: an error after a few attempts, with pauses that grow."""
    server = host(reply)
    with pytest.raises(StarVideosDownloadError, match="can't be fetched"):
        fetch(server.url)
    assert len(server.requests) in (5, 6)  # one more where the first brought a part
    assert fetch.sleeps == sorted(fetch.sleeps)  # type: ignore[attr-defined]
    assert sum(fetch.sleeps) < 60  # type: ignore[attr-defined]


CODINGS = ("aws-chunked", "utf-8", "UTF-8", "binary", "gzip", "br", "none", "8bit")
TYPES = ("text/plain", "text/html", "image/png", "application/json", "application/xml")
ODD_HEADERS: list[dict[str, Any]] = [
    *({"content_encoding": coding} for coding in CODINGS),
    *({"content_type": kind} for kind in TYPES),
    {"content_type": "text/plain; charset=utf-8", "content_encoding": "aws-chunked,gzip"},
]


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=str)
@pytest.mark.parametrize("how", [answer, chunked])
def test_c8_good_bytes_under_odd_headers(
    host: Start, fetch: Fetch, caplog: pytest.LogCaptureFixture, how: Any, headers: dict[str, Any]
) -> None:
    """Stores repeat what an uploader claimed. The bytes are whole, so they are saved, with a warning."""
    got = fetch(host(how(VIDEO, **headers)).url)
    assert got.path.read_bytes() == VIDEO
    assert got.content_type == "video/mp4"
    assert [record.levelname for record in caplog.records if "whole" in record.message] == ["WARNING"]


@pytest.mark.parametrize("behind", [b"\n", bytes(100), b"\r\n0123456789"])
def test_c7_data_behind_the_last_box(host: Start, fetch: Fetch, behind: bytes, caplog: Any) -> None:
    """It is part of what was sent, and of what is saved."""
    assert fetch(host(answer(VIDEO + behind)).url).path.read_bytes() == VIDEO + behind
    assert "data after its last box" in caplog.text


def test_c8_resumed_under_odd_headers(host: Start, fetch: Fetch) -> None:
    """A coding that is only claimed is claimed of both parts."""
    odd = {"content_encoding": "aws-chunked"}
    server = host(answer(etag=ETAG, cut=HALF, **odd), part(VIDEO, HALF, **odd))
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert len(server.requests) == 2


@pytest.mark.parametrize("headers", [{"content_encoding": "gzip"}, {"content_type": "application/gzip"}], ids=str)
def test_c8_what_is_really_compressed(host: Start, fetch: Fetch, headers: dict[str, Any]) -> None:
    """It is decoded, whatever the header says; broken off, it is begun again."""
    packed = gzip.compress(VIDEO)
    server = host(answer(packed, etag=ETAG, cut=len(packed) - 50, **headers), answer(packed, etag=ETAG, **headers))
    got = fetch(server.url)
    assert got.path.read_bytes() == VIDEO
    assert (got.size_bytes, got.sha256) == (len(VIDEO), hashlib.sha256(VIDEO).hexdigest())
    assert range_of(server.requests[1]) is None


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 9_999_999])
def test_c8_compressed_to_nearly_nothing(host: Start, fetch: Fetch, size: int) -> None:
    """Also where one chunk holds many pieces, and the last one is full."""
    assert fetch(host(answer(gzip.compress(mp4(size)))).url).path.read_bytes() == mp4(size)


def test_a_small_body_that_unpacks_to_much(host: Start, fetch: Fetch) -> None:
    """The limit is on what is written, and memory is bounded."""
    bomb = gzip.compress(mp4(80_000_000))
    with pytest.raises(StarVideosTooLargeError):
        fetch(host(answer(bomb)).url, max_bytes=1_000_000)


def test_what_came_instead_is_shown(host: Start, fetch: Fetch) -> None:
    """Its beginning, without a signature or the key, short and on one line."""
    page = b'{"error": "denied for key-123456789",\n "u": "https://s.example.com/?Signature=abc", "m": "' + b"x" * 500
    with pytest.raises(StarVideosDownloadError, match=r"It begins with '\{\"error\": \"denied for") as caught:
        fetch(host(answer(page)).url, key="key-123456789")
    assert not [word for word in ("abc", "123456789", "\n") if word in str(caught.value)]


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"\x1aE\xdf\xa3 a new container", content_type="video/webm"),
        answer(VIDEO[:-5]),
        answer(gzip.compress(VIDEO)),
        chunked(b"<html>"),
    ],
    ids=["webm", "a cut file", "gzip", "a page"],
)
def test_c7_verify_false_saves_what_came(host: Start, fetch: Fetch, reply: bytes, caplog: Any) -> None:
    """Its bytes as they are, with a warning that shows how they begin."""
    body = reply.split(b"\r\n\r\n", 1)[1]
    got = fetch(host(reply).url, verify=False)
    assert got.path.read_bytes() in body
    assert got.size_bytes == got.path.stat().st_size > 0
    assert [record.levelno for record in caplog.records if "verify=False" in record.message] == [logging.WARNING]


@pytest.mark.parametrize("reply", [answer(b""), answer(VIDEO, length=len(VIDEO) + 1), answer(b"no", "404 Not Found")])
def test_verify_false_still_wants_what_was_announced(host: Start, fetch: Fetch, reply: bytes) -> None:
    """Nothing at all, less than the host announced, an error's page: none of them is a file that came."""
    with pytest.raises(StarVideosDownloadError):
        fetch(host(reply).url, verify=False)


def test_a_video_without_any_length_that_is_whole(host: Start, fetch: Fetch) -> None:
    """Old hosts end a body by closing; the file's own boxes add up, so it is whole."""
    assert fetch(host(answer(length=None)).url).size_bytes == len(VIDEO)


def test_an_open_ended_file_of_known_length(host: Start, fetch: Fetch) -> None:
    """A last box without a length is fine where the host says how long the file is."""
    endless = VIDEO[:120] + b"\0\0\0\0mdat" + VIDEO
    assert fetch(host(answer(endless)).url).size_bytes == len(endless)


def test_parts_that_are_smaller_than_asked_for(host: Start, fetch: Fetch) -> None:
    """A host that gives no more than so much at once is asked again, without losing what is there."""
    step = 70_000
    parts = [
        answer(
            VIDEO[start : start + step],
            "206 Partial Content",
            etag=ETAG,
            content_range=f"bytes {start}-{min(start + step, len(VIDEO)) - 1}/{len(VIDEO)}",
        )
        for start in range(1000, len(VIDEO), step)
    ]
    server = host(answer(etag=ETAG, cut=1000), *parts)
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert len(server.requests) == 1 + len(parts)


def test_junk_is_left_early(host: Start, fetch: Fetch) -> None:
    """Not after gigabytes of it."""
    sent: list[int] = []

    def endless(sock: Any) -> None:
        sock.sendall(answer(b"", length=1 << 33))
        while len(sent) < 500:
            sock.sendall(bytes(1 << 20))
            sent.append(1)

    with pytest.raises(StarVideosDownloadError, match="isn't a whole MP4"):
        fetch(host(endless).url)
    assert len(sent) < 100


def test_odd_lengths_are_read_as_none(host: Start, fetch: Fetch) -> None:
    """A Content-Length that is no number, or of five thousand digits, is no reason to crash."""
    for length in ("9" * 5000, "many", "-5"):
        with_it = answer(length=length)
        assert fetch(host(with_it).url).size_bytes == len(VIDEO)


@pytest.mark.parametrize("reply", [answer(), chunked(VIDEO), answer(length=None)])
def test_the_limit_on_size(host: Start, fetch: Fetch, reply: bytes) -> None:
    """Announced, it is refused before a byte is written; unannounced, as soon as it is passed. No second attempt."""
    server = host(reply)
    with pytest.raises(StarVideosTooLargeError, match="larger than the limit of 100000 bytes"):
        fetch(server.url, max_bytes=100_000)
    assert len(server.requests) == 1
    assert fetch(server.url, max_bytes=len(VIDEO)).size_bytes == len(VIDEO)


def test_a_limit_on_attempts_with_little_progress(host: Start, fetch: Fetch) -> None:
    """A host that gives a byte an attempt is given up after a while, though there is progress each time."""
    sent = [200]

    def drip(sock: Any) -> None:
        sent[0] += 1
        first = len(sent) == 1
        sent.append(0)
        reply = answer(etag=ETAG) if first else part(VIDEO, sent[0] - 1)
        head = reply.index(b"\r\n\r\n") + 4
        sock.sendall(reply[: head + (sent[0] if first else 1)])

    server = host(drip)
    with pytest.raises(StarVideosDownloadError, match="can't be fetched"):
        fetch(server.url)
    assert len(server.requests) == 100
