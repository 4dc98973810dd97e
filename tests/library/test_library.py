"""Entries in a library on a disk and in a bucket: found by one listing, whole or damaged, copied out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosExistsError, StarVideosValidationError
from airflow_provider_starvideos.library.entry import DamagedEntryError, Entry, document_of
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.storage.destinations import Destination
from tests.library.conftest import LOG, Add, name, put_entry
from tests.storage.buckets import S3


def test_what_is_there_is_found(library: Library, add: Add) -> None:
    """By one listing and by name; what isn't there isn't an error."""
    entries = [add(number) for number in range(5)]
    assert library.look_up([name(number) for number in range(3, 9)]).entries == {
        name(3): entries[3],
        name(4): entries[4],
    }
    assert library.find(name(2)) == entries[2]
    assert library.find(name(7)) is None
    assert library.look_up([]).entries == {}


def test_a_video_without_a_document_is_no_entry(library: Library, add: Add) -> None:
    """The document is written last: a run that was killed before it leaves nothing that is found, and no warning."""
    entry = add(1)
    library.folder.delete(document_of(entry.name))
    found = library.look_up([entry.name])
    assert (found.entries, found.damaged, library.find(entry.name)) == ({}, {}, None)


def damage(library: Library, entry: Entry, **changes: Any) -> None:
    """Change what a document says."""
    value = json.loads(entry.to_json()) | changes
    library.folder.write(document_of(entry.name), json.dumps(value).encode())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"size_bytes": 8}, "has 7 bytes, and not 8"),
        ({"size_bytes": "7"}, "broken"),
        ({"size_bytes": True}, "broken"),
        ({"sha256": "0"}, "broken"),
        ({"sha256": None}, "broken"),
        ({"format": 2}, "broken"),
        ({"name": name(2)}, "broken"),
        ({"file": "../../secret.mp4"}, "broken"),
        ({"video_id": "../../secret"}, "broken"),
        ({"video_id": ["video_1"]}, "broken"),
        ({"amount": "much"}, "broken"),
        ({"amount": "NaN"}, "broken"),
        ({"amount": {}}, "broken"),
        ({"seconds": "3"}, "broken"),
        ({"saved_at": "yesterday"}, "broken"),
        ({"saved_at": None}, "broken"),
        ({"saved_at": 5}, "broken"),
    ],
)
def test_a_document_is_read_with_distrust(library: Library, add: Add, changes: dict[str, Any], what: str) -> None:
    """Whatever isn't as it was written makes the entry a damaged one; other entries aren't concerned."""
    entry, other = add(1), add(17)
    damage(library, entry, **changes)
    found = library.look_up([entry.name, other.name])
    assert found.entries == {other.name: other}
    assert what in found.damaged[entry.name]
    assert library.find(entry.name) is None


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 30_000, b"{" + b" " * 70_000 + b"}"])
def test_a_broken_document(library: Library, add: Add, data: bytes) -> None:
    """Cut, emptied, nested without an end, too large."""
    entry = add(1)
    library.folder.write(document_of(entry.name), data)
    assert "broken" in library.look_up([entry.name]).damaged[entry.name]
    assert library.find(entry.name) is None


@pytest.mark.parametrize(("video", "what"), [(None, "missing"), (b"a vid", "has 5 bytes, and not 7")])
def test_a_damaged_video(library: Library, add: Add, video: bytes | None, what: str) -> None:
    """Deleted, cut."""
    entry = add(1)
    if video is None:
        library.folder.delete(entry.file)
    else:
        library.folder.write(entry.file, video)
    found = library.look_up([entry.name])
    assert found.entries == {}
    assert what in found.damaged[entry.name]
    assert library.find(entry.name) is None


def test_a_later_video_takes_the_place_of_an_earlier_one(library: Library, add: Add) -> None:
    """The document changes in one step; the earlier video stays until it is pruned, since a run may be copying it."""
    earlier = add(1)
    later = Entry(**{**earlier.__dict__, "video_id": "video_later"})
    library.folder.write(later.file, b"a video")
    library.add(later)
    assert library.look_up([later.name]).entries == {later.name: later}
    assert library.folder.size(earlier.file) == 7


def test_files_that_are_something_else(library: Library, add: Add) -> None:
    """Files that other programs put there are left alone."""
    entry = add(1)
    for strange in ("1/.DS_Store", "1/notes.json", f"1/{entry.name}.json.bak", f"1/{entry.name}-video_1.mp4.part"):
        library.folder.write(strange, b"{}")
    assert library.look_up([entry.name]).entries == {entry.name: entry}


def test_copies(library: Library, add: Add, tmp_path: Path) -> None:
    """To a disk: whole, in place of a file or not, as is asked for."""
    entry = add(1)
    to = Destination(f"{tmp_path}/out/", "a")
    assert library.copy(entry, to, if_exists="error").size_bytes == 7
    assert library.copy(entry, to, if_exists="error").uri == to.uri  # this very video
    (tmp_path / "out" / "a.mp4").write_bytes(b"another")
    with pytest.raises(StarVideosExistsError):
        library.copy(entry, to, if_exists="error")
    skipped = library.copy(entry, to, if_exists="skip")
    assert (skipped.sha256 == entry.sha256, (tmp_path / "out" / "a.mp4").read_bytes()) == (False, b"another")
    assert library.copy(entry, to, if_exists="overwrite").sha256 == entry.sha256
    assert (tmp_path / "out" / "a.mp4").read_bytes() == b"a video"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("video", [None, b"a cideo", b"a vid"])
def test_what_is_damaged_is_not_copied(library: Library, add: Add, tmp_path: Path, video: bytes | None) -> None:
    """Also where only its digest shows it: nothing is at the destination."""
    entry = add(1)
    library.folder.write(entry.file, video) if video else library.folder.delete(entry.file)
    with pytest.raises(DamagedEntryError):
        library.copy(entry, Destination(f"{tmp_path}/out/", "a"), if_exists="overwrite")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_store_copies_by_itself(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a store no byte of a video comes here."""
    library = Library(Folder("s3://shop/library/", "aws_library"), LOG)
    monkeypatch.setattr(Destination, "chunks", None)
    library.folder.write("1/video.mp4", b"a video")
    assert library.folder.copy("1/video.mp4", Destination("s3://aws_library@videos/2026/", "a"))
    assert s3.client.get_object(Bucket="videos", Key="2026/a.mp4")["Body"].read() == b"a video"
    assert not library.folder.copy("1/video.mp4", Destination("/tmp/", "a"))
    assert not library.folder.copy("1/gone.mp4", Destination("s3://aws_library@videos/2026/", "b"))
    assert s3.names("videos") == ["2026/a.mp4"]


def test_the_index_is_a_cache(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lookup reads one file instead of many documents; what has changed since is read itself."""
    library = Library(Folder("s3://aws_library@shop/library/"), LOG)
    entries = {entry.name: entry for entry in (put_entry(library, 16 * number) for number in range(30))}
    names, read = list(entries), []
    plain = Folder.read
    monkeypatch.setattr(Folder, "read", lambda self, file: read.append(file) or plain(self, file))
    assert library.look_up(names).entries == entries
    assert s3.names("shop")[-1] == "library/index/0.gz"
    assert len(read) > 30
    read.clear()
    assert library.look_up(names).entries == entries
    assert read == ["index/0.gz"]
    later = put_entry(library, 16, b"another video")
    library.folder.delete(entries[names[2]].file)
    damage(library, entries[names[3]], sha256="")
    found = library.look_up(names)
    assert found.entries[names[1]] == later
    assert found.damaged.keys() == {names[2], names[3]}
    for garbage in (b"", b"\x1f\x8bgarbage", b"no archive"):
        library.folder.write("index/0.gz", garbage)
        assert library.look_up(names).damaged.keys() == {names[2], names[3]}
        read.clear()
        library.look_up(names)
        assert read[0] == "index/0.gz"
        assert len(read) < 5, "it was written again"


def test_a_look_up_is_a_listing(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a listing holds a thousand files: with more of them, all pages are read."""
    library = Library(Folder("s3://aws_library@shop/library/"), LOG)
    entries = [put_entry(library, 16 * number) for number in range(12)]
    plain = library.folder._fs.call_s3
    calls = []

    def in_small_pages(method: str, **kwargs: Any) -> Any:
        calls.append(method)
        return plain(method, **kwargs, MaxKeys=5)

    monkeypatch.setattr(library.folder._fs, "call_s3", in_small_pages)
    assert len(library.look_up([entry.name for entry in entries]).entries) == 12
    assert calls == ["list_objects_v2"] * 5


@pytest.mark.parametrize("given", ["s3://shop", "library", "", None, 5, "C:\\library\\", "nowhere://shop/library/"])
def test_what_can_be_no_library(given: Any) -> None:
    """One clear error, that names the parameter."""
    with pytest.raises(StarVideosValidationError, match="library: must"):
        Folder(given)
