"""Copies of the documents of a store's library, many in one file: a lookup reads them with a few requests.

It is a cache, ``index/<digit>.gz``. A line counts only while the listing gives the same stamp of the document. So it
may be old, damaged or deleted: documents that it doesn't have are read one by one.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.listing import Ranges

INDEX = "index"
MAY_BE_MISSING = 8  # documents of one folder that are read one by one at each lookup, before its index is written again


class Listed:
    """Which documents a listing has shown. A number is kept of each: a folder may have very many."""

    def __init__(self) -> None:
        self._documents: set[int] = set()
        self.skipped: Ranges = []

    def add(self, name: str, stamp: str) -> None:
        """Note a document."""
        self._documents.add(hash((name, stamp)))

    def allows(self, name: str, stamp: str) -> bool:
        """Return whether a document may be there, with this stamp."""
        file = f"{name}.json"
        return hash((name, stamp)) in self._documents or any(after < file < before for after, before in self.skipped)


def read(folder: Folder, part: str, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """Return the documents that an index has.

    :param part: its digit
    :param wanted: names, with the stamps of their documents; without a blank
    """
    return {name: document for name, stamp, document in _lines(folder, part) if stamp and wanted.get(name) == stamp}


def write(folder: Folder, part: str, new: Mapping[str, tuple[str, bytes]], listed: Listed) -> None:
    """Write an index again, with what may still be true of the one before.

    :param part: its digit
    :param new: stamps and documents that were read, by name
    :param listed: what was listed
    """
    lines = [_line(name, stamp, _one_line(document)) for name, (stamp, document) in new.items()]
    lines += (_line(*one) for one in _lines(folder, part) if one[0] not in new and listed.allows(one[0], one[1]))
    folder.write(f"{INDEX}/{part}.gz", gzip.compress(b"".join(lines), compresslevel=3))


def _lines(folder: Folder, part: str) -> Iterator[tuple[str, str, bytes]]:
    data = b""
    with suppress(StarVideosError):
        data = folder.read(f"{INDEX}/{part}.gz") or b""
    # None, or a damaged one: it is only a cache. Line by line: unpacked, it is many times as large.
    with suppress(OSError, EOFError, zlib.error), gzip.open(io.BytesIO(data)) as file:
        for line in file:
            name, _, rest = line.rstrip(b"\n").partition(b" ")
            stamp, _, document = rest.partition(b" ")
            yield name.decode(errors="replace"), stamp.decode(errors="replace"), document


def _line(name: str, stamp: str, document: bytes) -> bytes:
    return f"{name} {stamp} ".encode() + document + b"\n"


def _one_line(document: bytes) -> bytes:
    return json.dumps(json.loads(document), separators=(",", ":")).encode()
