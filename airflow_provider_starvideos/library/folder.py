"""A library's folder: on a disk or in a store. Files are listed, read, written whole, created exclusively, copied.

A file is written by ``storage.destinations``, so that it is whole or not there. A listing is streamed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosExistsError,
    StarVideosStorageError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.library.listing import File, Ranges, files_in_s3
from airflow_provider_starvideos.locations import as_text, located
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.uris import object_path, package_of

JSON = "application/json"


class Folder:
    """A folder on a disk or in a store.

    :param given: a path or a storage URI that ends in ``/``, as text or as a path object
    :param conn_id: Airflow connection of the store, or None
    :raises StarVideosValidationError: it can't be a library's folder
    """

    def __init__(self, given: Any, conn_id: str | None = None) -> None:
        self._conn_id = getattr(given, "conn_id", None) or conn_id
        text = _located(given)
        self._local: Path | None = None
        if "://" not in text:
            self._local = Path(text).absolute()
            self.uri = f"file://{self._local}/"
            return
        try:
            path = object_path(text, self._conn_id)
            self._fs: Any = path.fs  # here, in the task's own thread: it may read the connection
        except (ValueError, ImportError) as error:
            rule = f"must be in a storage that this Airflow has the provider of{package_of(text)} ({error})"
            raise _unusable(rule, given) from error
        except Exception as error:
            raise _failed(text, "reached", error) from error
        reads = signature(getattr(self._fs, "_cat_file", self._fs.cat_file)).parameters
        self._reading = {"max_concurrency": 1} if "max_concurrency" in reads else {}  # else s3fs asks for the size, too
        self.uri, self._path = text, f"{str(path.path).rstrip('/')}/"

    @property
    def is_local(self) -> bool:
        """It is on a disk."""
        return self._local is not None

    def place(self, name: str) -> Destination:
        """Return a file's place, to put it there."""
        return Destination(f"{self.uri}{name}", name, self._conn_id)

    def files(self, folder: str, wanted: Collection[str] = (), skipped: Ranges | None = None) -> Iterator[File]:
        """Yield the files of a folder in this one, in any order; none if it isn't there.

        :param wanted: how the names of wanted files begin, 40 characters: others may be left out. Empty: all
        :param skipped: gets where files were left out: between which names, both exclusive
        :raises StarVideosStorageError: the store can't be asked
        """
        try:
            if self._local:
                yield from _on_disk(self._local / folder, wanted)
            elif hasattr(self._fs, "call_s3"):
                ranges = [] if skipped is None else skipped
                yield from files_in_s3(self._fs, f"{self._path}{folder}/", wanted, ranges)
            else:
                yield from self._in_store(folder)
        except FileNotFoundError:
            return
        except Exception as error:
            raise _failed(f"{self.uri}{folder}/", "listed", error) from error

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None if it isn't there.

        :raises StarVideosStorageError: it can't be read
        """
        try:
            if self._local:
                return (self._local / name).read_bytes()
            return bytes(self._fs.cat_file(self._path + name, **self._reading))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _failed(self.uri + name, "read", error) from error

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; None if it isn't there.

        :raises StarVideosStorageError: the store can't be asked
        """
        try:
            if self._local:
                return (self._local / name).stat().st_size
            self._fs.invalidate_cache(self._path + name)
            return int(self._fs.info(self._path + name)["size"])
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _failed(self.uri + name, "asked for", error) from error

    def write(self, name: str, data: bytes, *, replaces: bool = True) -> bool:
        """Write a file whole.

        :param replaces: False: leave a file that is there
        :return: it was written
        :raises StarVideosDownloadError: it can't be written
        """
        place = self.place(name)
        with place.workspace() as part:
            part.write_bytes(data)
            try:
                place.put(part, content_type=JSON, overwrite=replaces)
            except StarVideosExistsError:
                return False
        return True

    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        :raises StarVideosStorageError: it can't be deleted
        """
        try:
            (self._local / name).unlink() if self._local else self._fs.rm_file(self._path + name)
        except FileNotFoundError:
            return
        except Exception as error:
            raise _failed(self.uri + name, "deleted", error) from error

    def copy(self, name: str, to: Destination) -> bool:
        """Copy a file within its store, in place of one that is there, without its bytes coming here.

        :return: False: this can't be done
        """
        return not self._local and to.copy_within_store(self._fs, self._path + name)

    def _in_store(self, folder: str) -> Iterator[File]:
        path = f"{self._path}{folder}"
        self._fs.invalidate_cache(path)
        for one in self._fs.ls(path, detail=True):
            if one["type"] == "file":
                times = (one.get(name) for name in ("mtime", "updated", "last_modified", "LastModified", "created"))
                changed = next((time for time in times if time), None)
                stamp = str(one.get("etag") or one.get("generation") or changed or "").replace(" ", "_")
                yield File(one["name"].rpartition("/")[2], one["size"], stamp, _seconds(changed))
        self._fs.invalidate_cache(path)  # it would keep the listing


def _on_disk(folder: Path, wanted: Collection[str]) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if wanted and entry.name[:40] not in wanted:
                continue  # it isn't even asked for its size
            with suppress(FileNotFoundError):  # deleted meanwhile
                if entry.is_file():
                    found = entry.stat()
                    yield File(entry.name, found.st_size, str(found.st_mtime_ns), found.st_mtime)


def _seconds(moment: Any) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else moment if isinstance(moment, int | float) else None


def _located(given: Any) -> str:
    try:
        text = located(as_text(given, is_folder=True))
    except StarVideosValidationError as error:
        raise StarVideosValidationError([replace(one, field="library") for one in error.problems]) from None
    if not text.endswith("/"):
        raise _unusable("must be a folder or a storage URI that ends in '/'", given)
    return text


def _unusable(rule: str, given: Any) -> StarVideosValidationError:
    return StarVideosValidationError([Problem("library", rule, shown(given))])


def _failed(uri: str, done: str, error: Exception) -> StarVideosStorageError:
    return StarVideosStorageError(f"The library's {shown(uri)} can't be {done}: {type(error).__name__}: {error}")
