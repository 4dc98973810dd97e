"""Which files the UI reads: folders that the administrator has allowed, step by step, and never through a link."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_provider_starvideos.ui.allowed_files import NotAllowedError, belongs, is_allowed, local_path, open_allowed

VIDEO = b"\0\0\0\x18ftypisom, and so on"


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An allowed folder with a video in it, beside a folder with a secret."""
    folder = tmp_path / "media"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "video.mp4").write_bytes(VIDEO)
    (tmp_path / "media-of-others").mkdir()
    (tmp_path / "media-of-others" / "secret.mp4").write_bytes(b"secret")
    monkeypatch.setenv("AIRFLOW__STARVIDEOS__MEDIA_FOLDERS", f"/nowhere, {folder}")
    return folder


def read(path: Path | str) -> bytes:
    """Read a file, if that is allowed."""
    with open_allowed(Path(path)) as file:
        return file.read()


def test_a_file_in_an_allowed_folder_is_read(media: Path) -> None:
    """By its path, and by its file URI."""
    assert read(media / "a" / "video.mp4") == VIDEO
    path = local_path(f"file://{media}/a/video.mp4")
    assert path is not None
    assert read(path) == VIDEO
    with pytest.raises(FileNotFoundError):
        read(media / "a" / "none.mp4")


@pytest.mark.parametrize(
    "path",
    [
        "{media}-of-others/secret.mp4",
        "{media}/../media-of-others/secret.mp4",
        "{media}/a/../../media-of-others/secret.mp4",
        "{media}/%2e%2e/media-of-others/secret.mp4",
        "media/a/video.mp4",
        "../media-of-others/secret.mp4",
        "{media}",
        "{media}/a",
        "/etc/passwd",
        "/proc/self/environ",
        "",
    ],
)
def test_nothing_else_is(media: Path, path: str) -> None:
    """Names that begin alike, dots, quoted dots (which are names), relative paths, folders."""
    with pytest.raises((NotAllowedError, FileNotFoundError)):
        read(path.format(media=media))


def test_no_link_is_followed(media: Path) -> None:
    """Neither the file nor a folder on the way may be one: who may write there chooses no file of the api-server's."""
    (media / "file.mp4").symlink_to(media.parent / "media-of-others" / "secret.mp4")
    (media / "folder").symlink_to(media.parent / "media-of-others")
    (media / "inside.mp4").symlink_to(media / "a" / "video.mp4")
    for name in ("file.mp4", "folder/secret.mp4", "inside.mp4"):
        with pytest.raises(NotAllowedError, match="symbolic link"):
            read(media / name)


def test_a_pipe_doesnt_hang(media: Path) -> None:
    """Opening one would wait for somebody to write."""
    os.mkfifo(media / "pipe.mp4")
    with pytest.raises(NotAllowedError, match="regular"):
        read(media / "pipe.mp4")


def test_no_file_stays_open(media: Path) -> None:
    """Whatever is refused, and after reading. Other threads may open and close other files meanwhile."""

    def opened() -> list[Path]:
        found = []
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(descriptor.readlink())
        return [path for path in found if path.is_relative_to(media.parent.resolve())]

    with open_allowed(media / "a" / "video.mp4"):
        assert opened() == [(media / "a" / "video.mp4").resolve()]
    (media / "folder").symlink_to(media.parent)
    for name in ("a/video.mp4", "a", "none", "folder/x", "a/none/x", "a/video.mp4/x"):
        try:
            read(media / name)
        except (NotAllowedError, FileNotFoundError):
            continue
    assert opened() == []


def test_the_folder_itself_may_be_a_link(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator chose it; files go by both of its names."""
    link = media.parent / "link"
    link.symlink_to(media)
    monkeypatch.setenv("AIRFLOW__STARVIDEOS__MEDIA_FOLDERS", str(link))
    assert read(link / "a" / "video.mp4") == read(media / "a" / "video.mp4") == VIDEO


@pytest.mark.parametrize("setting", ["", " ", "media", "./media,../media"])
def test_without_the_setting_nothing_is(media: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """Also where it names relative folders: relative to what?"""
    monkeypatch.chdir(media.parent)
    monkeypatch.setenv("AIRFLOW__STARVIDEOS__MEDIA_FOLDERS", setting)
    assert not is_allowed(media / "a" / "video.mp4")
    with pytest.raises(NotAllowedError):
        read(media / "a" / "video.mp4")


@pytest.mark.parametrize(
    ("uri", "destination", "video_id", "expected"),
    [
        ("s3://b/v/video_1.mp4", "s3://b/v/", "video_1", True),
        ("s3://b/v/video_2.mp4", "s3://b/v/", "video_1", False),
        ("s3://b/v/x.mp4", "s3://b/v/x.mp4", "video_1", True),
        ("s3://b/v/x.mp4", "s3://b/v/y.mp4", "video_1", False),
        ("s3://other/v/video_1.mp4", "s3://b/v/", "video_1", False),
        ("s3://conn@b/v/video_1.mp4", "s3://b/v/", "video_1", False),
        ("s3://b/v/row.mp4", "s3://b/v/", None, True),
        ("s3://b/v/../w/row.mp4", "s3://b/v/", None, False),
        ("s3://b/w/row.mp4", "s3://b/v/", None, False),
        ("file:///data/video_1.mp4", "/data/", "video_1", True),
        ("file:///data/video_1.mp4", "file:///data/", "video_1", True),
        ("file:///data/../data/video_1.mp4", "/data/", "video_1", True),
        ("file:///data/a/../../etc/x", "/data/", None, False),
        ("/etc/passwd", "/data/", "video_1", False),
        ("s3://b/v/x.mp4", None, None, False),
        ("s3://b/v/x.mp4", " ", None, False),
        ("s3://b/v/x.mp4", ["s3://b/v/"], None, False),
    ],
)
def test_a_file_belongs_to_its_task(uri: str, destination: object, video_id: str | None, expected: bool) -> None:
    """It is where the task was told to put it; a task's word alone, which a user may edit, isn't enough."""
    assert belongs(uri, destination, video_id) is expected
