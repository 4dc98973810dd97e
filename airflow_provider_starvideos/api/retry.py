"""Decides whether a call is sent again, and when.

An order costs money, so it is sent again only where it provably wasn't accepted: ``ORDER_OUTCOMES``. A query is free.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

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

FIRST_DELAY = 1.0  # seconds before the first repetition; doubled each time
LONGEST_DELAY = 30.0  # seconds
JITTER = 0.5  # share of a delay that is left to chance, so that a thousand tasks don't repeat at once
LONGEST_INLINE_WAIT = 60.0  # seconds; after a longer Retry-After the call fails, and the task's retry may wait
LONGEST_RETRY_AFTER = 24 * 3600.0  # seconds

MAX_UNKNOWN_REPEATS = 2
UNKNOWN_DELAY = 3.0  # seconds; the API may not know a new id at once, and a wrong id isn't worth a longer wait


class Whose(StrEnum):
    """Who gave an answer to an order (``api.origins``)."""

    ANYONE = "anyone"
    API = "the API itself"
    BETWEEN = "anything else"


@dataclass(frozen=True)
class OrderOutcome:
    """One way for the sending of an order to end."""

    what: str  # the ending, for people
    statuses: Collection[int] = ()  # HTTP statuses; empty: none
    whose: Whose = Whose.ANYONE  # who gave the answer
    accepted: bool | None = field(kw_only=True)  # False: provably not; None: unknown
    sent_again: bool = field(default=False, kw_only=True)  # within the same call, ``max_retries`` times
    why: str = field(kw_only=True)


NOT_SENT = OrderOutcome("no connection was made", accepted=False, sent_again=True, why="nothing left this machine")
NOT_RECORDED = OrderOutcome("the record can't be written", accepted=False, why="without it nothing is sent")
LOST = OrderOutcome("no whole answer: reset, timeout, half a body", accepted=None, why="the API may have the order")
UNREADABLE = OrderOutcome(
    "an unreadable answer, or an error that names a video",
    accepted=None,
    why="the order may be accepted; the id in the answer is kept",
)
# What the answer to an order proves: the first line that fits counts. A code inside a 200 is read as a status. Only a
# line with ``accepted=False`` may have ``sent_again``: any other may cost a second video. See docs/reliability.md.
ORDER_OUTCOMES: tuple[OrderOutcome, ...] = (
    OrderOutcome("429", {429}, accepted=False, sent_again=True, why="limits are checked before an order is taken"),
    OrderOutcome("503", {503}, Whose.API, accepted=False, sent_again=True, why="its own JSON says: not now"),
    OrderOutcome("503", {503}, Whose.BETWEEN, accepted=None, why="also said while the API works on the order"),
    OrderOutcome("408, 460, 499", {408, 460, 499}, accepted=None, why="a gateway stopped waiting; the API may go on"),
    OrderOutcome("444", {444}, accepted=None, why="a gateway got no answer; the API may have the order"),
    OrderOutcome("409", {409}, accepted=None, why="there is such an order already: perhaps this one"),
    OrderOutcome("any other 4xx", range(400, 500), accepted=False, why="a refusal; not given after accepting"),
    OrderOutcome("301, 307, 308", {301, 307, 308}, accepted=False, why="sent elsewhere, unread; it isn't followed"),
    OrderOutcome("any other 3xx", range(300, 400), accepted=None, why="302 and 303 also follow an accepted order"),
    OrderOutcome("any other 5xx", range(500, 600), accepted=None, why="it may have failed after accepting the order"),
    OrderOutcome("any other status", accepted=None, why="HTTP has no such answer"),
)


def order_outcome(error: StarVideosError) -> OrderOutcome:
    """Return what the error of one attempt to send an order proves."""
    if isinstance(error, StarVideosConnectionError):
        return LOST if error.sent else NOT_SENT
    if isinstance(error, StarVideosRecordError):
        return NOT_RECORDED
    if not isinstance(error, StarVideosAPIError) or isinstance(error, StarVideosMalformedAnswerError):
        return UNREADABLE
    whose = Whose.API if error.from_api else Whose.BETWEEN
    lines = (line for line in ORDER_OUTCOMES if line.whose in (Whose.ANYONE, whose))
    return next((line for line in lines if error.status_code in line.statuses), ORDER_OUTCOMES[-1])


def was_not_accepted(error: StarVideosError) -> bool:
    """Return whether an order that ended in ``error`` provably wasn't accepted, so that nothing is billed."""
    return order_outcome(error).accepted is False


def delay_before_repeat(
    error: StarVideosError, *, repeats: int, max_retries: int, is_order: bool, chance: float
) -> float | None:
    """Return the seconds to wait before the same call is sent again, or None if it must not be.

    :param repeats: how often it was sent again already
    :param max_retries: how often it may be sent again
    :param chance: a random number, 0 to 1
    """
    repeatable = StarVideosConnectionError | StarVideosRateLimitError | StarVideosServerError
    may_help = order_outcome(error).sent_again if is_order else isinstance(error, repeatable)
    if repeats >= max_retries or not may_help:
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


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` (seconds, or an HTTP date) asks for.

    None without a readable one, and for 0 or a date in the past: then our own back-off decides.

    :param headers: with lower-case names; a date counts from the server's own ``Date``, where there is one
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        is_number = re.fullmatch(r"[0-9]*\.?[0-9]*", text, re.ASCII)
        seconds = float(text) if is_number else _http_date(text) - _server_now(headers)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None


def _server_now(headers: Mapping[str, str]) -> float:
    try:
        return _http_date(headers.get("date", ""))
    except (ValueError, OverflowError):
        return time.time()


def _http_date(text: str) -> float:
    moment = parsedate_to_datetime(text)
    # Every HTTP date is in GMT, even without saying so.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
