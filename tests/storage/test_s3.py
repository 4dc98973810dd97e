"""Videos into a bucket, over the real protocol: whole, typed, and nothing visible before."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s3fs import S3FileSystem

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosDownloadError,
    StarVideosExistsError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Limits
from airflow_provider_starvideos.storage.saving import SavedVideo, save
from tests.storage.buckets import S3, SECRET
from tests.storage.hosts import LOG

ROOT = Path(__file__).parents[2]
CONN_ID = "aws_default"
# What the right s3:PutObject covers.
PUT_OBJECT = {"put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload"}
Save = Callable[..., SavedVideo]

SAVE = """
import logging, sys
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage.fetch import Limits
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.saving import save
target = Destination("s3://videos/", sys.argv[1], "aws_default")
save(StarVideosHook(), sys.argv[1], target, if_exists="overwrite", limits=Limits(), log=logging)
"""


@pytest.fixture
def save_to(hook: StarVideosHook, video_id: str, s3: S3) -> Save:
    """Saves the video to a destination."""

    def run(destination: str, if_exists: str = "overwrite", conn_id: str | None = CONN_ID) -> SavedVideo:
        target = Destination(destination, video_id, conn_id)
        return save(hook, video_id, target, if_exists=if_exists, limits=Limits(), log=LOG)

    return run


@pytest.mark.parametrize("size", [0, 40_000_000], ids=["in one piece", "in parts"])
def test_a_video_in_a_bucket(emulator: Emulator, save_to: Save, s3: S3, video_id: str, size: int) -> None:
    """In the bucket are the video's bytes, as what they are; the URI says where."""
    emulator.update(pad_bytes=size)
    saved = save_to("s3://videos/2026/")
    assert saved.uri == f"s3://videos/2026/{video_id}.mp4"
    kept = s3.client.get_object(Bucket="videos", Key=f"2026/{video_id}.mp4")
    assert kept["ContentType"] == "video/mp4"
    assert hashlib.sha256(kept["Body"].read()).hexdigest() == saved.sha256
    assert s3.names("videos") == [f"2026/{video_id}.mp4"]
    assert s3.uploads("videos") == []


def test_the_connection_in_the_uri(save_to: Save, s3: S3) -> None:
    """Airflow's own way to name a connection, without storage_conn_id."""
    assert save_to(f"s3://{CONN_ID}@videos/a.mp4", conn_id=None).size_bytes > 0
    assert s3.names("videos") == ["a.mp4"]


def test_an_object_that_is_there(save_to: Save, s3: S3) -> None:
    """Overwritten, left alone, or an error."""
    first = save_to("s3://videos/a.mp4")
    assert save_to("s3://videos/a.mp4", "error").sha256 == first.sha256  # this very video, of a try that was killed
    skipped = save_to("s3://videos/a.mp4", "skip")
    assert (skipped.sha256, skipped.size_bytes, skipped.content_type) == (first.sha256, first.size_bytes, "video/mp4")
    s3.put("videos", "a.mp4", b"something else")
    assert save_to("s3://videos/a.mp4", "skip").size_bytes == 14
    with pytest.raises(StarVideosExistsError):
        save_to("s3://videos/a.mp4", "error")
    assert save_to("s3://videos/a.mp4").sha256 == first.sha256
    assert s3.client.head_object(Bucket="videos", Key="a.mp4")["ContentLength"] == first.size_bytes


def test_error_holds_also_when_the_object_comes_in_between(
    save_to: Save, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store itself refuses to replace it."""
    monkeypatch.setattr(Destination, "exists", lambda self: False)
    s3.put("videos", "a.mp4", b"came in between")
    with pytest.raises(StarVideosExistsError):
        save_to("s3://videos/a.mp4", "error")
    assert s3.client.get_object(Bucket="videos", Key="a.mp4")["Body"].read() == b"came in between"


def test_a_bucket_that_is_not_there(save_to: Save) -> None:
    """An error of ours that names the destination, and no secret."""
    with pytest.raises(StarVideosDownloadError, match=r"s3://nowhere/a\.mp4") as caught:
        save_to("s3://nowhere/a.mp4")
    assert SECRET not in str(caught.value)


@pytest.mark.usefixtures("dead_store")
@pytest.mark.parametrize(("if_exists", "failed"), [("skip", "checked"), ("overwrite", "written")])
def test_a_store_that_does_not_answer(emulator: Emulator, save_to: Save, if_exists: str, failed: str) -> None:
    """A transient error of ours."""
    with pytest.raises(StarVideosDownloadError, match=f"can't be {failed}") as caught:
        save_to("s3://videos/a.mp4", if_exists, conn_id="aws_dead")
    assert not caught.value.permanent


@pytest.mark.usefixtures("dead_store")
@pytest.mark.parametrize("where", ["s3://aws_dead@videos/", "s3://aws_default@nowhere/"])
def test_a_store_that_can_not_be_written(s3: S3, where: str) -> None:
    """A batch finds it before it orders; a bucket that can be written holds nothing afterwards."""
    with pytest.raises(StarVideosDownloadError, match="can't be written"):
        Destination(where, "video_1").check()
    Destination("s3://aws_default@videos/", "video_1").check()
    assert s3.names("videos") == s3.uploads("videos") == []


@pytest.mark.parametrize("size", [0, 40_000_000], ids=["in one piece", "in parts"])
def test_c11_only_the_right_to_write(
    emulator: Emulator, save_to: Save, s3: S3, video_id: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role with PutObject: nothing is listed and nothing is checked, before, between or after."""
    emulator.update(pad_bytes=size)
    called: list[str] = []
    plain = S3FileSystem._call_s3

    async def only_put(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        called.append(method)
        if method not in PUT_OBJECT:
            raise PermissionError("Access Denied")
        return await plain(self, method, *args, **kwargs)

    monkeypatch.setattr(S3FileSystem, "_call_s3", only_put)
    saved = save_to("s3://videos/2026/")
    Destination("s3://aws_default@videos/", "manifest").check()
    assert {*called} <= PUT_OBJECT | {"abort_multipart_upload"}
    assert s3.client.head_object(Bucket="videos", Key=f"2026/{video_id}.mp4")["ContentLength"] == saved.size_bytes


@pytest.mark.parametrize("destination", ["s3://videos", "s3://"])
def test_a_bucket_without_a_name_in_it(save_to: Save, destination: str) -> None:
    """A destination must be an object or a folder."""
    with pytest.raises(StarVideosValidationError, match="destination"):
        save_to(destination)


def test_a_broken_transfer_leaves_nothing(
    emulator: Emulator, save_to: Save, s3: S3, no_pauses: list[float], tmp_path: Path
) -> None:
    """What can't be had whole isn't uploaded at all."""
    emulator.add_fault(on="download", kind="truncate")
    with pytest.raises(StarVideosDownloadError):
        save_to("s3://videos/")
    assert s3.names("videos") == []


def test_a_kill_during_the_upload(emulator: Emulator, hook: StarVideosHook, video_id: str, s3: S3) -> None:
    """SIGKILL between two parts: no object is to be seen; a second run puts it there."""
    emulator.update(pad_bytes=200_000_000)
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    env = {
        **os.environ,
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection,
    }
    process = subprocess.Popen([sys.executable, "-c", SAVE, video_id], cwd=ROOT, env=env)
    while not s3.uploads("videos"):
        assert process.poll() is None
    process.kill()
    process.wait()
    assert len(s3.uploads("videos")) == 1
    assert s3.names("videos") == []
    emulator.update(pad_bytes=0)
    target = Destination("s3://videos/", video_id, CONN_ID)
    save(hook, video_id, target, if_exists="error", limits=Limits(), log=LOG)
    assert s3.names("videos") == [f"{video_id}.mp4"]
