"""References: fetched at once, without a key, within bounds; and what becomes of those that can't be."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from airflow_provider_starvideos.emulator import codecs, references, render


class Host(ThreadingHTTPServer):
    """Another server, where references are."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()
        self.files: dict[str, bytes] = {"/cat.png": render.sample_picture("cat"), "/page": b"<html>no</html>"}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    """Serves the host's files."""

    server: Host

    def do_GET(self) -> None:
        """Send a file, or nothing until released."""
        path = self.path.partition("?")[0]
        self.server.seen.append((self.path, dict(self.headers)))
        if path == "/slow":
            self.server.release.wait(10)
        data = self.server.files.get(path)
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/cat.png")
        else:
            self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host for references."""
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """References that are too large or too slow are soon found to be."""
    monkeypatch.setattr(references, "FETCH_SECONDS", 0.3)
    monkeypatch.setattr(references, "FETCH_BYTES", 100_000)


def pictures(client: Any, probe: Any, document: dict[str, Any]) -> list[Image.Image]:
    """Return pictures of a finished video, two per second."""
    found: list[Image.Image] = probe(client.fetch(document["video_url"]).content).pictures
    return found


def near(image: Image.Image, place: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    """Return whether a pixel has about a colour. The codec changes it a little."""
    found = image.convert("RGB").getpixel(place)
    return all(abs(a - b) < 40 for a, b in zip(found, colour, strict=True))


def png(colour: tuple[int, int, int]) -> bytes:
    """Return a picture of one colour."""
    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "PNG")
    return data.getvalue()


def test_references_are_fetched_when_ordered_and_without_a_key(start: Any, host: Host) -> None:
    """References are fetched at once, query and all, while the order is still on its way, and never with the key."""
    client = start(seconds="hold")
    client.order(referenceImages=[host.url("/cat.png?signature=abc"), host.url("/moved")])
    first = client.emulator.wait_for("fetched")
    client.emulator.wait_for("fetched", since=first["seq"])
    assert sorted(path for path, _ in host.seen) == ["/cat.png", "/cat.png?signature=abc", "/moved"]
    assert not any("authorization" in {name.lower() for name in headers} for _, headers in host.seen)
    assert [item["error"] for item in client.emulator.orders[0].inputs] == [None, None]
    assert "signature=abc" not in repr(client.emulator.journal(event="fetched"))


BAD = {
    "missing": ("/nothing.png", "HTTP 404"),
    "refused": (None, "Cannot connect"),
    "not a picture": ("/page", "not a picture"),
    "too large": ("/large.png", "larger than 100000 bytes"),
    "too slow": ("/slow", "no answer in 0.3 seconds"),
}


@pytest.mark.parametrize(("path", "reason"), BAD.values(), ids=BAD)
def test_required_references_fail_their_order(
    start: Any, host: Host, path: str | None, reason: str, small_bounds: None
) -> None:
    """With "required", a reference that can't be had fails the order, and the error names field, reason and URL."""
    client = start(seconds=0, references="required")
    host.files["/large.png"] = bytes(100_001)
    url = host.url(path) if path else "http://127.0.0.1:9/x.png"
    document = client.finished(end="failed", referenceImages=[host.url("/cat.png"), url + "?signature=abc"])
    assert document["error"].startswith("referenceImages: ")
    assert reason in document["error"]
    assert url in document["error"]
    assert "signature" not in document["error"]
    assert client.emulator.billed.videos == 1


def test_required_references_that_are_there_are_fine(start: Any, host: Host, small_bounds: None) -> None:
    """With "required", an order whose references can all be had completes."""
    client = start(seconds=0, references="required")
    host.files["/just.png"] = png((1, 2, 3)).ljust(100_000, b"\0")
    client.finished(first_image=host.url("/cat.png"), last_image=host.url("/just.png"))


def test_lenient_draws_placeholders(start: Any, host: Host, probe: Any, small_bounds: None) -> None:
    """With "lenient", missing pictures and clips become placeholders; the video is as long as one can guess."""
    client = start(seconds=0)
    for path in ("/nothing.png", "/page", "/slow"):
        document = client.finished(referenceVideos=[host.url(path)], referenceImages=[host.url(path)])
        assert document["actualDuration"] == 5.0
        assert probe(client.fetch(document["video_url"]).content).frames == 120
        assert all(path != "/slow" or "no answer" in str(i["error"]) for i in client.emulator.orders[-1].inputs)


def test_off_fetches_nothing(start: Any, host: Host, probe: Any) -> None:
    """With "off", no reference is ever asked for."""
    client = start(seconds=0, references="off")
    document = client.finished(referenceImages=[host.url("/cat.png")])
    assert probe(client.fetch(document["video_url"]).content).frames == 72
    assert host.seen == []


@pytest.mark.parametrize(
    ("seconds", "fine"), [(2.5, False), (3, True), (7.5, True), (10, True), (10.5, False)], ids=str
)
def test_a_clip_has_its_length(start: Any, host: Host, seconds: float, fine: bool) -> None:
    """A clip of 3 to 10 seconds decides on the video's length; any other fails the order, and says why."""
    client = start(seconds=0)
    frames = round(seconds * 24)
    host.files["/clip.mp4"] = codecs.encode((Image.new("RGB", (64, 36)) for _ in range(frames)), (64, 36))
    document = client.finished(end="completed" if fine else "failed", referenceVideos=[host.url("/clip.mp4")])
    if fine:
        assert document["actualDuration"] == seconds
        assert client.emulator.billed.seconds == seconds
    else:
        assert f"3 to 10 seconds long (got {seconds:.1f})" in document["error"]


def test_an_order_waits_for_its_clip(start: Any, host: Host) -> None:
    """An order with a clip can't complete before the clip is there: its length isn't known until then."""
    client = start(seconds=0)
    host.files["/slow"] = render.sample_clip("waves", 4, "1:1")
    video_id = client.order(referenceVideos=[host.url("/slow")])
    client.emulator.wait_for("status", id=video_id, status="processing")
    assert client.get(video_id).json()["status"] == "processing"
    host.release.set()
    client.wait_end(video_id)
    assert client.get(video_id).json()["actualDuration"] == 4.0


@pytest.mark.parametrize(("ratio", "size"), [("16:9", (640, 360)), ("9:16", (360, 640)), ("1:1", (480, 480))], ids=str)
def test_a_video_has_its_ratio(client: Any, probe: Any, ratio: str, size: tuple[int, int]) -> None:
    """A video has the ratio asked for, or the ratio and the pictures of its clip, whatever was asked for."""
    document = client.finished(ratio=ratio)
    assert probe(client.fetch(document["video_url"]).content).size == size
    clip = client.emulator.sample(f"waves-3s.mp4?ratio={ratio}")
    document = client.finished(referenceVideos=[clip], ratio="9:16" if ratio == "16:9" else "16:9", duration=15)
    video = probe(client.fetch(document["video_url"]).content)
    assert (video.size, video.seconds) == (size, 3.0)


@pytest.mark.parametrize("colours", [[(230, 30, 30), (30, 30, 230)], [(230, 30, 30), (30, 200, 30), (30, 30, 230)]])
def test_reference_pictures_are_seen(colours: list[tuple[int, int, int]], client: Any, host: Host, probe: Any) -> None:
    """Each reference picture, and a first and a last frame, has a good part of the video."""
    urls = []
    for number, colour in enumerate(colours):
        host.files[f"/{number}.png"] = png(colour)
        urls.append(host.url(f"/{number}.png"))
    fields = {"first_image": urls[0], "last_image": urls[1]} if len(urls) == 2 else {"referenceImages": urls}
    document = client.finished(**fields, ratio="16:9")
    image = pictures(client, probe, document)[0].resize((64, 36))
    for colour in colours:
        seen = sum(near(image, (x, y), colour) for x in range(64) for y in range(36))
        assert seen > 64 * 36 * 0.04


def test_a_clip_is_seen_under_its_pictures(client: Any, host: Host, probe: Any) -> None:
    """A clip's first picture is the background, and reference pictures are on it."""
    host.files["/clip.mp4"] = codecs.encode([Image.new("RGB", (64, 36), "white")] * 72, (64, 36))
    host.files["/red.png"] = png((230, 30, 30))
    document = client.finished(referenceVideos=[host.url("/clip.mp4")], referenceImages=[host.url("/red.png")])
    shown = pictures(client, probe, document)
    assert near(shown[1], (620, 40), (255, 255, 255))
    assert any(near(shown[1], (320, y), (230, 30, 30)) for y in range(0, 200, 10))


PROMPTS = {
    "chinese": "雪の中を走る赤い狐、カメラは低く追う" * 5,
    "arabic and hindi": "ثعلب أحمر يركض لाल लोमड़ी",
    "emoji": "🦊❄️" * 30,
    "controls": "a\x00b\x1b[31m\u202e\u200b",
    "one word": "x" * 3000,
    "very long": "word " * 5000,
    "no letters": "\u200b!",
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_any_prompt_can_be_rendered(client: Any, probe: Any, prompt: str) -> None:
    """No prompt, in whatever script and however strange, keeps its video from being made."""
    document = client.finished(prompt)
    response = client.fetch(document["video_url"])
    assert response.status_code == 200
    assert probe(response.content).frames == 72


def test_equal_jobs_give_equal_bytes() -> None:
    """Rendering twice gives the same file: a video that the cache has dropped doesn't change."""
    job = render.Job("video_x", "text", "a fox", 3.0, (360, 640))
    assert render.render(job) == render.render(job)


@pytest.mark.parametrize("name", ["cat", "a-b-9", "5s", "x-12s"])
def test_samples_are_what_their_names_say(client: Any, probe: Any, name: str) -> None:
    """Any name gives a picture, and a clip of so many seconds; the same name always the same bytes."""
    picture = client.fetch(client.emulator.sample(f"{name}.png"))
    assert picture.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.size == (512, 512)
    assert client.fetch(client.emulator.sample(f"{name}.png")).content == picture.content
    assert client.fetch(client.emulator.sample(f"{name}x.png")).content != picture.content
    clip = client.fetch(client.emulator.sample(f"{name}-2s.mp4"))
    assert clip.headers["Content-Type"] == "video/mp4"
    assert (probe(clip.content).seconds, probe(clip.content).size) == (2.0, (640, 360))


@pytest.mark.parametrize(
    "name", ["cat.mp4", "cat-0s.mp4", "cat-31s.mp4", "cat-5s.mp4?ratio=4:3", "Cat.png", "../x.png"]
)
def test_other_samples_are_not_there(client: Any, name: str) -> None:
    """What is no sample is 404."""
    assert client.fetch(client.emulator.sample(name)).status_code == 404


def test_all_six_modes_work_offline(client: Any, probe: Any) -> None:
    """With the samples alone each of the six modes gives a video."""
    sample = client.emulator.sample
    cats, clip = [sample(f"cat-{n}.png") for n in range(4)], sample("waves-3s.mp4")
    requests_by_mode: dict[str, dict[str, Any]] = {
        "text": {},
        "image_reference": {"referenceImages": cats},
        "first_last_frame": {"first_image": cats[0], "last_image": cats[1]},
        "video_reference": {"referenceVideos": [clip]},
        "image_video": {"referenceVideos": [clip], "referenceImages": cats[:1]},
        "multi_image_video": {"referenceVideos": [clip], "referenceImages": cats},
    }
    client.emulator.update(references="required")
    for mode, fields in requests_by_mode.items():
        document = client.finished(**fields)
        assert client.emulator.orders[-1].mode == mode
        assert probe(client.fetch(document["video_url"]).content).seconds == 3.0
