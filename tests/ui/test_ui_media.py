"""Where a video is played from: ranges of a local file, a presigned URL, a fresh temporary URL; and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from fastapi.responses import Response

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.ui import api_answers, media
from airflow_provider_starvideos.ui.media import UnavailableError, Wanted, respond
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.videos import Video
from tests.storage.buckets import S3

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "media-key-that-must-show-up-nowhere"
CONTENT = b"\0\0\0\x18ftyp" + bytes(range(200)) * 50
SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def forget() -> None:
    """Nothing is known from the test before."""
    api_answers._answers.clear()
    media._urls.clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An allowed folder."""
    monkeypatch.setenv("AIRFLOW__STARVIDEOS__MEDIA_FOLDERS", str(tmp_path))
    (tmp_path / "video_1.mp4").write_bytes(CONTENT)
    return tmp_path


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The API, and a connection to it."""
    with Emulator(seconds="hold", key=KEY) as running:
        connection = {"conn_type": "starvideos", "host": running.base_url, "password": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
        yield running


def a_video(uri: str | None = None, *, video_id: str = "video_1", status: str = "completed", **rendered: Any) -> Video:
    """Return a video; with a URI, one that was saved there, by a task with these rendered fields."""
    task = Task("save", -1, Kind.SAVE, "success", NOW, rendered=rendered)
    if uri:
        task.xcoms["return_value"] = uri
    return Video(task, video_id=video_id, tasks=[task], record={"status": status})


async def sent(video: Video, order: str = "saved", **headers: str) -> tuple[Response, bytes]:
    """Return the answer to a request for a video, and its whole body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    # In a thread, as the api-server does it: storage libraries won't be called on a loop.
    answer = await asyncio.to_thread(respond, Wanted(video, "starvideos_default", named), order)
    if not hasattr(answer, "body_iterator"):
        return answer, bytes(answer.body)
    return answer, b"".join([bytes(chunk) async for chunk in answer.body_iterator])


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("", 200, 0, SIZE - 1),
        ("bytes=0-", 206, 0, SIZE - 1),
        ("bytes=0-0", 206, 0, 0),
        ("bytes=100-299", 206, 100, 299),
        ("bytes=100-99999999", 206, 100, SIZE - 1),
        ("bytes=-10", 206, SIZE - 10, SIZE - 1),
        ("bytes=-99999999", 206, 0, SIZE - 1),
        ("bytes=0-1,5-6", 200, 0, SIZE - 1),  # several: all of it, as a server may
        ("lines=0-1", 200, 0, SIZE - 1),
        ("bytes=-", 200, 0, SIZE - 1),
        ("bytes=a-b", 200, 0, SIZE - 1),
        ("bytes=" + "9" * 5000 + "-", 200, 0, SIZE - 1),
    ],
)
async def test_the_part_that_is_asked_for_is_sent(folder: Path, asked: str, status: int, first: int, last: int) -> None:
    """As RFC 9110 has it, or a player couldn't seek."""
    answer, body = await sent(a_video(f"file://{folder}/video_1.mp4", destination=f"{folder}/"), range=asked)
    assert answer.status_code == status
    assert body == CONTENT[first : last + 1]
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers.get("content-range") == (f"bytes {first}-{last}/{SIZE}" if status == 206 else None)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=5-2", "bytes=-0"])
async def test_a_part_that_isnt_there_is_refused(folder: Path, asked: str) -> None:
    """416, with the size."""
    answer, body = await sent(a_video(f"file://{folder}/video_1.mp4", destination=f"{folder}/"), range=asked)
    assert (answer.status_code, body, answer.headers["content-range"]) == (416, b"", f"bytes */{SIZE}")


async def test_a_file_that_has_changed_isnt_sent_in_parts(folder: Path) -> None:
    """``If-Range`` with an old tag gets all of it, with the present one the part; ``If-None-Match`` nothing new."""
    video = a_video(f"file://{folder}/video_1.mp4", destination=f"{folder}/")
    tag = (await sent(video))[0].headers["etag"]
    assert (await sent(video, range="bytes=0-1", if_range='"old"'))[0].status_code == 200
    assert (await sent(video, range="bytes=0-1", if_range=tag))[0].status_code == 206
    assert (await sent(video, if_none_match=tag))[0].status_code == 304


@pytest.mark.parametrize("content", [b"", b"ftyp", b"root:x:0:0:root:/root:/bin/sh\n", CONTENT[1:]])
async def test_only_videos_are_sent(folder: Path, content: bytes) -> None:
    """Whatever lies in the folder beside them stays there."""
    (folder / "video_1.mp4").write_bytes(content)
    with pytest.raises(UnavailableError, match="no MP4"):
        await sent(a_video(f"file://{folder}/video_1.mp4", destination=f"{folder}/"))


async def test_a_file_elsewhere_than_its_task_was_told_isnt_read(folder: Path) -> None:
    """In the allowed folder, but another task's: an edited XCom opens no other Dag's video."""
    (folder / "video_2.mp4").write_bytes(CONTENT)
    for uri, destination in (("video_2.mp4", "/"), ("video_1.mp4", "/other/")):
        with pytest.raises(UnavailableError, match="isn't at its task's destination"):
            await sent(a_video(f"file://{folder}/{uri}", destination=f"{folder}{destination}"))


def fetched(url: str) -> bytes:
    """Fetch what is there."""
    with urlopen(url, timeout=30) as got:
        return bytes(got.read())


async def test_a_file_in_a_bucket_is_presigned_with_the_tasks_connection(
    s3_server: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The redirect leads to the very bytes. Without rendered fields nobody knows whether the task's word is true."""
    s3_server.ready(monkeypatch, "store", "videos")
    s3_server.put("videos", "x/video_1.mp4", CONTENT)
    told = {"destination": "s3://videos/x/", "storage_conn_id": "store"}
    answer, _ = await sent(a_video("s3://videos/x/video_1.mp4", **told))
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "no-store"
    assert await asyncio.to_thread(fetched, answer.headers["location"]) == CONTENT
    for uri, rendered in (("s3://videos/y/video_1.mp4", told), ("s3://videos/x/video_1.mp4", {})):
        with pytest.raises(UnavailableError, match="isn't at its task's destination"):
            await sent(a_video(uri, **rendered))


def order(emulator: Emulator) -> str:
    """Order a video, and return its id."""
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

    return StarVideosHook().create_video(prompt="a kite").id


async def test_without_a_file_a_fresh_url_is_asked_for(emulator: Emulator) -> None:
    """By the api-server, with the key; the browser gets the URL alone. Asked for once, whoever looks how often."""
    video = a_video(video_id=order(emulator), status="ordered")
    with pytest.raises(UnavailableError, match=r"it is (queued|processing)"):
        await sent(video, "any")
    emulator.finish(video.video_id or "")
    video = a_video(video_id=video.video_id or "", status="completed")
    api_answers._answers.clear()
    for _ in range(5):
        answer, body = await sent(video, "any")
        assert answer.status_code == 307
        assert answer.headers["location"].startswith(emulator.url)
        assert KEY not in str(dict(answer.headers)) + body.decode()
    assert emulator.requests["query"] == 2


async def test_why_it_cant_be_played_is_told(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that failed, one that the API doesn't know, an API that isn't there, no connection; quickly, and no key."""
    failed = order(emulator)
    emulator.finish(failed, "failed", "the prompt was refused")
    for video_id, said in ((failed, "the prompt was refused"), ("video_starvideos_1", "doesn't know")):
        with pytest.raises(UnavailableError, match=said):
            await sent(a_video(video_id=video_id), "temporary")
    nobody = json.dumps({"conn_type": "starvideos", "host": "http://127.0.0.1:1", "password": KEY})
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", nobody)
    with pytest.raises(UnavailableError, match="gave no URL") as raised:
        await sent(a_video(video_id="video_starvideos_2"), "any")
    assert KEY not in str(raised.value)
    monkeypatch.delenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT")
    with pytest.raises(UnavailableError, match="no Airflow connection"):
        await sent(a_video(video_id="video_starvideos_3"), "any")


async def test_the_saved_file_comes_first_and_the_url_if_it_is_gone(folder: Path, emulator: Emulator) -> None:
    """For the link "Video" it is the other way round."""
    video_id = order(emulator)
    emulator.finish(video_id)
    (folder / f"{video_id}.mp4").write_bytes(CONTENT)
    video = a_video(f"file://{folder}/{video_id}.mp4", video_id=video_id, destination=f"{folder}/")
    assert (await sent(video, "any"))[0].status_code == 200
    assert (await sent(video, "temporary"))[0].status_code == 307
    (folder / f"{video_id}.mp4").unlink()
    assert (await sent(video, "any"))[0].status_code == 307
    with pytest.raises(UnavailableError, match="no longer there"):
        await sent(video, "saved")
