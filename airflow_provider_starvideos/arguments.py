"""Checks of an operator's arguments at Dag parse. They import nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any


def positive_seconds(name: str, value: timedelta | float) -> float:
    """Return a time as seconds.

    :raises ValueError: not a positive number or timedelta
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise ValueError(f"{name} must be a positive number of seconds, or a timedelta (got {value!r})")
    return float(seconds)


def whole(name: str, value: Any, most: int) -> int:
    """Return a whole number from 1 to ``most``, or raise ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name} must be a whole number from 1 to {most} (got {value!r})")
    return value


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return one of the allowed words, or raise ``ValueError``."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {tuple(allowed)} (got {value!r})")
    return str(value)


def flag(name: str, value: Any) -> bool:
    """Return True or False, or raise ``ValueError``: the text "False" would count as True."""
    if not isinstance(value, bool):
        raise ValueError(  # noqa: TRY004  as every other wrong argument
            f"{name} must be True or False, and isn't templated (got {value!r})"
        )
    return value


def failures_allowed(value: Any) -> int | float:
    """Return how many rows may end without a video (a number, or a share as a float), or raise ``ValueError``."""
    share = isinstance(value, float) and 0 <= value <= 1
    if isinstance(value, bool) or not (share or (isinstance(value, int) and value >= 0)):
        raise ValueError(
            f"max_failures must be a number of rows, or a share from 0.0 to 1.0 as a float (got {value!r})"
        )
    return value  # type: ignore[no-any-return]
