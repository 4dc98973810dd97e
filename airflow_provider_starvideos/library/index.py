"""Copies of the documents of a store's library, many in one file: a look-up reads them with a few requests.

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
MAY_BE_MISSING = (
    8  # documents of one folder that are read one by one at each look-up, before its index is written again
)


def read(folder: Folder, part: str, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """Return the documents that an index has.

    :param part: its digit
    :param wanted: names, with the stamps of their documents
    """
    return {name: document for name, stamp, document in _lines(folder, part) if stamp and wanted.get(name) == stamp}


def write(folder: Folder, part: str, stamps: Mapping[str, str], new: Mapping[str, bytes], skipped: Ranges) -> None:
    """Write an index again, with what may still be true of the one before.

    :param part: its digit
    :param stamps: of all documents that were listed, by name; without a blank
    :param new: documents that were read, by name
    :param skipped: between which names nothing was listed, both exclusive
    """
    lines = [_line(name, stamps[name], _one_line(document)) for name, document in new.items()]
    for name, stamp, document in _lines(folder, part):
        is_there = stamps[name] == stamp if name in stamps else _lies_in(skipped, name)
        if is_there and name not in new:
            lines.append(_line(name, stamp, document))
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


def _lies_in(ranges: Ranges, name: str) -> bool:
    return any(after < f"{name}.json" < before for after, before in ranges)


def _line(name: str, stamp: str, document: bytes) -> bytes:
    return f"{name} {stamp} ".encode() + document + b"\n"


def _one_line(document: bytes) -> bytes:
    return json.dumps(json.loads(document), separators=(",", ":")).encode()
