"""Putting a checked file where it belongs, so that it is there whole or not at all.

On a local disk it is written beside its place under a hidden name, and renamed. Object stores show an object only when
it is complete, so there it is uploaded in one go.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosDownloadError,
    StarVideosExistsError,
    StarVideosValidationError,
)


class Destination:
    """Where a video goes.

    :param destination: a path or a storage URI; one that ends in ``/`` is a folder, for ``<video_id>.mp4``
    :param video_id: the API's id, checked before
    :param conn_id: Airflow connection of the storage, or None
    """

    def __init__(self, destination: str, video_id: str, conn_id: str | None = None) -> None:
        if not isinstance(destination, str) or not destination.strip():
            raise _unusable("must be a path or a storage URI", destination)
        text = destination.strip()
        text = text if "://" in text else f"file://{Path(text).absolute()}{'/' if text.endswith('/') else ''}"
        try:
            path = ObjectStoragePath(text + f"{video_id}.mp4" if text.endswith("/") else text, conn_id=conn_id)
            self._fs: Any = path.fs
        except (ValueError, ImportError) as error:
            rule = f"must be in a storage that this Airflow has the provider of ({error})"
            raise _unusable(rule, destination) from error
        self.path = path
        self.uri = str(path)

    @property
    def is_local(self) -> bool:
        """It is on this machine's disk."""
        return self.path.protocol in ("file", "local", "")

    def exists(self) -> bool:
        """There is a file."""
        return bool(self._fs.exists(self.path.path))

    def size(self) -> int:
        """Return the size of the file that is there, in bytes."""
        return int(self._fs.size(self.path.path))

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a local file to write the video to; it is gone afterwards, unless it was put in its place."""
        folder = Path(self.path.path).parent if self.is_local else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".starvideos-", suffix=".part", dir=folder)
        os.close(handle)
        part = Path(name)
        try:
            yield part
        finally:
            with suppress(FileNotFoundError):
                part.unlink()

    def put(self, part: Path, *, overwrite: bool) -> None:
        """Put a whole file in its place.

        :param part: from ``workspace``
        :param overwrite: take the place of a file that is there
        :raises StarVideosExistsError: there is one, and it must stay
        :raises StarVideosDownloadError: the storage refused it
        """
        if not overwrite and self.exists():
            raise StarVideosExistsError(f'destination: there is a file already, and if_exists="error" (got {self.uri})')
        try:
            if self.is_local:
                self._rename(part, Path(self.path.path))
            else:
                self._fs.put_file(str(part), self.path.path)
        except Exception as error:
            raise StarVideosDownloadError(
                f"The video can't be put to {self.uri}: {type(error).__name__}: {error}"
            ) from error

    def _rename(self, part: Path, place: Path) -> None:
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)  # mkstemp made it private; the folder's owner decides
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(place)


def _unusable(rule: str, destination: object) -> StarVideosValidationError:
    return StarVideosValidationError([Problem("destination", rule, shown(destination))])
