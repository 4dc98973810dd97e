"""Which files the api-server may read.

Users may edit XComs, if their role says so. So a file is read from a store only if its URI is at the task's rendered
``destination``, and from a disk only in folders that the administrator has allowed, never through a symbolic link.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from airflow.configuration import conf

from airflow_provider_starvideos.exceptions import StarVideosValidationError
from airflow_provider_starvideos.locations import located

SECTION, OPTION = "starvideos", "media_folders"


class NotAllowedError(Exception):
    """The file may not be read here; the message says why, and names no path."""


def media_folders() -> list[Path]:
    """Return the folders whose files the api-server may show: the setting ``[starvideos] media_folders``."""
    text = conf.get(SECTION, OPTION, fallback="") or ""
    folders = [Path(part.strip()) for part in re.split(r"[,\n]", text) if part.strip()]
    return [folder for folder in folders if folder.is_absolute()]


def local_path(uri: str) -> Path | None:
    """Return the path of a file on a disk, unresolved; None for one in a store."""
    scheme, separator, rest = uri.partition("://")
    if separator and scheme.lower() not in ("file", "local"):
        return None
    return Path(rest if separator else uri)


def is_allowed(path: Path) -> bool:
    """Return whether a file lies, by its name, in an allowed folder."""
    return _split(path) is not None


@contextmanager
def open_allowed(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file in an allowed folder.

    :raises NotAllowedError: it isn't in one, or there is a symbolic link below the folder
    :raises FileNotFoundError: it isn't there
    """
    found = _split(path)
    if found is None:
        raise NotAllowedError(f"no folder of [{SECTION}] {OPTION} holds it")
    try:
        descriptor = _walk(*found)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotAllowedError("it can't be opened, or is reached through a symbolic link") from error
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _walk(folder: Path, parts: tuple[str, ...]) -> int:
    """Open a regular file folder by folder, so that no symbolic link is followed, also not one made at this moment."""
    with ExitStack() as opened:

        def keep(descriptor: int) -> int:
            opened.callback(os.close, descriptor)
            return descriptor

        step = keep(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in parts:
            step = keep(os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=step))
        if not stat.S_ISREG(os.fstat(step).st_mode):
            raise NotAllowedError("it is no regular file")
        return os.dup(step)


def _split(path: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Return the allowed folder and the steps from there to the file."""
    if not path.is_absolute() or ".." in path.parts or "\0" in str(path):
        return None
    for folder in media_folders():
        # The setting may name the folder by a symbolic link; below the folder, nothing is resolved.
        for start in (folder, Path(os.path.realpath(folder))):
            with suppress(ValueError):
                parts = path.relative_to(start).parts
                return (folder, parts) if parts else None
    return None


def belongs(uri: str, destination: Any, video_id: str | None) -> bool:
    """Return whether a file is at its task's destination.

    :param uri: as the task has pushed it
    :param destination: the task's, rendered: a file, or a folder with a slash at its end
    :param video_id: names the file in a folder; None: any file of the folder
    """
    try:
        pushed, wanted = _normal(uri), _normal(located(destination))
    except StarVideosValidationError:
        return False
    if not wanted.endswith("/"):
        return pushed == wanted
    if video_id is not None:
        return pushed == f"{wanted}{video_id}.mp4"
    return pushed.startswith(wanted) and ".." not in pushed.removeprefix(wanted).split("/")


def _normal(uri: str) -> str:
    path = local_path(uri)
    if path is None:
        return uri
    slash = "/" if uri.endswith("/") else ""
    return f"file://{os.path.abspath(path)}{slash}"  # noqa: PTH100  as the task does it; nothing is resolved
