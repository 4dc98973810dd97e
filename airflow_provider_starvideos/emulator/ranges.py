"""Reading a ``Range`` header: one range of bytes, as RFC 9110 has it."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\s*", re.ASCII)


class UnsatisfiableError(Exception):
    """A range lies outside the file."""


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a ``Range`` header.

    :param header: its value, or None.
    :param size: the file's size, bytes.
    :returns: (start, stop), stop not included; None for the whole file. A header that makes no sense, or asks for
        several ranges, is ignored, as the RFC allows.
    :raises UnsatisfiableError: it lies outside the file.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise UnsatisfiableError
    return start, stop
