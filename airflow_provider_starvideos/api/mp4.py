"""Is a stream of bytes a whole MP4? Read as it passes, in constant memory.

An MP4 is a row of boxes, each with its length and type in front (ISO/IEC 14496-12, section 4.2). A file that is cut, or
that is something else with a video's name, doesn't add up.
"""

from __future__ import annotations

import struct

HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16
REQUIRED_BOXES = ("ftyp", "moov", "mdat")
MAX_BOXES = 100_000
"""A fragmented hour has some thousands; gigabytes of empty boxes are an attempt to keep somebody busy."""


class Mp4Check:
    """Follows the row of boxes. Feed it the file's bytes in order, from the first one on."""

    def __init__(self) -> None:
        self.size = 0
        self.problem = ""
        self._missing = list(REQUIRED_BOXES)
        self._boxes = 0
        self._current = "first"
        self._header = b""
        self._left = 0
        self._to_the_end = False

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes.

        :return: False once they can't become an MP4 any more; ``problem`` says why
        """
        self.size += len(chunk)
        position = 0
        while position < len(chunk) and not self.problem and not self._to_the_end:
            if self._left:
                step = min(self._left, len(chunk) - position)
                self._left -= step
            else:
                step = self._take_header(chunk, position)
            position += step
        return not self.problem

    @property
    def is_open_ended(self) -> bool:
        """Its last box has no length: it goes on to the end of the file, wherever that is."""
        return self._to_the_end

    def finish(self) -> str:
        """Return what is wrong with the bytes as a whole file, or an empty text."""
        if self.problem:
            return self.problem
        if self._left or self._header:
            return f"it ends in the middle of its {self._current!r} box"
        return f"it has no {' and no '.join(self._missing)} box" if self._missing else ""

    def _take_header(self, chunk: bytes, position: int) -> int:
        wanted = LARGE_HEADER_BYTES if self._header[:4] == b"\0\0\0\1" else HEADER_BYTES
        step = min(wanted - len(self._header), len(chunk) - position)
        self._header += chunk[position : position + step]
        if len(self._header) == HEADER_BYTES and self._header[:4] == b"\0\0\0\1":
            self._check_type()
        elif len(self._header) == wanted:
            self._open_box()
        return step

    def _check_type(self) -> None:
        kind = self._header[4:HEADER_BYTES].decode("latin-1")
        if not self._boxes and kind != "ftyp":
            self.problem = f"it doesn't begin as an MP4 does, but with {self._header!r}"

    def _open_box(self) -> None:
        self._check_type()
        if self.problem:
            return
        (size,) = struct.unpack(">I", self._header[:4])
        length = len(self._header)
        if length == LARGE_HEADER_BYTES:
            (size,) = struct.unpack(">Q", self._header[HEADER_BYTES:])
        self._current = self._header[4:HEADER_BYTES].decode("latin-1")
        self._boxes += 1
        if self._current in self._missing:
            self._missing.remove(self._current)
        self._header = b""
        if self._boxes > MAX_BOXES:
            self.problem = f"it has more than {MAX_BOXES} boxes"
        elif size == 0:
            self._to_the_end = True
        elif size < length:
            self.problem = f"its {self._current!r} box claims a length of {size} bytes"
        else:
            self._left = size - length
