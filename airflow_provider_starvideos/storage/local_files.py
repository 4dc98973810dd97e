"""Files on this machine. Decides how one gets its name: written under a hidden name in its folder, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, SUFFIX = ".starvideos-", ".part"
LEFTOVER_SECONDS = 24 * 3600.0  # a transfer ends within hours; an older part is from a killed process
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
PRIVATE, SHARED = 0o600, 0o666


@contextmanager
def part_in(folder: Path, *, mode: int) -> Iterator[Path]:
    """Give a new, empty file to write to. It is deleted afterwards, except where it was renamed.

    :param folder: where; created if it isn't there
    :param mode: its permissions, before the process's umask
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


def rename(part: Path, path: Path, *, overwrite: bool) -> None:
    """Give a written file its name. Also after a power cut it is whole or not there.

    :param overwrite: replace a file that is there
    :raises FileExistsError: there is one, and it must stay
    """
    with part.open("rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        part.replace(path)
    else:
        _rename_new(part, path)
    with suppress(OSError):  # some network disks can't do it for folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _rename_new(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)  # unlike a rename, it fails if there is a file
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "there is a file", str(path)) from error
        part.replace(path)


def _sweep(folder: Path) -> None:
    """Remove old parts of killed processes."""
    for old in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            if time.time() - old.lstat().st_mtime > LEFTOVER_SECONDS:
                old.unlink()
