"""Files on this machine: written beside their place under a hidden name, then put there in one step."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, SUFFIX = ".starvideos-", ".part"
LEFTOVER_SECONDS = 24 * 3600.0
"""A transfer ends within hours, so an older part is what a killed process left behind."""
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
PRIVATE, SHARED = 0o600, 0o666


@contextmanager
def part_in(folder: Path, *, mode: int) -> Iterator[Path]:
    """Give a new, empty file to write to; it is gone afterwards, unless it was put in its place.

    :param folder: where; made if it isn't there
    :param mode: its permissions, from which the process's umask takes away
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    part = folder / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode))
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink()


def put_in_place(part: Path, place: Path, *, overwrite: bool) -> None:
    """Give a written file its name, for good: also a power cut leaves it whole or not there.

    :param overwrite: take the place of a file that is there
    :raises FileExistsError: there is one, and it must stay
    """
    with part.open("rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        part.replace(place)
    else:
        _rename_new(part, place)
    with suppress(OSError):  # some network disks don't know it for folders
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _rename_new(part: Path, place: Path) -> None:
    try:
        place.hardlink_to(part)  # unlike a rename, it fails where something is
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if place.exists():
            raise FileExistsError(errno.EEXIST, "there is a file", str(place)) from error
        part.replace(place)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left here long ago."""
    for old in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            if time.time() - old.lstat().st_mtime > LEFTOVER_SECONDS:
                old.unlink()
