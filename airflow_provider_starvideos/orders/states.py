"""The life of an order, as one table: what each state means for money, for a retry and for a person.

The code's decisions, the task's messages, the manifest, the UI and the diagram of the documentation come from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order is. The names are public: they are the ``status`` of a manifest's row."""

    SAVED = "saved"
    REUSED = "reused"
    COMPLETED = "completed"
    NOT_SAVED = "not_saved"
    UNSAVABLE = "unsavable"
    ORDERED = "ordered"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    UNCONFIRMED = "unconfirmed"
    SENDING = "sending"
    FAILED = "failed"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    OPEN = "open"


class Billed(StrEnum):
    """Whether an order in a state was paid for."""

    YES = "yes"
    NO = "no"
    PERHAPS = "perhaps"


@dataclass(frozen=True)
class Meaning:
    """What a state means."""

    text: str  # for messages
    billed: Billed  # whether the order was paid for
    retry: str  # what the task's next try does with it, for the documentation
    person: str = ""  # what a person may do about it, for the documentation
    follows: tuple[OrderState, ...] = ()  # the states that may come next
    video: bool = False  # there is a completed video
    retry_helps: bool = False  # the next try may get further by itself
    again: OrderState | None = None  # the state in which the next try begins with it; None: as it is
    retry_of_row: str = ""  # what a batch's next try does with it, where that differs from ``retry``


_S, _B = OrderState, Billed
STATES: Mapping[OrderState, Meaning] = {
    _S.SAVED: Meaning(
        "saved",
        _B.YES,
        "nothing",
        follows=(_S.COMPLETED,),
        video=True,
        retry_of_row="nothing; saves it again if the row's `name` has changed",
    ),
    _S.REUSED: Meaning(
        "reused: an earlier video of the same request is in the library",
        _B.NO,
        "nothing",
        follows=(_S.OPEN,),
        video=True,
        retry_helps=True,
        retry_of_row="nothing; copies it again if it isn't at the destination",
    ),
    _S.COMPLETED: Meaning(
        "completed",
        _B.YES,
        "saves it",
        follows=(_S.SAVED, _S.NOT_SAVED, _S.UNSAVABLE, _S.FAILED),
        video=True,
        retry_helps=True,
        retry_of_row="saves it, with `destination` or `library`",
    ),
    _S.NOT_SAVED: Meaning(
        "completed, but not saved",
        _B.YES,
        "saves it again",
        follows=(_S.COMPLETED,),
        video=True,
        retry_helps=True,
        again=_S.COMPLETED,
    ),
    _S.UNSAVABLE: Meaning(
        "completed, but can't be saved",
        _B.YES,
        "saves it again",
        "remove the cause, clear the task",
        follows=(_S.COMPLETED,),
        video=True,
        again=_S.COMPLETED,
    ),
    _S.ORDERED: Meaning(
        "ordered",
        _B.YES,
        "waits for it",
        follows=(_S.COMPLETED, _S.FAILED, _S.TIMED_OUT, _S.UNKNOWN),
        retry_helps=True,
    ),
    _S.TIMED_OUT: Meaning(
        "not ready at the deadline, still being made",
        _B.YES,
        "waits again",
        "clear the task to wait again",
        follows=(_S.ORDERED,),
        retry_helps=True,
        again=_S.ORDERED,
    ),
    _S.UNKNOWN: Meaning(
        "ordered, but the API doesn't know the video",
        _B.YES,
        "asks for it again",
        "decide: another id, or order again",
        follows=(_S.ORDERED, _S.OPEN),
        again=_S.ORDERED,
    ),
    _S.UNCONFIRMED: Meaning(
        "unconfirmed: may have been billed",
        _B.PERHAPS,
        "stops, and asks a person",
        "decide: the id, or order again",
        follows=(_S.ORDERED, _S.OPEN),
        retry_of_row='lists it; with `on_unconfirmed="resubmit"` orders it again',
    ),
    _S.SENDING: Meaning(
        "sent, not answered yet",
        _B.PERHAPS,
        "takes it for unconfirmed",
        follows=(_S.ORDERED, _S.UNCONFIRMED, _S.REJECTED, _S.OPEN),
        again=_S.UNCONFIRMED,
    ),
    _S.FAILED: Meaning(
        "failed at StarVideos",
        _B.YES,
        "orders a new video",
        "clear the task for a new order",
        follows=(_S.OPEN,),
        retry_of_row="leaves it; with `retry_failed=True` orders a new video",
    ),
    _S.REJECTED: Meaning(
        "refused by the API", _B.NO, "orders it again", "correct the request", follows=(_S.OPEN,), again=_S.OPEN
    ),
    _S.NOT_SENT: Meaning(
        "not ordered: its inputs can't be read",
        _B.NO,
        "orders it",
        follows=(_S.OPEN,),
        retry_helps=True,
        again=_S.OPEN,
    ),
    _S.OPEN: Meaning(
        "not ordered",
        _B.NO,
        "orders it",
        follows=(_S.SENDING, _S.NOT_SENT, _S.REJECTED, _S.ORDERED, _S.REUSED),
        retry_helps=True,
    ),
}
"""From the furthest state to the nearest: of two equal orders the one that came further is used."""

FURTHEST_FIRST = tuple(STATES)
UNRESOLVED = (OrderState.SENDING, OrderState.UNCONFIRMED)
"""The outcome is unknown: the order may have been accepted."""
