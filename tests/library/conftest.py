"""What the library's tests share: a library on a disk and one in a bucket, and entries in it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_starvideos.library.entry import Entry, now_text
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.library import Library
from tests.storage.buckets import S3

LOG = logging.getLogger("tests.library")
Add = Callable[..., Entry]


def name(number: int) -> str:
    """Return a name of an entry; numbers that follow each other are in different folders."""
    return f"{number % 16:x}{number:039x}"


def put_entry(library: Library, number: int, video: bytes = b"a video", **facts: Any) -> Entry:
    """Put an entry into a library."""
    values = {"saved_at": now_text(), "amount": "0.76", "sha256": hashlib.sha256(video).hexdigest(), **facts}
    entry = Entry(name(number), f"video_{number}", size_bytes=len(video), **values)
    library.folder.write(entry.file, video)
    library.add(entry)
    return entry


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The S3 server, with empty buckets, and an Airflow connection ``aws_library`` to it."""
    return s3_server.ready(monkeypatch, "aws_library", "shop", "videos")


@pytest.fixture(params=["disk", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty library's folder."""
    if request.param == "disk":
        return Folder(f"{tmp_path}/library/")
    request.getfixturevalue("s3")
    return Folder("s3://shop/library/", "aws_library")


@pytest.fixture
def memory() -> Iterator[None]:
    """A store in memory, empty."""
    store = MemoryFileSystem()
    store.store.clear()
    attach(protocol="memory", fs=store)
    yield
    store.store.clear()


@pytest.fixture(params=["disk", "bucket", "memory"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    """An empty library; the one in memory stands for all other stores of fsspec."""
    if request.param != "disk":
        request.getfixturevalue({"bucket": "s3", "memory": "memory"}[request.param])
    places = {"disk": f"{tmp_path}/library/", "bucket": "s3://shop/library/", "memory": "memory://shop/library/"}
    return Library(Folder(places[request.param], "aws_library" if request.param == "bucket" else None), LOG)


@pytest.fixture
def add(library: Library) -> Add:
    """Puts an entry into the library."""
    return partial(put_entry, library)
