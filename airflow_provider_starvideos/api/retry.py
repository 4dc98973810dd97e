"""Is it safe and useful to send a call again, and when: pure decisions, and the numbers behind them.

An order costs money, so it is sent again only where it provably wasn't accepted. A query costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosRateLimitError,
    StarVideosRecordError,
    StarVideosServerError,
)

FIRST_DELAY = 1.0
"""Seconds before the first repetition; doubled each time."""
LONGEST_DELAY = 30.0
JITTER = 0.5
"""Share of a delay that is left to chance, so that a thousand tasks don't come back at once."""
LONGEST_INLINE_WAIT = 60.0
"""A longer Retry-After isn't slept through on a worker: the call fails, and the task's own retry may wait."""
LONGEST_RETRY_AFTER = 24 * 3600.0

MAX_UNKNOWN_REPEATS = 2
UNKNOWN_DELAY = 3.0
"""An id that was just given out may take a moment to be known; one that never existed shouldn't be waited for."""

RESENDABLE_ORDER_STATUSES = frozenset({429, 503})
"""The server said that it didn't take the order, and that later it may."""
NOT_ACCEPTED_STATUSES = frozenset({*range(400, 500), 503, 301, 307, 308}) - {408, 409, 499}
"""An order answered with one of these was not accepted. 302 and 303 may follow a request that was carried out; 408 and
499 are also what gateways say that gave up on a server which goes on; 409 that there is such an order already.
"""


def was_not_accepted(error: StarVideosError) -> bool:
    """Tell whether an order that ended in ``error`` provably wasn't accepted, so that nothing is billed."""
    if isinstance(error, StarVideosConnectionError):
        return not error.sent
    if isinstance(error, StarVideosRecordError):
        return True
    if not isinstance(error, StarVideosAPIError) or isinstance(error, StarVideosMalformedAnswerError):
        return False
    return error.status_code in NOT_ACCEPTED_STATUSES


def delay_before_repeat(
    error: StarVideosError, *, repeats: int, max_retries: int, is_order: bool, chance: float
) -> float | None:
    """Return the seconds to wait before the same call is sent again, or None if it must not be.

    :param error: how the call ended
    :param repeats: how often it was sent again already
    :param max_retries: how often it may be
    :param is_order: whether it costs money
    :param chance: a random number, 0 to 1
    """
    if repeats >= max_retries or not _worth_repeating(error, is_order=is_order):
        return None
    asked = error.retry_after if isinstance(error, StarVideosAPIError) else None
    if asked is not None and asked > LONGEST_INLINE_WAIT:
        return None
    return backoff(repeats, chance) + (asked or 0.0)


def backoff(repeats: int, chance: float) -> float:
    """Return the seconds to wait after ``repeats`` repetitions: doubling, bounded, with jitter."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(repeats, 30))
    return longest * (1.0 - JITTER * chance)


def delay_before_unknown_repeat(error: StarVideosError, *, repeats: int) -> float | None:
    """Return the seconds to wait before a video that the API doesn't know is asked for again, or None."""
    unknown = isinstance(error, StarVideosNotFoundError) and error.names_video
    return UNKNOWN_DELAY if unknown and repeats < MAX_UNKNOWN_REPEATS else None


def _worth_repeating(error: StarVideosError, *, is_order: bool) -> bool:
    if isinstance(error, StarVideosConnectionError):
        return not (is_order and error.sent)
    if not isinstance(error, StarVideosRateLimitError | StarVideosServerError):
        return False
    return not is_order or error.status_code in RESENDABLE_ORDER_STATUSES


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return what ``Retry-After`` (seconds, or an HTTP date) asks for; None without one that can be read.

    :param headers: with lower-case names; a date is read against the server's own ``Date``, where there is one
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text) if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit() else None
        if seconds is None:
            seconds = _http_date(text) - _server_now(headers)
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _server_now(headers: Mapping[str, str]) -> float:
    try:
        return _http_date(headers.get("date", ""))
    except (ValueError, OverflowError):
        return time.time()


def _http_date(text: str) -> float:
    moment = parsedate_to_datetime(text)
    # Every HTTP date is in GMT, also where it doesn't say so.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
