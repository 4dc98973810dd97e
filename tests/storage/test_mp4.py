"""Mp4Check: whole files pass, however they are cut into chunks; anything less doesn't."""

from __future__ import annotations

import random
import struct

import pytest

from airflow_provider_starvideos.api.mp4 import Mp4Check

FTYP = struct.pack(">I4s4s", 12, b"ftyp", b"isom")
MOOV = struct.pack(">I4s5s", 13, b"moov", b"index")
MDAT = struct.pack(">I4s7s", 15, b"mdat", b"picture")
LARGE_MDAT = struct.pack(">I4sQ3s", 1, b"mdat", 19, b"pic")
FREE = struct.pack(">I4s", 8, b"free")
ENDLESS_MDAT = struct.pack(">I4s9s", 0, b"mdat", b"to the end")

WHOLE = {
    "plain": FTYP + MOOV + MDAT,
    "index last": FTYP + MDAT + MOOV,
    "64-bit length": FTYP + MOOV + LARGE_MDAT + FREE,
    "to the end": FTYP + MOOV + ENDLESS_MDAT,
    "more boxes": FTYP + FREE + MOOV + MDAT + MDAT + FREE,
}


def check(data: bytes, step: int) -> str:
    """Feed a file in steps, and return what is wrong with it."""
    follower = Mp4Check()
    for start in range(0, len(data), step):
        if not follower.feed(data[start : start + step]):
            break
    return follower.finish()


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_pass_in_chunks_of_every_size(name: str) -> None:
    """Where a chunk ends is of no account: in the middle of a length, of a type, of a box."""
    data = WHOLE[name]
    assert {check(data, step) for step in range(1, len(data) + 2)} == {""}


@pytest.mark.parametrize("name", ["plain", "index last", "64-bit length", "more boxes"])
def test_files_cut_at_any_byte_are_refused(name: str) -> None:
    """A file that ends early isn't whole, wherever it ends; but for boxes of no account at its end."""
    data = WHOLE[name]
    needed = len(data.removesuffix(FREE))
    needed -= len(MDAT) if name == "more boxes" else 0
    for end in range(len(data)):
        problem = check(data[:end], 5)
        at_a_seam = end >= needed and (len(data) - end) in (8, 8 + len(MDAT))
        assert bool(problem) != at_a_seam, (end, problem)


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html>please sign in</html>",
        b'{"error": "expired"}',
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(64),
        b"\0\0\0\1html" + bytes(100),
        struct.pack(">I4s", 7, b"ftyp"),
        struct.pack(">I4sQ", 1, b"ftyp", 15),
        MOOV + FTYP + MDAT,
    ],
)
def test_other_things_are_refused_as_soon_as_it_shows(data: bytes) -> None:
    """Junk is told from the first bytes on, not after a gigabyte of it."""
    follower = Mp4Check()
    assert not follower.feed(data + bytes(1000))
    assert follower.problem
    assert follower.finish() == follower.problem


@pytest.mark.parametrize(("data", "missing"), [(FTYP + MDAT, "moov"), (FTYP + MOOV, "mdat"), (b"", "ftyp")])
def test_the_parts_that_a_video_needs(data: bytes, missing: str) -> None:
    """A row of boxes without an index or without pictures is no video; nothing is none either."""
    assert missing in check(data, 100)


def test_random_junk_never_upsets_it() -> None:
    """Whatever bytes come: an answer, no exception, and little memory."""
    chance = random.Random(4)
    for _ in range(2000):
        follower = Mp4Check()
        follower.feed(FTYP)
        for _ in range(5):
            if not follower.feed(chance.randbytes(chance.randrange(40))):
                break
        follower.finish()


def test_what_one_file_may_cost_is_bounded() -> None:
    """A fragmented file of thousands of boxes is fine; gigabytes of empty boxes are given up soon."""
    follower = Mp4Check()
    assert follower.feed(FTYP + FREE * 50_000 + MOOV + MDAT)
    assert follower.finish() == ""
    assert not follower.feed(FREE * 60_000)
    assert "more than 100000 boxes" in follower.finish()
