"""Decides whether a stream of bytes is a whole MP4 or QuickTime file, in constant memory, while the bytes pass.

Such a file is a row of boxes, each with its length and type in front (ISO/IEC 14496-12, section 4.2). It is whole if no
box is cut off, and if the index (``moov``) and the media of the index are there. Boxes may be in any order. Bytes after
the last box are no reason to refuse a video that was paid for.
"""

from __future__ import annotations

import sys
from array import array

CONTENT_TYPE = "video/mp4"
HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16
TABLE_HEADER_BYTES = 8  # version, flags and the number of entries, before the entries of a chunk offset table
BEGINNING_BYTES = 400  # of the file, for messages
MAX_BOXES = 100_000  # a fragmented hour has some thousands; gigabytes of empty boxes are an attack
# A file begins with one of these. The text of an HTML page, read as a box, has another type.
KNOWN_BOXES = frozenset(
    (
        *("ftyp", "moov", "mdat", "moof", "mfra", "imda", "free", "skip", "wide", "uuid", "styp", "sidx", "ssix"),
        *("meta", "meco", "udta", "emsg", "prft", "pdin", "bloc", "pnot", "PICT"),
    )
)
# The path through the index to the tables of chunk offsets: which box is read inside which.
INDEX = {"moov": "trak", "trak": "mdia", "mdia": "minf", "minf": "stbl", "stbl": ""}
OFFSET_TABLES = {"stco": "I", "co64": "Q"}  # type -> array type of an entry
MEDIA = ("mdat", "imda")
NOTED = frozenset(("ftyp", "moov", "moof", "mfra", "mvhd", "mvex", *MEDIA))


class Mp4Check:
    """Follows the row of boxes. Feed it the file's bytes in order, from the first one."""

    def __init__(self) -> None:
        self.size = 0
        self.problem = ""
        self.beginning = b""
        self._seen: set[str] = set()
        self._boxes = 0
        self._fragment_is_open = False  # a moof came, and not yet its media
        self._header = b""
        self._open: list[tuple[str, int]] = []  # boxes around the current position: type, and offset of the end
        self._skip_to = 0
        self._table: _OffsetTable | None = None
        self._last_chunk = -1
        self._to_the_end = ""
        self._rest_from: int | None = None

    def feed(self, chunk: bytes) -> bool:
        """Check the next bytes, any number of them. Return False once the file can't be whole (see ``problem``)."""
        at, end = self.size, self.size + len(chunk)
        if at < BEGINNING_BYTES:
            self.beginning += chunk[: BEGINNING_BYTES - at]
        view = memoryview(chunk)
        while at < end and not self.problem and not self._to_the_end and self._rest_from is None:
            if at < self._skip_to:
                stop = min(end, self._skip_to)
                if self._table:
                    self._table.feed(view[at - self.size : stop - self.size])
                at = stop
            else:
                at += self._read_header(bytes(view[at - self.size : at - self.size + HEADER_BYTES]), at)
        self.size = end
        return not self.problem

    @property
    def is_open_ended(self) -> bool:
        """Nothing in the file says where it ends: the last box has no length, or another fragment may follow."""
        fragmented = "moof" in self._seen and "mfra" not in self._seen
        return self._to_the_end in KNOWN_BOXES or fragmented

    def finish(self) -> str:
        """Return what is wrong with the bytes as a whole file, or an empty text."""
        if self.problem:
            return self.problem
        if not self.size:
            return "it is empty"
        self._leave(self.size)
        if self._header and self._has_all(self.size):
            self._rest_from = self.size - len(self._header)
        elif self._header:
            return "it ends in the middle of a box's header"
        if self._open and (self._open[0][0] in KNOWN_BOXES or not self._has_all(self.size)):
            return f"it ends in the middle of its {self._open[0][0]!r} box"
        missing = self._missing()
        if missing:
            return f"it has no {' and no '.join(missing)} box"
        if self._last_chunk >= self.size:
            return f"its index names media at byte {self._last_chunk}, and it ends at byte {self.size}"
        return ""

    def remarks(self) -> list[str]:
        """Return what is odd about a whole file, for a warning. Call it after ``finish``."""
        found = []
        if self._rest_from is not None:
            found.append(f"data after its last box, from byte {self._rest_from} on")
        if self._open:
            found.append(f"data after its last box, which begin with {self._open[0][0]!r}")
        if "ftyp" not in self._seen:
            found.append("no 'ftyp' box, as in old QuickTime files")
        return found

    def _missing(self) -> list[str]:
        # Without a type, only a readable index proves that this is QuickTime and not another format with boxes.
        typed = "ftyp" in self._seen or "mvhd" in self._seen
        fragments = "moof" in self._seen or "mvex" not in self._seen or self._last_chunk >= 0
        media = not self._seen.isdisjoint(MEDIA) and not self._fragment_is_open
        have = {"ftyp": typed, "moov": "moov" in self._seen, "moof": fragments, "mdat": media}
        return [name for name, there in have.items() if not there]

    def _has_all(self, size: int) -> bool:
        """Return whether all that makes a whole file lies before that offset."""
        return not self._missing() and self._last_chunk < size

    def _read_header(self, data: bytes, at: int) -> int:
        """Read on in a box's header; return how many bytes were taken."""
        if not self._header:
            self._leave(at)
            if self._open and self._open[-1][1] - at < HEADER_BYTES:  # QuickTime ends some lists with four zeros
                self._skip_to = self._open[-1][1]
                return 0
        is_large = self._header[:4] == b"\0\0\0\1" and not self._open
        wanted = LARGE_HEADER_BYTES if is_large and len(self._header) >= HEADER_BYTES else HEADER_BYTES
        taken = data[: wanted - len(self._header)]
        self._header += taken
        end = at + len(taken)
        kind = self._header[4:HEADER_BYTES].decode("latin-1")
        if kind and not self._boxes and not any(first.startswith(kind) for first in KNOWN_BOXES):
            self.problem = "it doesn't begin as an MP4 does"
        elif len(self._header) == wanted and (wanted > HEADER_BYTES or self._open or self._header[:4] != b"\0\0\0\1"):
            begin = end - wanted
            size = int.from_bytes(self._header[:4] if wanted == HEADER_BYTES else self._header[HEADER_BYTES:])
            self._header = b""
            self._boxes += 1
            if self._boxes > MAX_BOXES:
                self.problem = f"it has more than {MAX_BOXES} boxes"
            elif self._open:
                self._enter_index(kind, begin, end, size)
            else:
                self._enter(kind, begin, end, size)
        return len(taken)

    def _leave(self, at: int) -> None:
        """Close the boxes that end here or before."""
        if self._table:
            self._last_chunk = max(self._last_chunk, self._table.highest)
            self._table = None
        while self._open and self._open[-1][1] <= at:
            self._open.pop()

    def _enter(self, kind: str, begin: int, end: int, size: int) -> None:
        """Begin with a box of the file."""
        is_box = size >= end - begin and kind.isprintable()
        if not is_box and kind not in KNOWN_BOXES and self._has_all(begin):
            self._rest_from = begin  # a line feed, padding, a checksum: the video is complete without
        elif size == 0:
            self._note(kind)
            self._to_the_end = kind
        elif size < end - begin:
            self.problem = f"its {kind!r} box claims a length of {size} bytes"
        else:
            self._note(kind)
            self._open = [(kind, begin + size)]
            self._skip_to = end if kind in INDEX else begin + size

    def _enter_index(self, kind: str, begin: int, end: int, size: int) -> None:
        """Begin with a box of the index. An index that can't be read is skipped: its offsets aren't known."""
        outer, outer_end = self._open[-1]
        if size < end - begin or begin + size > outer_end:
            self._skip_to = self._open[0][1]
            return
        self._note(kind)
        self._skip_to = begin + size
        if kind == INDEX[outer]:
            self._open.append((kind, begin + size))
            self._skip_to = end
        elif kind in OFFSET_TABLES and outer == "stbl":
            self._table = _OffsetTable(OFFSET_TABLES[kind])

    def _note(self, kind: str) -> None:
        if kind in NOTED:
            self._seen.add(kind)
            self._fragment_is_open = kind == "moof" or (self._fragment_is_open and kind not in MEDIA)


class _OffsetTable:
    """The chunk offsets of one track: keeps the highest of them, and less than one entry of bytes."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._skip = TABLE_HEADER_BYTES
        self._held = b""
        self.highest = -1

    def feed(self, data: memoryview) -> None:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        held = self._held + bytes(data[skipped:])
        entries = array(self._code)
        whole = len(held) - len(held) % entries.itemsize
        entries.frombytes(held[:whole])
        self._held = held[whole:]
        if sys.byteorder == "little":
            entries.byteswap()
        self.highest = max(self.highest, max(entries, default=-1))
