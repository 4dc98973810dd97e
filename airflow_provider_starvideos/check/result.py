"""The assumptions about the file that a video's URL leads to; see ``order``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.order import FETCHED, SECONDS
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge

LENGTH_SLACK = 0.5
"""How far a video's length may be off, seconds."""
WIDTH_PER_HEIGHT = 9 / 16
RATIO_SLACK = 0.02
"""Widths and heights are rounded to what encoders like."""


def _fetched(rule: Callable[[dict[str, Any]], object], *names: str) -> Callable[[Evidence], Finding]:
    """Return a test of what was seen of the file; where the first of the names wasn't, nothing can be told."""

    def test(evidence: Evidence) -> Finding:
        fetched = evidence.facts[FETCHED]
        told = (*names, "unsafe", "error")
        seen = ", ".join(f"{name}: {fetched[name]}" for name in told if name in fetched)
        if names and names[0] not in fetched:
            return Finding(Outcome.UNKNOWN, seen or "the check ended before")
        return judge(rule(fetched), seen or "nothing wrong")

    return test


def _is_upright(seen: dict[str, Any]) -> bool:
    width, height = seen["picture"] or (0, 1)
    return bool(abs(width / height - WIDTH_PER_HEIGHT) <= RATIO_SLACK)


RESULT: tuple[Assumption, ...] = (
    Assumption(
        "url-public",
        "The result's URL leads to a public address",
        "assumed",
        "Downloads are refused: set the connection's extra allow_private_downloads, if that address is meant.",
        _fetched(lambda seen: "unsafe" not in seen),
        (FETCHED,),
    ),
    Assumption(
        "url-without-key",
        "The result's URL works without the key",
        "assumed",
        "Downloads fail: the key is never sent to another host. Tell the authors.",
        _fetched(lambda seen: seen["status_of_a_part"] in (200, 206), "status_of_a_part"),
        (FETCHED,),
    ),
    Assumption(
        "mp4",
        "The result is called video/mp4",
        "documented",
        "Another type is taken if the file is an MP4 and the type isn't text or a picture.",
        _fetched(lambda seen: seen["content_type"].startswith("video/mp4"), "content_type"),
        (FETCHED,),
    ),
    Assumption(
        "whole",
        "The file can be fetched, and is a whole MP4",
        "documented",
        "Downloads fail with what was seen.",
        _fetched(lambda seen: "bytes" in seen, "status_of_a_part", "bytes"),
        (FETCHED,),
    ),
    Assumption(
        "ranges",
        "The result's host sends parts of a file (Range), with a strong ETag",
        "assumed",
        "A broken download begins again from its start.",
        _fetched(lambda seen: seen.get("status_of_a_part") == 206 and seen.get("etag"), "status_of_a_part", "etag"),
        (FETCHED,),
    ),
    Assumption(
        "true-length",
        "The file is as long as was ordered",
        "documented",
        "Nothing for the provider; the videos aren't what was ordered.",
        _fetched(lambda seen: abs((seen["seconds"] or 0) - SECONDS) <= LENGTH_SLACK, "seconds"),
        (FETCHED,),
    ),
    Assumption(
        "picture",
        "The picture is 9:16 where the order gives no ratio",
        "documented",
        "Nothing for the provider: give the ratio.",
        _fetched(_is_upright, "picture"),
        (FETCHED,),
    ),
)
