"""Mp4Check: whole files pass, however they are cut into chunks; anything less doesn't."""

from __future__ import annotations

import random
import struct
import tracemalloc

import pytest

from airflow_provider_starvideos.api.mp4 import Mp4Check
from tests.storage.hosts import box, index

FTYP = struct.pack(">I4s4s", 12, b"ftyp", b"isom")
MOOV = struct.pack(">I4s5s", 13, b"moov", b"index")
MDAT = struct.pack(">I4s7s", 15, b"mdat", b"picture")
LARGE_MDAT = struct.pack(">I4sQ3s", 1, b"mdat", 19, b"pic")
FREE = struct.pack(">I4s", 8, b"free")
ENDLESS_MDAT = struct.pack(">I4s9s", 0, b"mdat", b"to the end")

ADDED = {"free", "skip", "wide", "styp", "uuid", "sidx", "pnot", "emsg", "prft", "meta", "PICT"}
BEHIND = (
    b"\n",
    b"\r\n\r\n",
    bytes(3),
    bytes(5000),
    b"\n" * 9,
    b"TAG" + b" " * 125,
    b"<!-- a CDN -->",
    b"\xff" * 20,
)

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
    """A file that ends early isn't whole, wherever it ends; except between boxes, or in the header of a spare one."""
    data = WHOLE[name]
    least = len(data.removesuffix(FREE)) - (len(MDAT) if name == "more boxes" else 0)
    for end in range(len(data)):
        spare = least <= end < least + 8 or least + len(MDAT) <= end
        assert bool(check(data[:end], 5)) != (name in ("64-bit length", "more boxes") and spare), end


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
        b"\x1aE\xdf\xa3\x01\x00\x00\x00webm" + bytes(100),
    ],
)
def test_other_things_are_refused_as_soon_as_it_shows(data: bytes) -> None:
    """Junk is recognized by the first bytes, not after a gigabyte of it."""
    follower = Mp4Check()
    assert not follower.feed(data + bytes(1000))
    assert follower.problem
    assert follower.finish() == follower.problem


@pytest.mark.parametrize(("data", "missing"), [(FTYP + MDAT, "moov"), (FTYP + MOOV, "mdat"), (MOOV + MDAT, "ftyp")])
def test_the_parts_that_a_video_needs(data: bytes, missing: str) -> None:
    """A row of boxes without an index, without media, or without anything that says what it is, is no video."""
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


# C7: what real muxers write, and what stores and CDNs add
MEDIA = box(b"mdat", b"m" * 1000)
FRAGMENTS = index(inside=box(b"mvex", box(b"trex", bytes(24)))) + (box(b"moof", b"f" * 30) + MEDIA) * 2
REAL = {
    "index first": FTYP + index(400, 900) + MEDIA,
    "index last": FTYP + MEDIA + index(20, 1000),
    "64-bit offsets": FTYP + MEDIA + index(20, large=True),
    "64-bit length": FTYP + struct.pack(">I4sQ", 1, b"mdat", 1016) + bytes(1000) + index(30),
    "length zero": FTYP + index(600) + struct.pack(">I4s", 0, b"mdat") + bytes(1000),
    "two tracks' ends": FTYP + MEDIA + index(20, inside=box(b"udta", bytes(4)) + bytes(4)),
    "fragments": FTYP + FRAGMENTS,
    "an index that can't be read": FTYP + box(b"moov", struct.pack(">I4s", 9999, b"trak") + bytes(50)) + MEDIA,
    "index, type, media": index(200) + FTYP + MEDIA,
    "QuickTime": box(b"wide") + MEDIA + index(20),
    **{f"{kind} in front": box(kind.encode(), b"x" * 20) + FTYP + MEDIA + index(60) for kind in sorted(ADDED)},
    **{f"{junk[:6]!r} behind": FTYP + MEDIA + index(20) + junk for junk in BEHIND},
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("step", [1, 3, 7, 8, 16, 4096])
def test_c7_whole_files_of_every_build_pass(name: str, step: int) -> None:
    """Any order, any brand, boxes in front of the type, data behind the last box."""
    follower = Mp4Check()
    data = REAL[name]
    for start in range(0, len(data), step):
        assert follower.feed(data[start : start + step])
    assert follower.finish() == ""
    assert bool(follower.remarks()) == (name == "QuickTime" or name.endswith("behind"))


@pytest.mark.parametrize("name", [name for name in REAL if not name.endswith(("behind", "read"))])
def test_c7_the_same_files_cut_anywhere_are_refused(name: str) -> None:
    """In the middle of a box, at its edge, with the media missing that the index names."""
    data = REAL[name]
    last = len(data) - len(box(b"moof", b"f" * 30) + MEDIA)
    only_the_host_can_tell = {"fragments": range(last, last + 8), "length zero": range(601, len(data))}.get(name, ())
    for end in range(len(data)):
        assert bool(check(data[:end], 64)) != (end in only_the_host_can_tell), end


@pytest.mark.parametrize("name", ["fragments", "length zero"])
def test_a_file_that_does_not_say_where_it_ends(name: str) -> None:
    """Only its host can, so the transfer must know."""
    follower = Mp4Check()
    follower.feed(REAL[name])
    assert follower.is_open_ended
    follower = Mp4Check()
    follower.feed(FTYP + FRAGMENTS + box(b"mfra", bytes(16)))
    assert not follower.is_open_ended


@pytest.mark.parametrize("kind", [b"stco", b"co64"])
def test_an_index_whose_media_is_elsewhere(kind: bytes) -> None:
    """A file cut at the edge of a box, or joined from two: the chunks lie after its end."""
    assert "its index names media at byte 5000" in check(FTYP + index(400, 5000, large=kind == b"co64") + MEDIA, 64)


def test_a_large_index_takes_no_memory() -> None:
    """Of millions of chunk offsets one number is kept."""
    moov = index(*range(300_000))
    follower = Mp4Check()
    tracemalloc.start()
    for start in range(0, len(moov), 4096):
        follower.feed(moov[start : start + 4096])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert follower.finish().startswith("it has no ")
    assert peak < 100_000
