"""Files on disk, the least recently used of them removed when they get too many."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from pathlib import Path


class TemporaryFolder:
    """A folder that is made when it is first needed, and removed with the emulator or the process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._remove: weakref.finalize[[str, int], TemporaryFolder] | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        with self._lock:
            if self._path is None:
                self._path = Path(tempfile.mkdtemp(prefix="starvideos-emulator-"))
                self._remove = weakref.finalize(self, _remove_tree, str(self._path), os.getpid())
            return self._path

    def close(self) -> None:
        """Remove it."""
        with self._lock:
            if self._remove is not None:
                self._remove()
            self._path = None


def _remove_tree(path: str, owner: int) -> None:
    # A process that was forked off takes the finalizer along, but not the folder.
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


class DiskCache:
    """Keeps byte strings by key in a folder, up to a total size. Thread-safe.

    :param folder: where.
    :param name: of its own folder in there.
    :param most: how much to keep, bytes. The newest is kept even if it alone is larger.
    """

    def __init__(self, folder: TemporaryFolder, name: str, most: int) -> None:
        self._parent = folder
        self._name = name
        self._most = most
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def _folder(self) -> Path:
        return self._parent.path / self._name

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, or None if that is gone."""
        with self._lock:
            if key not in self._sizes:
                return None
            self._sizes.move_to_end(key)
            return (self._folder / key).read_bytes()

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key, a plain file name."""
        with self._lock:
            self._folder.mkdir(exist_ok=True)
            (self._folder / key).write_bytes(data)
            self._sizes[key] = len(data)
            self._sizes.move_to_end(key)
            while sum(self._sizes.values()) > self._most and len(self._sizes) > 1:
                oldest, _ = self._sizes.popitem(last=False)
                (self._folder / oldest).unlink()

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            for key in self._sizes:
                (self._folder / key).unlink()
            self._sizes.clear()
