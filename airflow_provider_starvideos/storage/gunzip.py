"""A result that is compressed with gzip, which nothing asks for. Decides how it is decoded, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MAGIC = b"\x1f\x8b"
WINDOW_BITS = 31  # for zlib: gzip's own header and checksum
PIECE_BYTES = 512 * 1024


class Gunzip:
    """Decodes gzip in pieces of bounded size."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(WINDOW_BITS)
        self.problem = "its gzip coding is cut off"

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the content of the next bytes. Nothing, once the coding is broken or has ended."""
        piece = b""
        while (chunk or len(piece) == PIECE_BYTES) and not self._zlib.eof:  # a full piece may not be all of it
            try:
                piece = self._zlib.decompress(chunk, PIECE_BYTES)
            except zlib.error:
                self.problem = "its gzip coding is broken"
                return
            if self._zlib.eof:
                self.problem = ""
            chunk = self._zlib.unconsumed_tail
            yield piece
