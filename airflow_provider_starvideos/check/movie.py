"""What an MP4 says of itself: its length, and the size of its picture (ISO/IEC 14496-12, 8.2.2 and 8.3.2)."""

from __future__ import annotations


def seconds_of(data: bytes) -> float | None:
    """Return an MP4's length from its movie header; None if there is none."""
    at = data.find(b"mvhd") + 4
    if at < 4 or len(data) < at + 32:
        return None
    scale, length = (at + 20, 8) if data[at] == 1 else (at + 12, 4)
    per_second = int.from_bytes(data[scale : scale + 4], "big")
    return int.from_bytes(data[scale + 4 : scale + 4 + length], "big") / per_second if per_second else None


def picture_of(data: bytes) -> tuple[int, int] | None:
    """Return an MP4's width and height from the header of its first track with a picture; None if there is none."""
    at = data.find(b"tkhd")
    while at >= 4:
        end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
        # The last two fields: fixed-point numbers, 16 bits before the point and 16 after it.
        width, height = (int.from_bytes(data[end - left : end - left + 2], "big") for left in (8, 4))
        if width and height and end <= len(data):
            return width, height
        at = data.find(b"tkhd", at + 4)
    return None
