"""Results: signed URLs, ranges, expiry, and everything that can go wrong on the way down."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from airflow_provider_starvideos.emulator import Emulator, downloads
from airflow_provider_starvideos.emulator.fault_kinds import KINDS
from airflow_provider_starvideos.emulator.responses import Body

NEEDED = {
    "status": {"status": 503},
    "delay": {"seconds": 0.01},
    "slow": {"bytes_per_second": 2_000_000},
    "redirect": {"location": "http://127.0.0.1:9/"},
}


@pytest.fixture(scope="module")
def shared(module_client: Any) -> Any:
    """One emulator with one finished video for all of these tests: rendering is what takes time."""
    module_client.finished("a red fox")
    return module_client


@pytest.fixture
def client(shared: Any) -> Iterator[Any]:
    """Its client, without what the last test has set."""
    yield shared
    shared.emulator.clear_faults()
    shared.emulator.update(url_ttl=86_400, pad_bytes=0, ranges=True, expired_status=403)


@pytest.fixture
def emulator(client: Any) -> Emulator:
    """The emulator itself."""
    running: Emulator = client.emulator
    return running


def url_of(client: Any) -> str:
    """Return a fresh URL of the video."""
    url: str = client.get(client.emulator.orders[0].id).json()["video_url"]
    return url


def boxes(data: bytes) -> list[tuple[str, int]]:
    """Return the names and sizes of an MP4 file's boxes."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if size == 1:
            size = struct.unpack(">Q", data[at + 8 : at + 16])[0]
        found.append((name.decode(), size))
        at += size
    assert at == len(data)
    return found


def test_a_result_is_a_playable_video(client: Any, probe: Any) -> None:
    """A result downloads without a key: H.264, right length and shape, index first, with all that a client needs."""
    response = client.fetch(url_of(client))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "video/mp4"
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"].startswith('"')
    video = probe(response.content)
    assert (video.codec, video.pixels, video.size) == ("h264", "yuv420p", (360, 640))
    assert (video.seconds, video.frames) == (3.0, 72)
    names = [name for name, _ in boxes(response.content)]
    assert names.index("moov") < names.index("mdat")


def test_urls_are_fresh_and_all_work(client: Any) -> None:
    """Each query gives another URL; earlier ones work until they expire, and give the same bytes."""
    first, second = url_of(client), url_of(client)
    assert first != second
    assert client.fetch(first).content == client.fetch(second).content


@pytest.mark.parametrize("part", ["signature", "expires", "nonce", "path", "none"])
def test_a_forged_url_gets_403(client: Any, part: str) -> None:
    """A URL that was changed anywhere, or carries no signature, is refused."""
    url = urlsplit(url_of(client))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    path = url.path
    if part == "path":
        path = "/files/video_00000000-0000-0000-0000-000000000000.mp4"
    elif part == "none":
        query = {}
    else:
        query[part] = query[part][:-1] + ("1" if query[part][-1] != "1" else "2")
    response = client.fetch(url._replace(path=path, query=urlencode(query)).geturl())
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "bad_signature"


def test_a_garbled_url_gets_403(client: Any, emulator: Any) -> None:
    """A URL with bytes that are no text is refused like any other forgery."""
    url = f"{emulator.url}/files/%ff.mp4?expires=%ed%a0%80&nonce=%ff&signature=%ed%a0%80%ff"
    assert client.fetch(url).status_code == 403


@pytest.mark.parametrize("status", [403, 410])
def test_a_url_expires(client: Any, emulator: Any, status: int) -> None:
    """After its time a URL is refused, with the status set; a fresh one works."""
    emulator.update(url_ttl=0, expired_status=status)
    response = client.fetch(url_of(client))
    assert response.status_code == status
    assert response.json()["error"]["code"] == "url_expired"
    emulator.update(url_ttl=60)
    assert client.fetch(url_of(client)).status_code == 200


def test_a_url_works_only_while_its_order_is_complete(client: Any, emulator: Any) -> None:
    """The URL of an order that is put back to processing finds nothing."""
    video_id, url = emulator.orders[0].id, url_of(client)
    emulator.finish(video_id, "processing")
    assert client.fetch(url).status_code == 404
    emulator.finish(video_id)
    assert client.fetch(url).status_code == 200


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=5-5", 5, 6),
        ("bytes=10-999999999", 10, None),
        ("bytes=-999999999", 0, None),
    ],
)
def test_a_range_gets_its_bytes(client: Any, value: str, start: int, stop: int | None) -> None:
    """A range gets 206, exactly its bytes, and says which of how many they are."""
    url = url_of(client)
    whole = client.fetch(url).content
    response = client.fetch(url, Range=value)
    assert response.status_code == 206
    assert response.content == whole[start:stop]
    first = start if start >= 0 else len(whole) + start
    assert response.headers["Content-Range"] == f"bytes {first}-{first + len(response.content) - 1}/{len(whole)}"
    assert int(response.headers["Content-Length"]) == len(response.content)


@pytest.mark.parametrize("value", ["bytes=5-4", "bytes=-", "bytes=a-b", "pages=0-1", "bytes=0-1,3-4", "bytes=١-٢"])
def test_a_senseless_range_gets_the_whole(client: Any, value: str) -> None:
    """A Range that can't be read, or is not supported, is ignored, as RFC 9110 allows."""
    response = requests.get(url_of(client), headers={"Range": value.encode()}, timeout=10)
    assert response.status_code == 200


def test_a_range_beyond_the_end_gets_416(client: Any) -> None:
    """A range that starts at or behind the end gets 416 and the file's size."""
    url = url_of(client)
    size = len(client.fetch(url).content)
    for value in (f"bytes={size}-", "bytes=-0"):
        response = client.fetch(url, Range=value)
        assert response.status_code == 416
        assert response.headers["Content-Range"] == f"bytes */{size}"


def test_if_range_guards_against_another_file(client: Any) -> None:
    """With the file's ETag or date in If-Range a range is honoured, with another the whole file comes."""
    url = url_of(client)
    headers = client.fetch(url).headers
    for condition in (headers["ETag"], headers["Last-Modified"]):
        assert client.fetch(url, **{"Range": "bytes=0-9", "If-Range": condition}).status_code == 206
    for condition in ('"other"', "W/" + headers["ETag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert client.fetch(url, **{"Range": "bytes=0-9", "If-Range": condition}).status_code == 200


def test_ranges_can_be_ignored(client: Any, emulator: Any) -> None:
    """With the setting off, ranges are neither offered nor honoured."""
    emulator.update(ranges=False)
    response = client.fetch(url_of(client), Range="bytes=0-9")
    assert response.status_code == 200
    assert "Accept-Ranges" not in response.headers


def test_head_shows_what_get_would(client: Any) -> None:
    """HEAD gives the headers and not one byte."""
    url = url_of(client)
    response = requests.head(url, timeout=10)
    assert response.status_code == 200
    assert response.headers["Content-Length"] == client.fetch(url).headers["Content-Length"]
    assert response.content == b""


def test_padding_makes_it_larger_and_still_playable(client: Any, emulator: Any, probe: Any) -> None:
    """Padding adds exactly so many bytes, as a box that players skip; it changes the ETag; ranges go through it."""
    url = url_of(client)
    plain = client.fetch(url)
    emulator.update(pad_bytes=1_000_000)
    padded = client.fetch(url)
    assert len(padded.content) == len(plain.content) + 1_000_000
    assert boxes(padded.content)[-1] == ("free", 1_000_000)
    assert padded.headers["ETag"] != plain.headers["ETag"]
    assert probe(padded.content).frames == 72
    start = len(plain.content) - 3
    assert client.fetch(url, Range=f"bytes={start}-{start + 20}").content == padded.content[start : start + 21]
    assert client.fetch(url, Range="bytes=-5").content == b"\0" * 5


def test_padding_can_be_larger_than_memory(client: Any, emulator: Any) -> None:
    """A result of 6 GB is announced at once, its last bytes can be fetched, and its box has a 64-bit size."""
    url = url_of(client)
    size = len(client.fetch(url).content)
    emulator.update(pad_bytes=6_000_000_000)
    response = requests.head(url, timeout=10)
    assert int(response.headers["Content-Length"]) == size + 6_000_000_000
    head = client.fetch(url, Range=f"bytes={size}-{size + 15}").content
    assert struct.unpack(">I4sQ", head) == (1, b"free", 6_000_000_000)
    assert client.fetch(url, Range="bytes=-3").content == b"\0\0\0"


def test_a_download_is_journalled_without_the_key(client: Any, emulator: Any) -> None:
    """Each download is journalled: how many bytes, and whether a key was sent here, which never should; not the key."""
    url, since = url_of(client), emulator.seq
    size = len(client.fetch(url).content)
    client.fetch(url, Authorization="Bearer secret-451", Range="bytes=0-9")
    first, second = emulator.journal(since, "download")
    assert (first["bytes"], first["status"], first["had_authorization"]) == (size, 200, False)
    assert (second["bytes"], second["status"], second["had_authorization"]) == (10, 206, True)
    assert "secret-451" not in repr(emulator.journal())
    assert emulator.orders[0].downloads >= 2


# Faults.


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if "download" in kind.on and name != "hang"])
def test_every_kind_spoils_one_download_and_no_more(client: Any, emulator: Any, kind: str) -> None:
    """Each kind spoils exactly one download; the next one, from a fresh URL, is right."""
    right = client.fetch(url_of(client)).content
    since = emulator.seq
    emulator.add_fault(on="download", kind=kind, times=1, **NEEDED.get(kind, {}))
    try:
        response = requests.get(url_of(client), headers={"Range": "bytes=10-"}, allow_redirects=False, timeout=10)
        good = response.status_code == 206 and response.content == right[10:]
        good = good and response.headers["Content-Type"] == "video/mp4" and "Content-Length" in response.headers
    except requests.RequestException:
        good = False
    assert good is (kind in ("delay", "slow", "close_after"))
    assert emulator.journal(since, "fault")[0]["fault"] == kind
    assert client.fetch(url_of(client)).content == right


@pytest.mark.parametrize(("at", "got"), [(0.25, 0.25), (1000, 1000), (0, 0)])
def test_truncate_cuts_where_it_should(client: Any, emulator: Any, at: float, got: float) -> None:
    """The kind "truncate" announces the whole file, sends only a part, and closes."""
    url = url_of(client)
    size, since = len(client.fetch(url).content), emulator.seq
    emulator.add_fault(on="download", kind="truncate", at=at)
    with requests.get(url, stream=True, timeout=10) as response:
        assert int(response.headers["Content-Length"]) == size
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            assert response.content
    sent = emulator.wait_for("download", since=since)["bytes"]
    assert sent == (int(size * got) if 0 < got < 1 else got)


def test_expire_midway_ends_the_url_but_not_the_video(client: Any, emulator: Any) -> None:
    """The kind "expire_midway" cuts a download; its URL is expired from then on, and the rest comes from another."""
    url = url_of(client)
    whole = client.fetch(url).content
    emulator.add_fault(on="download", kind="expire_midway", at=5000, times=1)
    with requests.get(url, stream=True, timeout=10) as response:
        assert response.raw.read(5000) == whole[:5000]
    assert client.fetch(url, Range="bytes=5000-").status_code == 403
    assert client.fetch(url_of(client), Range="bytes=5000-").content == whole[5000:]


@pytest.mark.parametrize(("delta", "complete"), [(-1000, True), (1000, False)])
def test_wrong_length_announces_too_few_or_too_many(client: Any, emulator: Any, delta: int, complete: bool) -> None:
    """Too few announced: a whole answer of a broken file. Too many: the answer ends early."""
    url = url_of(client)
    whole, since = client.fetch(url).content, emulator.seq
    emulator.add_fault(on="download", kind="wrong_length", delta=delta)
    with requests.get(url, stream=True, timeout=10) as response:
        assert int(response.headers["Content-Length"]) == len(whole) + delta
        if complete:
            assert response.content == whole[:delta]
        else:
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                assert response.content
    assert emulator.wait_for("download", since=since)["bytes"] == len(whole) + min(0, delta)


def test_chunked_has_no_length(client: Any, emulator: Any) -> None:
    """The kind "chunked" sends the whole file without saying how long it is."""
    url = url_of(client)
    whole = client.fetch(url).content
    emulator.add_fault(on="download", kind="chunked")
    response = client.fetch(url)
    assert "Content-Length" not in response.headers
    assert response.content == whole


def test_ignore_range_and_content_type(client: Any, emulator: Any) -> None:
    """The kinds "ignore_range" and "content_type" do what they say, and nothing else."""
    url = url_of(client)
    whole = client.fetch(url).content
    emulator.add_fault(on="download", kind="ignore_range", times=1)
    response = client.fetch(url, Range="bytes=10-")
    assert (response.status_code, response.content) == (200, whole)
    emulator.add_fault(on="download", kind="content_type", value="application/xml", times=1)
    response = client.fetch(url)
    assert (response.headers["Content-Type"], response.content) == ("application/xml", whole)


def test_a_hanging_download_ends_with_its_client(client: Any, emulator: Any) -> None:
    """The kind "hang" works for downloads too."""
    url, since = url_of(client), emulator.seq
    emulator.add_fault(on="download", kind="hang")
    with pytest.raises(requests.Timeout):
        requests.get(url, timeout=0.2)
    assert emulator.wait_for("client_gone", since=since)["kind"] == "download"


# Rendering.


def test_many_who_ask_at_once_share_one_render(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video is rendered when it is first asked for, once, however many ask."""
    from airflow_provider_starvideos.emulator import render

    renders: list[str] = []
    original = render.render

    def counted(job: render.Job) -> bytes:
        renders.append(job.id)
        return original(job)

    monkeypatch.setattr(render, "render", counted)
    client = start(seconds=0)
    document = client.finished()
    assert renders == []
    bodies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: bodies.append(client.fetch(document["video_url"]).content)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert renders == [document["id"]]
    assert len(bodies) == 8
    assert len(set(bodies)) == 1


def test_a_body_is_cut_without_being_made() -> None:
    """Any part of a head, a filling and a tail is what slicing the whole would give."""
    body = Body(b"abcd", 5, b"xyz", b".")
    whole = b"".join(body.chunks())
    assert whole == b"abcd.....xyz"
    assert body.size == len(whole)
    for start in range(len(whole) + 1):
        for stop in range(start, len(whole) + 1):
            part = body.part(start, stop)
            assert b"".join(part.chunks()) == whole[start:stop]
            assert part.size == stop - start


@pytest.mark.parametrize("size", [0, 1, 10])
def test_ranges_never_leave_the_file(size: int) -> None:
    """Whatever numbers a range has, its bytes lie in the file."""
    for first in ("", "0", "1", "9", "10", "11"):
        for last in ("", "0", "1", "9", "10", "11"):
            try:
                span = downloads.read_range(f"bytes={first}-{last}", size)
            except downloads.UnsatisfiableError:
                continue
            assert span is None or 0 <= span[0] < span[1] <= size
