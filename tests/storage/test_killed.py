"""Killed processes and full disks: nothing at the destination that looks finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from tests.storage.hosts import left_in

ROOT = Path(__file__).parents[2]

SAVE = """
import resource, sys
from airflow_provider_starvideos.exceptions import StarVideosDownloadError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
video_id, path, most = sys.argv[1:]
if int(most):
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
print("ready", flush=True)
try:
    StarVideosHook().download_video(video_id, path)
except StarVideosDownloadError as error:
    sys.exit(f"refused: {error}")
"""


def start(emulator: Emulator, video_id: str, path: Path, most: int = 0) -> subprocess.Popen[str]:
    """Save a video in another process; ``most``: the largest file that it may write."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    env = {**os.environ, "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection)}
    argv = [sys.executable, "-c", SAVE, video_id, str(path), str(most)]
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("there", [True, False], ids=["over a file", "a new file"])
def test_a_kill_in_mid_transfer(
    emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path, there: bool
) -> None:
    """SIGKILL half-way: the old file or none at the destination, and next to it only what is plainly a part."""
    place = tmp_path / "video.mp4"
    if there:
        place.write_bytes(b"the old one")
    emulator.update(pad_bytes=50_000_000)
    emulator.add_fault(on="download", kind="slow", bytes_per_second=2_000_000)
    with start(emulator, video_id, place) as process:
        emulator.wait_for("fault", id=video_id, timeout=60)
        parts: list[Path] = []
        while not parts or not parts[0].stat().st_size:
            assert process.poll() is None
            parts = list(tmp_path.glob(".starvideos-*.part"))
        process.kill()
    assert [path.read_bytes() for path in tmp_path.glob("*.mp4")] == ([b"the old one"] if there else [])
    (left,) = (name for name in left_in(tmp_path) if name != "video.mp4")
    assert left.startswith(".starvideos-")
    assert left.endswith(".part")
    emulator.clear_faults()
    emulator.update(pad_bytes=0)
    hook.download_video(video_id, place)
    assert place.stat().st_size > 1000


@pytest.mark.parametrize("missing", [1, 2_000_000])
def test_a_disk_that_is_too_small(
    emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path, missing: int
) -> None:
    """Also if only the last byte doesn't fit: such a write succeeds, it only writes less."""
    emulator.update(pad_bytes=3_000_000)
    size = hook.download_video(video_id, tmp_path / "whole.mp4").size_bytes
    (tmp_path / "disk").mkdir()
    with start(emulator, video_id, tmp_path / "disk" / "video.mp4", size - missing) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "can't be written" in errors
    assert f"it needs at least {size} bytes" in errors
    assert left_in(tmp_path / "disk") == []


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root to mount a small disk")
def test_a_full_disk(emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path) -> None:
    """A disk of one megabyte: an error that says how much is needed, and a disk as empty as before."""
    disk: Any = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("can't mount here")
    try:
        emulator.update(pad_bytes=3_000_000)
        with pytest.raises(Exception, match="No space left on device") as caught:
            hook.download_video(video_id, disk / "video.mp4")
        assert "bytes there" in str(caught.value)
        assert left_in(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
