"""A SHA-256 that is computed beside the transfer, on another core: hashlib lets go of the interpreter meanwhile."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

BLOCK_BYTES = 1024 * 1024
"""What is handed over at once; smaller pieces would cost more to hand over than to hash."""


class Digest:
    """The digest of bytes that come in order. Holds two blocks at most; ``hexdigest`` ends its thread."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._block: list[bytes] = []
        self._held = 0
        self._pool = ThreadPoolExecutor(1, "starvideos-digest")
        self._running: Future[None] | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._block.append(chunk)
        self._held += len(chunk)
        if self._held >= BLOCK_BYTES:
            self._wait()
            self._running = self._pool.submit(self._hash, self._block)
            self._block, self._held = [], 0

    def hexdigest(self) -> str:
        """Return the digest of all bytes."""
        self._wait()
        self._hash(self._block)
        self._block, self._held = [], 0
        self.close()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()

    def _hash(self, block: list[bytes]) -> None:
        for chunk in block:
            self._sha256.update(chunk)
