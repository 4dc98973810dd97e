"""Looking requests up in a library, adding videos to it, and copying them out of it.

A lookup costs a listing, not a call per request. A listing doesn't show whether the digest of a video is right. That
is checked where its bytes pass through this machine.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_starvideos.api.mp4 import CONTENT_TYPE
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosError
from airflow_provider_starvideos.library import index
from airflow_provider_starvideos.library.entry import MAX_BYTES, DamagedEntryError, Entry, document_of, folder_of
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.listing import File
from airflow_provider_starvideos.library.names import NAME
from airflow_provider_starvideos.storage.destinations import Destination

FOLDERS = "0123456789abcdef"
AT_ONCE = 16  # folders that are listed at once
INDEX_FROM = 16  # documents of one folder that are read one by one


@dataclass
class Found:
    """What a library has of some requests."""

    entries: dict[str, Entry] = field(default_factory=dict)  # by name
    damaged: dict[str, str] = field(default_factory=dict)  # what is wrong, by name: entries that can't be used
    # videos that no entry names: of killed runs, and of entries that were replaced. Not those of a document that can't
    # be read
    loose: list[File] = field(default_factory=list)


@dataclass(frozen=True)
class Copied:
    """A file at a destination."""

    uri: str
    size_bytes: int
    sha256: str


class Library:
    """A library of finished videos."""

    def __init__(self, folder: Folder, log: Any) -> None:
        self.folder = folder
        self._log = log

    def look_up(self, names: Collection[str]) -> Found:
        """Return what the library has of requests: one listing of each folder that may hold some.

        :raises StarVideosStorageError: the store can't be asked
        """
        wanted: dict[str, set[str]] = defaultdict(set)
        for name in names:
            wanted[folder_of(name)].add(name)
        found = Found()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="starvideos-library") as pool:
            for one in pool.map(self._look_in, wanted, wanted.values()):
                found.entries |= one.entries
                found.damaged |= one.damaged
        return found

    def folders(self) -> Iterator[Found]:
        """Yield all that is in the library, a folder at a time.

        :raises StarVideosStorageError: the store can't be asked
        """
        for part in FOLDERS:
            yield self._look_in(part, None)

    def find(self, name: str) -> Entry | None:
        """Return one entry, if it is there and whole.

        :raises StarVideosStorageError: the store can't be asked
        """
        entry = self._document(name)
        return entry if entry and self.folder.size(entry.file) == entry.size_bytes else None

    def _document(self, name: str) -> Entry | None:
        data = self.folder.read(document_of(name))
        with suppress(DamagedEntryError):
            return Entry.from_json(data, name) if data is not None else None
        return None

    def add(self, entry: Entry) -> None:
        """Write an entry's document, in place of an earlier one of its name. Its video must be in its place, whole.

        :raises StarVideosDownloadError: it can't be written
        """
        self.folder.write(document_of(entry.name), entry.to_json())

    def discard(self, entry: Entry) -> None:
        """Delete the document of an entry whose video isn't what it says, unless it was replaced meanwhile.

        :raises StarVideosStorageError: it can't be deleted
        """
        there = self._document(entry.name)
        if there and there.video_id == entry.video_id:
            self.folder.delete(document_of(entry.name))

    def uri_of(self, entry: Entry) -> str:
        """Return the URI of an entry's video."""
        return f"{self.folder.uri}{entry.file}"

    def copy(self, entry: Entry, to: Destination, *, if_exists: str) -> Copied:
        """Copy an entry's video to a destination: whole, or not at all.

        :param if_exists: ``overwrite``, ``skip`` or ``error``
        :raises DamagedEntryError: the video is gone, or isn't the one of its document
        :raises StarVideosExistsError: there is another file, and it must stay
        :raises StarVideosDownloadError: it can't be written
        """
        copied = Copied(to.uri, entry.size_bytes, entry.sha256)
        if if_exists != "overwrite" and to.exists():
            if to.holds(entry.size_bytes, entry.sha256):
                return copied
            if if_exists == "error":
                raise to.taken()
            return Copied(to.uri, *to.measured())
        # The store itself must refuse to replace a file, which a copy on its side doesn't.
        if if_exists == "error" or not self.folder.copy(entry.file, to):
            self._stream(entry, to, overwrite=if_exists != "error")
        return copied

    def _stream(self, entry: Entry, to: Destination, *, overwrite: bool) -> None:
        to.refuse_folder()
        with to.workspace() as part:
            digest = hashlib.sha256()
            try:
                with part.open("wb") as file:
                    for chunk in self.folder.place(entry.file).chunks():
                        digest.update(chunk)
                        file.write(chunk)
            except StarVideosDownloadError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    raise DamagedEntryError(f"{self.uri_of(entry)} is gone") from error
                raise
            if digest.hexdigest() != entry.sha256:
                raise DamagedEntryError(f"{self.uri_of(entry)} isn't the video of its document")
            to.put(part, content_type=CONTENT_TYPE, overwrite=overwrite)

    def _look_in(self, part: str, wanted: set[str] | None) -> Found:
        documents: dict[str, File] = {}
        videos: dict[str, File] = {}
        listed = index.Listed()
        for file in self.folder.files(part, wanted or (), listed.skipped):
            name = file.name[:40]
            is_wanted = name in wanted if wanted is not None else bool(NAME.fullmatch(name))
            if file.name[40:] == ".json":
                listed.add(name, file.stamp)
                if is_wanted:
                    documents[name] = file
            elif is_wanted and file.name.endswith(".mp4"):
                videos[f"{part}/{file.name}"] = replace(file, name=f"{part}/{file.name}")
        found = Found()
        unreadable = set(documents)  # perhaps of a later version: their videos belong to it
        for name, data in self._read(part, documents, listed).items():
            try:
                entry = Entry.from_json(data, name)
            except DamagedEntryError as error:
                found.damaged[name] = f"its document {document_of(name)} is broken: {error}"
                continue
            unreadable.discard(name)
            video = videos.pop(entry.file, None)
            if video is None:
                found.damaged[name] = f"its video {entry.file} is missing"
            elif video.size != entry.size_bytes:
                found.damaged[name] = f"its video {entry.file} has {video.size} bytes, and not {entry.size_bytes}"
            else:
                found.entries[name] = entry
        found.loose += (one for one in videos.values() if one.name.partition("/")[2][:40] not in unreadable)
        return found

    def _read(self, part: str, documents: Mapping[str, File], listed: index.Listed) -> dict[str, bytes]:
        """Return documents, from the index where it has them."""
        indexed = len(documents) > INDEX_FROM and not self.folder.is_local
        found = index.read(self.folder, part, {name: one.stamp for name, one in documents.items()}) if indexed else {}
        missing = {}
        for name, file in documents.items():
            if name in found:
                continue
            data = self.folder.read(document_of(name)) if file.size <= MAX_BYTES else b"it is too large"
            if data is not None:
                missing[name] = data
        if indexed and len(missing) > index.MAY_BE_MISSING:
            self._write_index(part, {name: (documents[name].stamp, one) for name, one in missing.items()}, listed)
        return found | missing

    def _write_index(self, part: str, new: Mapping[str, tuple[str, bytes]], listed: index.Listed) -> None:
        whole = {}
        for name, (stamp, data) in new.items():
            try:
                Entry.from_json(data, name)
            except DamagedEntryError:
                continue
            whole[name] = (stamp, data)
        try:
            index.write(self.folder, part, whole, listed)
        except StarVideosError as error:
            self._log.info("The library's index %s can't be written; lookups take longer: %s", part, error)
