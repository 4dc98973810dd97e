"""From a StarVideos server that fails in every way it can, to a whole file or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosDownloadError,
    StarVideosNotFoundError,
    StarVideosNotReadyError,
    StarVideosValidationError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage import saving
from tests.storage.hosts import KEY, left_in

PADDING = 3_000_000

HARMLESS: list[dict[str, Any]] = [
    {"kind": "truncate", "times": 2},
    {"kind": "truncate", "times": 1, "at": 10},
    {"kind": "wrong_length", "times": 1},
    {"kind": "wrong_length", "times": 1, "delta": 1000},
    {"kind": "html", "times": 1},
    {"kind": "garbage", "times": 1},
    {"kind": "empty", "times": 1},
    {"kind": "status", "status": 403, "times": 1},
    {"kind": "status", "status": 410, "times": 1},
    {"kind": "server_error", "times": 2},
    {"kind": "bad_gateway_html", "times": 1},
    {"kind": "expire_midway", "times": 2},
    {"kind": "reset", "times": 1},
    {"kind": "close", "times": 1},
    {"kind": "close_after", "times": 1},
    {"kind": "chunked", "times": 9},
    {"kind": "content_type", "value": "text/html", "times": 1},
    {"kind": "content_type", "value": "application/octet-stream", "times": 9},
    {"kind": "delay", "seconds": 0.2, "times": 1},
]
DEADLY: list[dict[str, Any]] = [
    {"kind": "truncate", "at": 1000},
    {"kind": "wrong_length"},
    {"kind": "html"},
    {"kind": "garbage"},
    {"kind": "empty"},
    {"kind": "status", "status": 410},
    {"kind": "server_error"},
    {"kind": "reset"},
    {"kind": "redirect", "location": "loop"},
]


def label(fault: dict[str, Any]) -> str:
    """Name a fault for the list of tests."""
    return "-".join(str(value) for value in fault.values())


@pytest.fixture(autouse=True)
def large(emulator: Emulator) -> None:
    """Videos of more than one chunk."""
    emulator.update(pad_bytes=PADDING)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("fault", HARMLESS, ids=label)
def test_what_can_be_mended(
    emulator: Emulator,
    hook: StarVideosHook,
    video_id: str,
    no_pauses: list[float],
    tmp_path: Path,
    fault: dict[str, Any],
    ranges: bool,
) -> None:
    """A fault that passes costs another attempt and no byte of the file; whether the server knows ranges or not."""
    whole = hook.download_video(video_id, tmp_path / "before.mp4")
    emulator.update(ranges=ranges)
    emulator.add_fault(on="download", **fault)
    got = hook.download_video(video_id, tmp_path / "video.mp4")
    assert (got.sha256, got.size_bytes) == (whole.sha256, whole.size_bytes)
    assert hashlib.sha256(got.path.read_bytes()).hexdigest() == got.sha256
    assert left_in(tmp_path) == ["before.mp4", "video.mp4"]


@pytest.mark.parametrize("fault", DEADLY, ids=label)
def test_what_can_not(
    emulator: Emulator,
    hook: StarVideosHook,
    video_id: str,
    no_pauses: list[float],
    tmp_path: Path,
    fault: dict[str, Any],
) -> None:
    """A fault that stays is an error after a few attempts; the file that was there before stays as it was."""
    place = tmp_path / "video.mp4"
    place.write_bytes(b"what was there")
    emulator.add_fault(on="download", **fault)
    with pytest.raises(StarVideosDownloadError) as caught:
        hook.download_video(video_id, place)
    assert place.read_bytes() == b"what was there"
    assert left_in(tmp_path) == ["video.mp4"]
    for secret in (KEY, "signature", "expires"):
        assert secret not in str(caught.value)


def test_ranges_spare_the_network(
    emulator: Emulator, hook: StarVideosHook, video_id: str, no_pauses: list[float], tmp_path: Path
) -> None:
    """A transfer that broke at half is gone on with: the two attempts together carry the file once."""
    emulator.add_fault(on="download", kind="expire_midway", times=1)
    before, since = emulator.requests["query"], emulator.seq
    size = hook.download_video(video_id, tmp_path / "video.mp4").size_bytes
    sent = [entry for entry in emulator.journal(since, "download") if entry["bytes"]]
    assert sum(entry["bytes"] for entry in sent if entry["status"] < 300) == size > PADDING
    assert emulator.requests["query"] - before == 2, "a URL that has expired is asked for anew"


def test_a_video_that_is_not_ready(emulator: Emulator, hook: StarVideosHook, tmp_path: Path) -> None:
    """Nothing is fetched; the message says how it is, and what to do."""
    emulator.update(seconds="hold")
    task = hook.create_video(prompt="a red kite")
    with pytest.raises(StarVideosNotReadyError, match=r"(queued|processing).*wait_for_completion"):
        hook.download_video(task.id, tmp_path / "video.mp4")
    assert left_in(tmp_path) == []


def test_a_video_that_failed(emulator: Emulator, hook: StarVideosHook, tmp_path: Path) -> None:
    """The API's own reason."""
    task = hook.create_video(prompt="[fail: the prompt was refused] a kite")
    emulator.wait_for("status", id=task.id, status="failed")
    with pytest.raises(StarVideosVideoFailedError, match="the prompt was refused"):
        hook.download_video(task.id, tmp_path / "video.mp4")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("video_id", ["../../etc/passwd", "a/b", "", "..", ".hidden", "a\0b", "x" * 300, "a b", None])
def test_ids_that_would_leave_the_folder(hook: StarVideosHook, tmp_path: Path, video_id: Any) -> None:
    """What can't be an id is refused before anything is asked, so no name made of it leaves a folder."""
    with pytest.raises(StarVideosValidationError, match="video_id"):
        hook.download_video(video_id, tmp_path / "video.mp4")


def test_downloaded_files_follow_the_umask(hook: StarVideosHook, video_id: str, tmp_path: Path) -> None:
    """As any file that the process writes; and the process's umask isn't touched on the way."""
    before = os.umask(0o027)
    try:
        hook.download_video(video_id, tmp_path / "video.mp4")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "video.mp4").stat().st_mode) == 0o640


def test_a_path_that_is_a_folder(hook: StarVideosHook, video_id: str, tmp_path: Path) -> None:
    """Refused before the transfer, not after it."""
    with pytest.raises(StarVideosValidationError, match="it is a folder"):
        hook.download_video(video_id, tmp_path)
    assert left_in(tmp_path) == []


def test_the_url_is_always_fresh(
    emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path, connect: Callable[..., Any]
) -> None:
    """A video whose first URLs are long gone is saved all the same."""
    emulator.update(url_ttl=0.0)
    hook.get_video(video_id)
    emulator.update(url_ttl=60.0)
    hook.download_video(video_id, tmp_path / "video.mp4")
    assert left_in(tmp_path) == ["video.mp4"]


def without_url(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Let the API give no URL for a completed video so many times; return the polls."""
    get_video, polls = StarVideosHook.get_video, []

    def spoiled(hook: StarVideosHook, video_id: str) -> VideoTask:
        polls.append(video_id)
        task = get_video(hook, video_id)
        return replace(task, video_url=None) if len(polls) <= times else task

    monkeypatch.setattr(StarVideosHook, "get_video", spoiled)
    monkeypatch.setattr(saving, "URL_SECONDS", 0.01)
    return polls


def test_a_url_that_comes_later_is_asked_for_a_few_times_more(
    hook: StarVideosHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The video is completed: no wait is needed first."""
    video_id = hook.create_video(prompt="a red fox").id
    polls = without_url(monkeypatch, 3)
    assert hook.download_video(video_id, tmp_path / "a.mp4").size_bytes > 0
    assert len(polls) == 4


def test_a_completed_video_that_gets_no_url_is_told_as_what_it_is(
    hook: StarVideosHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paid for, and not to be waited for: the message says what to do instead."""
    video_id = hook.create_video(prompt="a red fox").id
    polls = without_url(monkeypatch, 99)
    with pytest.raises(
        StarVideosNotReadyError, match=r"(?s)is completed.*no URL.*Billed: once.*1\. Clear this"
    ) as caught:
        hook.download_video(video_id, tmp_path / "a.mp4")
    assert "Wait for it first" not in str(caught.value)
    assert len(polls) == 4
    assert not list(tmp_path.iterdir())


def test_the_awaited_download_saves_the_same(
    hook: StarVideosHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off the event loop, with the connection read by it."""
    video_id = hook.create_video(prompt="a red fox").id
    there = hook.download_video(video_id, tmp_path / "a.mp4")
    here = asyncio.run(hook.adownload_video(video_id, tmp_path / "b.mp4"))
    assert (here.sha256, here.path) == (there.sha256, tmp_path / "b.mp4")
    monkeypatch.setattr(retry, "UNKNOWN_DELAY", 0.01)
    with pytest.raises(StarVideosNotFoundError):
        asyncio.run(hook.adownload_video("video_unknown", tmp_path / "c.mp4"))
