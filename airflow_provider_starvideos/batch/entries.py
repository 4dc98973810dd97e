"""What is on record of one row, and what each state of a row means. The table of states stands here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

MAX_ERROR_BYTES = 400
"""Of an error on record: a shard of rows with one each fits well into the 64 KB that Airflow's state store wants."""


class RowState(StrEnum):
    """Where a row stands."""

    OPEN = "open"
    NOT_SENT = "not_sent"
    SENDING = "sending"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    ORDERED = "ordered"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    SAVED = "saved"
    NOT_SAVED = "not_saved"
    UNSAVABLE = "unsavable"


@dataclass(frozen=True)
class Meaning:
    """What a state means for the batch.

    :param text: in words, for messages
    :param video: there is a completed video
    :param retry_helps: the task's next try may mend it by itself
    :param again: the state in which the next try begins with the row; None: as it is
    """

    text: str
    video: bool = False
    retry_helps: bool = False
    again: RowState | None = None


MEANINGS: Mapping[RowState, Meaning] = {
    RowState.OPEN: Meaning("not ordered", retry_helps=True),
    RowState.NOT_SENT: Meaning("not ordered: its inputs can't be read", retry_helps=True, again=RowState.OPEN),
    RowState.SENDING: Meaning("being ordered", again=RowState.UNCONFIRMED),
    RowState.UNCONFIRMED: Meaning("unconfirmed: perhaps ordered and billed"),
    RowState.REJECTED: Meaning("refused by the API, not billed", again=RowState.OPEN),
    RowState.ORDERED: Meaning("ordered", retry_helps=True),
    RowState.COMPLETED: Meaning("completed", video=True, retry_helps=True),
    RowState.FAILED: Meaning("failed"),
    RowState.TIMED_OUT: Meaning("not ready in time, it goes on", retry_helps=True, again=RowState.ORDERED),
    RowState.UNKNOWN: Meaning("ordered, but the API doesn't know it", again=RowState.ORDERED),
    RowState.SAVED: Meaning("saved", video=True),
    RowState.NOT_SAVED: Meaning("completed, but not saved", video=True, retry_helps=True, again=RowState.COMPLETED),
    RowState.UNSAVABLE: Meaning("completed, but can't be saved", video=True, again=RowState.COMPLETED),
}


@dataclass
class Entry:
    """The record of one row. Changed in place; the book writes it.

    :param key: the row's (see ``rows``)
    :param state: where it stands
    :param sent_at: epoch seconds just before its order was sent
    :param video_id: the API's id
    :param error: why it isn't further
    :param duration: seconds of the completed video
    :param completed_at: epoch seconds at which it was seen completed, or failed
    :param leftover: fewer equal rows are asked for than were ordered, and this one isn't used (see ``matching``)
    :param uri: and ``size_bytes``, ``sha256``: the saved file
    :param row: its number in the latest try's requests, for those who look; None: not among them
    """

    key: str
    state: RowState = RowState.OPEN
    sent_at: float | None = None
    video_id: str | None = None
    error: str | None = None
    duration: float | None = None
    completed_at: float | None = None
    uri: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    row: int | None = None
    leftover: bool | None = None

    def become(self, state: RowState, error: str | None = None) -> None:
        """Go on to another state."""
        self.state, self.error = state, None if error is None else _short(error)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: Any) -> Entry:
        """Read an entry. Fields that a later version added are left out.

        :raises ValueError: it isn't one
        :raises TypeError: it isn't one
        """
        if not isinstance(value, dict) or not isinstance(value.get("key"), str):
            raise TypeError(f"not the record of a row: {value!r}")
        known = {field.name for field in fields(cls)}
        entry = cls(**{name: one for name, one in value.items() if name in known})
        entry.state = RowState(entry.state)
        return entry


def _short(text: str) -> str:
    """Cut a text so that its JSON takes at most ``MAX_ERROR_BYTES``."""
    text = " ".join(text.split())
    while len(json.dumps(text)) > MAX_ERROR_BYTES:
        text = text[: len(text) * 3 // 4].rstrip("…") + "…"
    return text
