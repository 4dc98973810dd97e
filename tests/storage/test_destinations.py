"""Destinations: every way to write one, whole or not there, and never over what must stay."""

from __future__ import annotations

import hashlib
import os
import pwd
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_starvideos.exceptions import (
    StarVideosDownloadError,
    StarVideosExistsError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.storage import destinations, local_files
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Limits
from airflow_provider_starvideos.storage.saving import SavedVideo, save
from tests.storage.buckets import S3
from tests.storage.hosts import LOG, left_in

Save = Callable[..., SavedVideo]

PATH_OBJECT = ObjectStoragePath("memory://box/videos")


@pytest.fixture
def save_to(hook: StarVideosHook, video_id: str) -> Save:
    """Saves the video to a destination."""

    def run(destination: Any, if_exists: str = "overwrite") -> SavedVideo:
        target = Destination(destination, video_id)
        return save(hook, video_id, target, if_exists=if_exists, limits=Limits(), log=LOG)

    return run


def facts(saved: SavedVideo) -> tuple[str, int, str, str]:
    """Return what is known of a file, the same from each run."""
    return saved.uri, saved.size_bytes, saved.sha256, saved.content_type


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """A store in memory, empty."""
    fs = MemoryFileSystem()
    fs.store.clear()
    attach(protocol="memory", fs=fs)
    yield fs
    fs.store.clear()


@pytest.mark.parametrize("name", ["a.mp4", "a b.mp4", "a#b?c%20d.mp4", "kød 视频.mp4", "-rf.mp4", "new/folder/a.mp4"])
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_files_of_every_name(save_to: Save, tmp_path: Path, name: str, prefix: str) -> None:
    """A path or a file:// URI means that very file, whatever is in its name; folders are made."""
    saved = save_to(f"{prefix}{tmp_path}/{name}")
    assert saved.uri == f"file://{tmp_path}/{name}"
    assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == saved.sha256


def test_a_folder(save_to: Save, video_id: str, tmp_path: Path) -> None:
    """A destination that ends in a slash is a folder, for the video's id."""
    assert save_to(f"{tmp_path}/videos/").uri == f"file://{tmp_path}/videos/{video_id}.mp4"
    assert left_in(tmp_path / "videos") == [f"{video_id}.mp4"]


def test_a_relative_path(save_to: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is relative to where the process works, and the answer is absolute."""
    monkeypatch.chdir(tmp_path)
    assert save_to("videos/a.mp4").uri == f"file://{tmp_path}/videos/a.mp4"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, and a user of that name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("~/videos/", "videos/{id}.mp4"),
        ("~/a.mp4", "a.mp4"),
        ("file://~/videos/", "videos/{id}.mp4"),
        ("file://{home}/videos/", "videos/{id}.mp4"),
        ("FILE://{home}/a.mp4", "a.mp4"),
        ("file://localhost{home}/videos/", "videos/{id}.mp4"),
        ("file://LOCALHOST{home}/a.mp4", "a.mp4"),
        ("file:{home}/a.mp4", "a.mp4"),
        (" {home}/videos/ \n", "videos/{id}.mp4"),
        (Path("{home}/a.mp4"), "a.mp4"),
        (Path("{home}/videos"), "videos/{id}.mp4"),
        (Path("~/videos"), "videos/{id}.mp4"),
        (PurePosixPath("{home}/videos"), "videos/{id}.mp4"),
    ],
    ids=repr,
)
def test_c14_as_people_write_them(save_to: Save, home: Path, video_id: str, given: Any, name: str) -> None:
    """A home directory, this machine's name, path objects: what Airflow and Python take them for."""
    text = str(given).replace("{home}", str(home))
    saved = save_to(text if isinstance(given, str) else type(given)(text))
    place = home / name.format(id=video_id)
    assert saved.uri == f"file://{place}"
    assert hashlib.sha256(place.read_bytes()).hexdigest() == saved.sha256


@pytest.mark.parametrize(("start", "name"), [("file://", "videos"), ("file://", "a.mp4"), ("", "a.mp4")])
def test_c14_path_objects_of_a_disk(tmp_path: Path, start: str, name: str) -> None:
    """Airflow's own ones, too."""
    target = Destination(ObjectStoragePath(f"{start}{tmp_path}/{name}"), "video_1")
    assert target.uri == f"file://{tmp_path}/{'videos/video_1.mp4' if name == 'videos' else name}"


def test_c14_the_home_of_another_user(home: Path) -> None:
    """``~user`` is that user's."""
    root = pwd.getpwuid(os.getuid())
    assert Destination(f"~{root.pw_name}/a.mp4", "video_1").uri == f"file://{root.pw_dir}/a.mp4"


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("MEMORY://box/videos/", "memory://box/videos"),
        (PATH_OBJECT, str(PATH_OBJECT)),  # with one slash more in the universal_pathlib of Airflow 3.0
    ],
)
def test_c14_stores(save_to: Save, video_id: str, given: Any, folder: str) -> None:
    """A scheme in capitals, a path object of a store."""
    assert save_to(given).uri == f"{folder}/{video_id}.mp4"


@pytest.mark.usefixtures("hook")
def test_c14_the_connection_of_a_path_object(s3: S3) -> None:
    """Its own goes first."""
    given = ObjectStoragePath("s3://videos/new", conn_id="aws_default")
    assert Destination(given, "video_1", "aws_other").uri == "s3://aws_default@videos/new/video_1.mp4"


@pytest.mark.parametrize(
    ("given", "folder", "rendered"),
    [
        (Path("/data/{{ ds }}"), "/data/2026-01-02/", "/data/2026-01-02/"),
        (Path("/data/{{ ds }}/a.mp4"), "/data/2026-01-02/a.mp4/", "/data/2026-01-02/a.mp4"),
        (ObjectStoragePath("s3://box/{{ ds }}/"), "s3://box/2026-01-02/", "s3://box/2026-01-02/"),
        ("~/{{ ds }}/", "~/2026-01-02/", "~/2026-01-02/"),
        ("file://localhost/{{ ds }}/", "file://localhost/2026-01-02/", "file://localhost/2026-01-02/"),
    ],
)
def test_c14_templates_in_each(given: Any, folder: str, rendered: str) -> None:
    """They are rendered, also in path objects; a batch takes a path object for a folder, whatever its name."""
    download = StarVideosDownloadOperator(task_id="save", video_id="video_1", destination=given)
    batch = StarVideosBatchOperator(task_id="batch", requests=["x"], destination=given)
    for task, expected in ((download, rendered), (batch, folder)):
        task.render_template_fields({"ds": "2026-01-02"})
        assert task.destination == expected


@pytest.mark.parametrize(
    ("destination", "rule"),
    [
        ("", "must be a path"),
        ("  ", "must be a path"),
        (None, "must be a path"),
        ("a\0b", "must be a path"),
        ("gs://bucket/videos/", "provider of"),
        ("nowhere://bucket/videos/", "provider of"),
        ("https://example.com/videos/", "provider of"),
        ("s3:/bucket/videos/", "two slashes"),
        (Path("s3://bucket/videos/"), "two slashes"),
        ("gs://bucket/videos/", "pip install 'apache-airflow-providers-google'"),
        ("abfs://box@account/videos/", "pip install 'apache-airflow-providers-microsoft-azure'"),
        ("file://server/videos/", "must not name a machine"),
        ("~nobody-of-that-name/videos/", "home directory"),
        ("/data/~/videos/", "home directory"),
        ("$HOME/videos/", "environment variable"),
        ("${DATA}/videos/", "environment variable"),
        ("C:\\videos\\", "Windows"),
        ("c:/videos/", "Windows"),
        (r"\\server\videos", "Windows"),
        (PureWindowsPath("videos"), "must be a path"),
        (b"/data/videos/", "must be a path"),
        (["/data/videos/"], "must be a path"),
        ("file://", "must be a path"),
    ],
)
def test_what_can_not_be_a_destination(save_to: Save, destination: Any, rule: str) -> None:
    """Refused with one clear error, before anything is asked or fetched."""
    with pytest.raises(StarVideosValidationError, match=rule):
        save_to(destination)


@pytest.mark.parametrize("if_exists", ["overwrite", "skip", "error"])
def test_a_file_that_is_there(save_to: Save, tmp_path: Path, if_exists: str) -> None:
    """Overwritten, left alone, or an error: as asked for."""
    target = tmp_path / "a.mp4"
    first = save_to(str(target))
    target.write_bytes(b"something else")
    if if_exists == "error":
        with pytest.raises(StarVideosExistsError, match="there is a file"):
            save_to(str(target), if_exists)
    else:
        saved = save_to(str(target), if_exists)
        assert (saved.sha256 == first.sha256) == (if_exists == "overwrite")
    assert (target.read_bytes() == b"something else") == (if_exists != "overwrite")
    assert left_in(tmp_path) == ["a.mp4"]


def test_a_second_run_with_skip_tells_the_same(save_to: Save, tmp_path: Path) -> None:
    """Size, digest and type of the file that was left alone are those of the first run."""
    first = save_to(f"{tmp_path}/a.mp4")
    modified = (tmp_path / "a.mp4").stat().st_mtime_ns
    assert facts(save_to(f"{tmp_path}/a.mp4", "skip")) == facts(first)
    assert (tmp_path / "a.mp4").stat().st_mtime_ns == modified


def test_what_is_skipped_but_no_video(save_to: Save, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is left alone, as asked for, but not in silence."""
    (tmp_path / "a.mp4").write_bytes(b"<html>")
    caplog.set_level("WARNING")
    assert save_to(f"{tmp_path}/a.mp4", "skip").content_type == "application/octet-stream"
    assert "isn't a whole MP4" in caplog.text


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_error_holds_also_when_the_file_comes_in_between(
    save_to: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """A file that appears during the transfer isn't overwritten."""
    target = tmp_path / "a.mp4"
    monkeypatch.setattr(Destination, "exists", lambda self: False)
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        save_to(str(tmp_path / "b.mp4"), "error")
    target.write_bytes(b"came in between")
    with pytest.raises(StarVideosExistsError):
        save_to(str(target), "error")
    assert target.read_bytes() == b"came in between"
    assert not [name for name in left_in(tmp_path) if name.endswith(".part")]


def test_many_writers(hook: StarVideosHook, video_id: str, tmp_path: Path) -> None:
    """They don't get into each other's way: the file is whole at every moment; with "error" one of them wins."""
    target = tmp_path / "a.mp4"
    broken: list[int] = []
    over = threading.Event()

    def look() -> None:
        sizes = set()
        while not over.is_set():
            if target.exists():
                sizes.add(target.stat().st_size)
        broken.extend(sizes)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(hook.download_video, video_id, target) for _ in range(16)]
            size = {job.result().size_bytes for job in jobs}
    finally:
        over.set()
        watcher.join()
    assert set(broken) == size
    target.unlink()

    def once(_: int) -> str:
        try:
            save(hook, video_id, Destination(str(target), video_id), if_exists="error", limits=Limits(), log=LOG)
        except StarVideosExistsError:
            return "refused"
        return "saved"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(once, range(8))).count("saved") == 1
    assert left_in(tmp_path) == ["a.mp4"]


def test_old_leftovers_are_swept(save_to: Save, tmp_path: Path) -> None:
    """What killed processes left is removed after a day; what may be in use, and what is others', isn't."""
    names = {"old": ".starvideos-0.part", "new": ".starvideos-1.part", "other": ".something.part"}
    for name in names.values():
        (tmp_path / name).write_bytes(b"x")
    long_ago = time.time() - local_files.LEFTOVER_SECONDS - 60
    for name in ("old", "other"):
        os.utime(tmp_path / names[name], (long_ago, long_ago))
    save_to(f"{tmp_path}/a.mp4")
    assert left_in(tmp_path) == [names["other"], names["new"], "a.mp4"]


def test_folders_that_can_not_be_written(save_to: Save, tmp_path: Path) -> None:
    """A clear error, of ours."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StarVideosDownloadError, match=r"destination: '.* can't be written: FileExistsError"):
        save_to(f"{tmp_path}/file/a.mp4")


def test_a_link_is_replaced_not_followed(save_to: Save, tmp_path: Path) -> None:
    """A file elsewhere that a link of that name points to isn't written to."""
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "a.mp4").symlink_to(tmp_path / "elsewhere")
    save_to(f"{tmp_path}/a.mp4")
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
    assert not (tmp_path / "a.mp4").is_symlink()


@pytest.mark.parametrize("object_store", [True, False])
def test_other_stores(
    save_to: Save, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, object_store: bool, video_id: str
) -> None:
    """One that shows half-written files gets a hidden file, which is renamed when it is whole."""
    puts: list[str] = []
    put_file = memory.put_file

    def noting(lpath: str, rpath: str, **options: Any) -> None:
        puts.append(rpath)
        put_file(lpath, rpath, **options)

    monkeypatch.setattr(memory, "put_file", noting)
    if not object_store:
        monkeypatch.setattr(destinations, "OBJECT_STORES", {})
    for if_exists in ("error", "overwrite", "overwrite"):
        saved = save_to("memory://box/videos/", if_exists)
    assert saved.uri == f"memory://box/videos/{video_id}.mp4"
    assert list(memory.store) == [f"/box/videos/{video_id}.mp4"]
    assert hashlib.sha256(memory.cat_file(f"/box/videos/{video_id}.mp4")).hexdigest() == saved.sha256
    assert facts(save_to("memory://box/videos/", "skip")) == facts(saved)
    hidden = [put.rpartition("/")[2].startswith(".starvideos-") for put in puts]
    assert hidden == [not object_store] * 3
    assert facts(save_to("memory://box/videos/", "error")) == facts(saved)  # it is this very video
    assert len(puts) == 3
    memory.pipe_file(f"/box/videos/{video_id}.mp4", b"something else")
    with pytest.raises(StarVideosExistsError):
        save_to("memory://box/videos/", "error")


@pytest.mark.parametrize("protocol", ["s3", "gs", "abfs"])
def test_c11_stores_that_check_themselves_are_not_asked(
    save_to: Save, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """For if_exists="overwrite" the right to write is enough: nothing is listed, checked or read."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Forbidden")

    for name in ("info", "ls", "exists", "isfile", "isdir", "find", "cat_file", "open", "stat", "size", "makedirs"):
        monkeypatch.setattr(memory, name, refuse)
    monkeypatch.setattr(memory, "put_file", lambda lpath, rpath, **options: None)
    plain = Destination.__init__

    def as_that_store(self: Destination, *args: Any) -> None:
        plain(self, *args)
        self._protocol = protocol

    monkeypatch.setattr(Destination, "__init__", as_that_store)
    assert save_to("memory://box/a.mp4").size_bytes > 0


@pytest.mark.parametrize("object_store", [True, False])
def test_a_store_that_keeps_less_than_it_got(
    save_to: Save, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, object_store: bool
) -> None:
    """The store is asked what it has; if that isn't all, the task fails."""
    monkeypatch.setattr(memory, "put_file", lambda lpath, rpath, **options: memory.pipe_file(rpath, b"half"))
    if not object_store:
        monkeypatch.setattr(destinations, "OBJECT_STORES", {})
    with pytest.raises(StarVideosDownloadError, match="it has 4 of"):
        save_to("memory://box/a.mp4")
    assert object_store or list(memory.store) == []


def test_no_spool_stays_behind(
    save_to: Save, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The local copy of an upload is gone afterwards, also when the store refuses it; it is private meanwhile."""
    modes: list[int] = []

    def refuse(lpath: str, rpath: str, **options: Any) -> None:
        modes.append(Path(lpath).stat().st_mode & 0o777)
        raise PermissionError("no")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(memory, "put_file", refuse)
    with pytest.raises(StarVideosDownloadError, match="can't be written: PermissionError: no"):
        save_to("memory://box/a.mp4")
    assert modes == [0o600]
    assert list(tmp_path.glob(".*")) == []
