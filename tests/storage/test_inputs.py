"""Inputs out of a bucket: presigned so that the API can read them, checked before anything is billed, never shown."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosRejectedError,
    StarVideosStorageError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage import inputs
from tests.storage.buckets import S3, SECRET
from tests.storage.hosts import Host, answer

Connect = Callable[..., StarVideosHook]
SIGNATURE = ("X-Amz", "Signature", SECRET)


@pytest.fixture
def log() -> Any:
    """All that is logged at INFO and above, tracebacks too."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def strict(emulator: Emulator) -> Emulator:
    """A StarVideos server that fails an order whose inputs it can't fetch."""
    emulator.update(references="required")
    return emulator


@pytest.fixture
def image(s3: S3, emulator: Emulator) -> str:
    """A picture in a bucket."""
    return s3.put("inputs", "shop/cat 1.png", requests.get(emulator.sample("cat.png"), timeout=10).content)


@pytest.fixture
def clip(s3: S3, emulator: Emulator) -> str:
    """A clip in a bucket."""
    return s3.put("inputs", "waves.mp4", requests.get(emulator.sample("waves-4s.mp4"), timeout=30).content)


@pytest.mark.parametrize("fields", ["images", "frames", "clip"])
def test_the_api_can_read_them(
    strict: Emulator, hook: StarVideosHook, image: str, clip: str, log: io.StringIO, fields: str
) -> None:
    """Every field: the server fetches the file from the bucket, and the video is made. Nothing signed is logged."""
    given: dict[str, Any] = {
        "images": {"reference_images": [image, strict.sample("dog.png")]},
        "frames": {"first_image": image, "last_image": image},
        "clip": {"reference_videos": [clip], "reference_images": image},
    }[fields]
    task = hook.create_video(prompt="a cat", **given)
    strict.wait_for("status", id=task.id, status="completed", timeout=30)
    fetched = strict.journal(0, "fetched", id=task.id)
    assert len(fetched) == 2
    assert not [entry for entry in fetched if entry.get("error")]
    assert not [word for word in SIGNATURE if word in log.getvalue()]


def test_how_long_they_stay_readable(emulator: Emulator, connect: Connect, image: str) -> None:
    """As long as the connection's extra presign_seconds says."""
    task = connect(emulator, presign_seconds=1234).create_video(prompt="a cat", reference_images=[image])
    (url,) = emulator.order(task.id).request["referenceImages"]
    assert parse_qs(urlsplit(url).query).get("X-Amz-Expires", ["1234"]) == ["1234"]
    assert requests.get(url, timeout=10).status_code == 200


async def test_the_awaited_call_signs_too(strict: Emulator, hook: StarVideosHook, image: str) -> None:
    """acreate_video takes the same inputs."""
    task = await hook.acreate_video(prompt="a cat", reference_images=[image])
    await strict.async_wait_for("status", id=task.id, status="completed", timeout=30)


def test_what_can_not_be_an_input(emulator: Emulator, hook: StarVideosHook, s3: S3, tmp_path: Path, clip: str) -> None:
    """Not there, a folder, another kind, a store that can't sign: all said at once, and nothing is sent or billed."""
    local = tmp_path / "cat.png"
    local.write_bytes(b"png")
    notes = s3.put("inputs", "notes.txt", b"x")
    s3.put("inputs", "shop/cat.png", b"x")
    with pytest.raises(StarVideosValidationError) as caught:
        hook.create_video(
            prompt="a cat",
            reference_images=["s3://aws_default@inputs/missing.png", "s3://aws_default@inputs/shop/", notes, clip],
            reference_videos=[f"file://{local}"],
        )
    said = str(caught.value)
    assert "5 problems; nothing was sent" in said
    for line in (
        "reference_images[0]: must exist",
        "reference_images[1]: must be a file, not a folder",
        "reference_images[2]: must be an image",
        "reference_images[3]: must be an image",
        "reference_videos[0]: must be a video",
    ):
        assert line in said
    assert emulator.billed.videos == emulator.requests["create"] == 0


WEB = "https://cdn.example.com"


def test_urls_of_another_kind(emulator: Emulator, hook: StarVideosHook) -> None:
    """Two columns were exchanged: the API couldn't use them, and might bill the order."""
    with pytest.raises(StarVideosValidationError) as caught:
        hook.create_video(
            prompt="a cat",
            reference_images=[f"{WEB}/clip.mp4", f"{WEB}/shop/catalogue.PDF#page=2", f"{WEB}/cat.png"],
            reference_videos=[f"{WEB}/cat.webp"],
        )
    said = str(caught.value)
    assert "3 problems; nothing was sent" in said
    for line in ("images[0]: must be an image", "images[1]: must be an image", "videos[0]: must be a video"):
        assert line in said
    assert emulator.billed.videos == emulator.requests["create"] == 0


@pytest.mark.parametrize("name", ["cat", "cat.png", "cat.avif", "clip.mp4?frame=1", "cat.php", "v1.2/cat", "", "?id=7"])
def test_urls_whose_names_say_nothing_else(emulator: Emulator, hook: StarVideosHook, name: str) -> None:
    """A server may give a picture under any name, or convert what the name says."""
    hook.create_video(prompt="a cat", reference_images=[f"{WEB}/{name}"])
    assert emulator.billed.videos == 1


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("file://{folder}/cat.png", "can presign"),
        ("gs://bucket/cat.png", "provider of"),
        ("ftp://host/cat.png", "http"),
        ("s3://", "http"),
    ],
)
def test_stores_that_can_not_sign(
    emulator: Emulator, hook: StarVideosHook, tmp_path: Path, uri: str, rule: str
) -> None:
    """The error says what to do; nothing is billed."""
    (tmp_path / "cat.png").write_bytes(b"png")
    with pytest.raises(StarVideosValidationError, match=rule):
        hook.create_video(prompt="a cat", reference_images=[uri.format(folder=tmp_path)])
    assert emulator.billed.videos == emulator.requests["create"] == 0


@pytest.mark.usefixtures("dead_store")
def test_a_store_that_can_not_be_asked(emulator: Emulator, hook: StarVideosHook) -> None:
    """That isn't the request's fault, so a retry may help; nothing is sent."""
    with pytest.raises(StarVideosStorageError) as caught:
        hook.create_video(prompt="a cat", reference_images=["s3://aws_dead@inputs/cat.png"])
    assert not caught.value.permanent
    assert emulator.requests["create"] == 0


@pytest.mark.parametrize("status", ["408 Request Timeout", "429 Slow Down", "503 Slow Down"])
def test_a_store_that_is_busy(
    emulator: Emulator, hook: StarVideosHook, host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """It may answer in another way later, so a retry may help; nothing is sent."""
    server = host(answer(b"busy", status))
    monkeypatch.setattr(inputs, "sign", lambda *_, **__: server.url)
    with pytest.raises(StarVideosStorageError, match=f"its store answered {status[:3]}"):
        hook.create_video(prompt="a cat", reference_images=["s3://inputs/cat.png"])
    assert emulator.requests["create"] == 0


def test_an_api_that_repeats_what_it_got(emulator: Emulator, hook: StarVideosHook, image: str) -> None:
    """A refusal that quotes the signed URL doesn't bring the signature into the error's text or its body."""
    signed = "https://bucket.example.com/cat.png?X-Amz-Signature=abc&X-Amz-Credential=me"
    body = {"error": {"message": f"can't fetch {signed}", "code": "bad"}}
    emulator.add_fault(on="create", kind="status", status=400, body=body)
    with pytest.raises(StarVideosRejectedError, match=r"cat\.png") as caught:
        hook.create_video(prompt="a cat", reference_images=[image])
    for text in (str(caught.value), repr(caught.value), caught.value.body):
        assert not [word for word in SIGNATURE if word in text]


def test_a_refusal_by_the_api_leaves_no_trace(
    emulator: Emulator, hook: StarVideosHook, image: str, log: io.StringIO
) -> None:
    """No error, with all its causes, holds the signed URL."""
    emulator.add_fault(on="create", kind="reset")
    with pytest.raises(StarVideosError) as caught:
        hook.create_video(prompt="a cat", reference_images=[image])
    logging.getLogger("tests").error("failed", exc_info=caught.value)
    assert "Traceback" in log.getvalue()
    assert not [word for word in SIGNATURE if word in log.getvalue()]
