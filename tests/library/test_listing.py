"""Listings of S3: all that is wanted is found, with no more requests than there are names or pages."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_starvideos.exceptions import StarVideosStorageError
from airflow_provider_starvideos.library import index
from airflow_provider_starvideos.library.entry import document_of
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.library.listing import Ranges, files_in_s3
from tests.library.conftest import LOG, name, put_entry
from tests.storage.buckets import S3

PAGE = 7
NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Store:
    """Stands for s3fs: a bucket's names, in pages of 7."""

    def __init__(self, files: list[str], *, knows_start: bool = True, order: Any = sorted, holes: bool = False) -> None:
        self.s3 = SimpleNamespace(meta=SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None)))
        self.requests: list[dict[str, str]] = []
        self._files = order(f"library/0/{file}" for file in files)
        self._knows_start, self._holes = knows_start, holes

    def call_s3(self, _: str, **request: str) -> dict[str, Any]:
        """Answer as S3 does; with holes, every second page is empty, and yet not the last."""
        self.requests.append(request)
        begin = int(request.get("ContinuationToken", 0))
        if "StartAfter" in request and self._knows_start:
            begin = sum(file <= request["StartAfter"] for file in self._files)
        end = begin if self._holes and len(self.requests) % 2 else begin + PAGE
        found = [{"Key": one, "Size": 1, "ETag": '"e"', "LastModified": NOW} for one in self._files[begin:end]]
        more = {"NextContinuationToken": str(end)} if end < len(self._files) else {}
        return {"Contents": found, "IsTruncated": bool(more), **more}


def files_of(numbers: set[int]) -> list[str]:
    """Return files of entries; some have two videos, and one folder has files of other programs."""
    return [
        file
        for number in numbers
        for file in (f"{hex40(number)}-video_1.mp4", f"{hex40(number)}-video_2.mp4", f"{hex40(number)}.json")
        if number % 3 == 0 or "video_2" not in file
    ]


def hex40(number: int) -> str:
    """Return a name in the folder ``0``."""
    return f"0{number:039x}"


def listed(store: Store, wanted: set[str], bucket: str = "shop") -> tuple[set[str], Ranges]:
    """Return what a listing yields."""
    skipped: Ranges = []
    return {one.name for one in files_in_s3(store, f"{bucket}/library/0/", wanted, skipped)}, skipped


NUMBERS = st.sets(st.integers(0, 99))


@given(NUMBERS, NUMBERS, st.booleans())
@example(set(range(50)), {0}, False)
def test_all_that_is_wanted(there: set[int], numbers: set[int], holes: bool) -> None:
    """Whatever is there and asked for; what is said to be left out is, and nothing else."""
    files, wanted = files_of(there), {hex40(number) for number in numbers}
    store = Store(files, holes=holes)
    found, skipped = listed(store, wanted)
    assert {file for file in files if file[:40] in wanted} <= found
    assert found <= set(files)
    for file in files:
        assert (file in found) == (not any(after < file < before for after, before in skipped))
    if not holes:
        assert len(store.requests) <= max(1, min(len(wanted) or 1_000, -(-len(files) // PAGE)))


@given(NUMBERS, NUMBERS, st.booleans())
def test_a_store_that_does_not_sort(there: set[int], numbers: set[int], knows_start: bool) -> None:
    """Or that doesn't know where a page is to begin: the whole folder is listed."""
    files, wanted = files_of(there), {hex40(number) for number in numbers}
    for order in (sorted, lambda names: sorted(names)[::-1]):
        found, skipped = listed(Store(files, knows_start=knows_start and order is sorted, order=order), wanted)
        assert {file for file in files if file[:40] in wanted} <= found
        assert found >= {file for file in files if not any(after < file < before for after, before in skipped)}


def test_a_directory_bucket() -> None:
    """Its listings have no order: it is never asked to begin somewhere."""
    store = Store(files_of(set(range(30))))
    assert listed(store, {hex40(20)}, "shop--use1-az4--x-s3") == (set(files_of(set(range(30)))), [])
    assert not any("StartAfter" in request for request in store.requests)


@pytest.mark.parametrize(
    "answer",
    [
        {"Page": b"<html><body>Sign in</body></html>"},
        {"Page": b""},
        {"Page": b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"},
        {"IsTruncated": True},
    ],
)
def test_what_is_no_listing(s3: S3, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    """It isn't taken for an empty library: all of its rows would be ordered again."""
    folder = Folder("s3://aws_library@shop/library/")
    monkeypatch.setattr(folder._fs, "call_s3", lambda *_, **__: answer)
    with pytest.raises(StarVideosStorageError, match="can't be listed"):
        Library(folder, LOG).look_up([name(1)])


def test_it_is_read_as_botocore_reads_it(s3: S3) -> None:
    """Names with all kinds of characters, sizes, ETags and times."""
    prefix = "a b+c/ü&<%41>"
    for file in ("1.json", "x y+ä.mp4", "&amp;", "%2F"):
        s3.client.put_object(Bucket="shop", Key=f"{prefix}/1/{file}", Body=file.encode())
    expected = {
        (
            one["Key"].removeprefix(f"{prefix}/1/"),
            one["Size"],
            one["ETag"].strip('"'),
            one["LastModified"].timestamp(),
        )
        for one in s3.client.list_objects_v2(Bucket="shop")["Contents"]
    }
    fs = Folder("s3://aws_library@shop/library/")._fs
    found = {(one.name, one.size, one.stamp, one.changed) for one in files_in_s3(fs, f"shop/{prefix}/1/", (), [])}
    assert found == expected
    assert len(found) == 4
    assert fs.call_s3("list_objects_v2", Bucket="shop")["KeyCount"] == 4, "others get what botocore reads"


def test_an_index_keeps_what_was_not_listed(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup of some rows takes nothing from the index of the others; what is gone is taken out."""
    library = Library(Folder("s3://aws_library@shop/library/"), LOG)
    entries = [put_entry(library, 16 * number) for number in range(60)]
    plain, calls = library.folder._fs.call_s3, Counter[str]()

    def in_small_pages(method: str, **kwargs: Any) -> Any:
        calls[method] += 1
        return plain(method, **kwargs, MaxKeys=5)

    monkeypatch.setattr(library.folder._fs, "call_s3", in_small_pages)
    library.look_up([entry.name for entry in entries])
    assert calls == {"list_objects_v2": 24}
    assert len(list(index._lines(library.folder, "0"))) == 60
    replaced = [put_entry(library, 16 * number, b"another video") for number in range(10)]
    library.folder.delete(document_of(entries[1].name))
    library.folder.delete(document_of(entries[30].name))
    some = [replaced[0], *replaced[2:], *entries[50:]]
    calls.clear()
    assert library.look_up([entry.name for entry in some]).entries == {entry.name: entry for entry in some}
    assert calls == {"list_objects_v2": 8}, "from 0 to 9, and from 50 to 59"
    kept = {one for one, _, _ in index._lines(library.folder, "0")}
    assert kept == {entry.name for entry in entries} - {entries[1].name}
