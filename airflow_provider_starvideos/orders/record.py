"""What is kept of one order, and how it is written as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from itertools import groupby
from typing import Any

from airflow_provider_starvideos.api.models import VideoRequest, amount_text
from airflow_provider_starvideos.api.redaction import hide_urls
from airflow_provider_starvideos.orders.states import STATES, UNRESOLVED, Billed, OrderState

# Bytes of JSON. A page of 48 orders with all of it stays below 64 KB: some databases keep no more of a Variable.
MAX_ERROR_BYTES = 292
MAX_SUMMARY_BYTES = 80
MAX_PROMPT_BYTES = 88
MAX_NAME_BYTES = 48


@dataclass(frozen=True)
class Row:
    """One order that is asked for: a row of a batch, or the only one of a ``create``."""

    number: int  # from 1, as the rows were given
    request: VideoRequest  # what to order
    key: str  # equal in two tries if the same is ordered, wherever the row is then
    name: str | None = None  # the file's name without ``.mp4``, where the row gives one
    variant: str | None = None  # makes the row another request than an equal one, in a library


@dataclass
class Order:
    """The record of one order. It is changed in place, and written by the journal."""

    key: str  # the request's fingerprint, a dot, and a number, which differs among equal requests
    state: OrderState = OrderState.OPEN  # where it is
    sent_at: float | None = None  # epoch seconds just before it was sent
    video_id: str | None = None  # the API's id
    error: str | None = None  # why it isn't further
    duration: float | None = None  # seconds of the completed video, as delivered
    completed_at: float | None = None  # epoch seconds at which it was seen completed, or failed
    uri: str | None = None  # and ``size_bytes``, ``sha256``: the saved file
    size_bytes: int | None = None
    sha256: str | None = None
    row: int | None = None  # its number in the latest try's requests; None: it isn't among them
    # fewer equal rows are asked for than were ordered, and this one isn't used (``batch.matching``)
    leftover: bool | None = None
    summary: str | None = None  # the request's key facts, for people
    named: str | None = None  # a video that an answer named which couldn't be understood
    name: str | None = None  # the row's file name, shortened
    prompt: str | None = None  # shortened, for people
    # as ordered; None: the video gets as long as its clip, or the record is of an earlier version
    seconds: int | None = None
    amount: str | None = None  # what was billed for the video, a decimal as text; None: the API didn't say it
    orders: int | None = None  # how often it was accepted, or perhaps accepted, over all tries; see ``times_ordered``
    resubmitted: int | None = None  # how many of ``orders`` had an unknown outcome and were sent again
    earlier_amount: str | None = None  # what was billed for its earlier videos, which failed, a decimal as text
    earlier_amounts: int | None = None  # how many of its earlier videos ``earlier_amount`` is of
    entry: str | None = None  # the request's name in the library
    # URI of the library's video; ``video_id`` and the facts of the file are that one's then
    reused_from: str | None = None
    # what ``times_ordered`` may become with a person's approval; None: no person has approved it
    approved: int | None = None
    approved_by: str | None = None  # who has approved it

    def become(self, state: OrderState, error: str | None = None) -> None:
        """Go on to another state."""
        if self.state is OrderState.REUSED is not state:  # the video was never its own
            self.reused_from = self.video_id = self.duration = self.uri = self.size_bytes = self.sha256 = None
        if state is OrderState.OPEN:
            self.orders = self.times_ordered or None  # the state and the id no longer show it
            if self.state is OrderState.UNCONFIRMED:
                self.resubmitted = (self.resubmitted or 0) + 1
        self.state, self.error = state, None if error is None else shortened(error, MAX_ERROR_BYTES)

    def describe(self, row: Row) -> None:
        """Take what is asked for from a row."""
        request = row.request
        self.row, self.seconds = row.number, request.seconds
        self.summary = shortened(request.summary, MAX_SUMMARY_BYTES)
        self.prompt = shortened(hide_urls(request.prompt), MAX_PROMPT_BYTES)
        self.name = shortened(row.name, MAX_NAME_BYTES) if row.name else None

    def begin_sending(self, now: float, orders: int) -> None:
        """Become an order that may be accepted from now on.

        :param now: epoch seconds
        :param orders: ``times_ordered`` from now on
        """
        self.become(OrderState.SENDING)
        self.orders, self.sent_at, self.video_id = orders, now, None
        self._leave_video()

    def reuse(self, video_id: str, uri: str, duration: float | None) -> None:
        """Become one that needs no order: its video is in the library. It is at its destination once it has a ``uri``.

        :param video_id: of the library's video
        :param uri: of the library's video
        :param duration: its seconds
        """
        self.become(OrderState.REUSED)
        self._leave_video()
        self.video_id, self.reused_from, self.duration, self.sent_at = video_id, uri, duration, None

    def _leave_video(self) -> None:
        """Forget the video of before, but not what it has cost."""
        if self.amount is not None:
            self.earlier_amount = amount_text(Decimal(self.earlier_amount or 0) + Decimal(self.amount))
            self.earlier_amounts = (self.earlier_amounts or 0) + 1
        self.amount = self.duration = self.completed_at = None

    def approve(self, who: str) -> None:
        """Allow one more order of it.

        :param who: approved it
        """
        self.approved, self.approved_by = self.times_ordered + 1, shortened(who, MAX_NAME_BYTES)

    @property
    def is_approved(self) -> bool:
        """A person has approved its next order."""
        return (self.approved or 0) > self.times_ordered

    @property
    def has_video(self) -> bool:
        """There is a completed video."""
        return STATES[self.state].video

    @property
    def times_ordered(self) -> int:
        """How often it was accepted, or perhaps accepted; also of a record that doesn't count it."""
        if self.reused_from:
            return self.orders or 0
        there = bool(self.video_id) or STATES[self.state].billed is not Billed.NO
        return max(self.orders or 0, int(there))

    @property
    def is_unresolved(self) -> bool:
        """Its outcome is unknown: it may have been accepted."""
        return self.state in UNRESOLVED

    def to_json(self) -> dict[str, Any]:
        """Return the order as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: Any) -> Order:
        """Read an order. Fields that a later version added are left out; an order is never taken for none.

        :raises TypeError: it isn't one
        """
        if not isinstance(value, dict) or not isinstance(value.get("key"), str):
            raise TypeError(f"not the record of an order: {value!r}")
        known = {field.name for field in fields(cls)}
        order = cls(**{name: one for name, one in value.items() if name in known})
        try:
            order.state = OrderState(order.state)
        except ValueError:  # a later version's
            order.error = f"its state {order.state!r} is of a later version of this provider"
            order.state = OrderState.ORDERED if order.video_id else OrderState.UNCONFIRMED
        return order

    @classmethod
    def of_first_version(cls, value: Any) -> Order:
        """Read the record that the first version kept in the Variable of a task instance's only order.

        :raises TypeError: it isn't one
        """
        if not isinstance(value, dict) or not isinstance(value.get("fingerprint"), str):
            raise TypeError(f"not the record of an order: {value!r}")
        state = OrderState.ORDERED if value.get("video_id") else OrderState.UNCONFIRMED
        return cls(
            key_of(value["fingerprint"]),
            state,
            value.get("sent_at"),
            value.get("video_id"),
            value.get("doubt") if state is OrderState.UNCONFIRMED else None,
            summary=value.get("summary"),
        )


def key_of(fingerprint: str, number: int = 1) -> str:
    """Return the key of the order with that number among equal ones."""
    return f"{fingerprint}.{number}"


def fingerprint_of(key: str) -> str:
    """Return the request's fingerprint out of an order's key."""
    return key.rpartition(".")[0]


def row_numbers(numbers: Sequence[int]) -> str:
    """Return row numbers in few words: ``Rows 4, 9, 12-30``."""
    return f"{'Row' if len(numbers) == 1 else 'Rows'} {', '.join(spans_of(sorted(numbers)))}"


def spans_of(numbers: Sequence[int]) -> list[str]:
    """Return numbers in their order, those that follow each other as one text: ``12-30``."""
    # Equal difference to the place in the list: numbers that follow each other.
    spans = ([number for _, number in span] for _, span in groupby(enumerate(numbers), lambda one: one[1] - one[0]))
    return [f"{span[0]}-{span[-1]}" if span[1:] else str(span[0]) for span in spans]


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 video``, ``2 videos``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def shortened(text: str, most_bytes: int) -> str:
    """Cut a text to one line whose JSON takes at most so many bytes."""
    text = " ".join(text.split())
    while len(json.dumps(text)) > most_bytes:
        text = text[: len(text) * 3 // 4].rstrip("…") + "…"
    return text
