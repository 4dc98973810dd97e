"""What is on record about the order of one task instance.

A record exists from just before the order is sent until the task has succeeded, or the API has refused the order.
Without a ``video_id`` it is an intent: the order may have been sent, and nobody knows whether it was accepted.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosRecordError


@dataclass(frozen=True)
class OrderRecord:
    """One order.

    :param fingerprint: of what was asked, and where (``VideoRequest.fingerprint``); no key
    :param sent_at: epoch seconds just before it was sent
    :param summary: the order in a few words
    :param video_id: the API's id, once it is known
    :param doubt: what happened to an order of which nobody knows whether it was accepted
    """

    fingerprint: str
    sent_at: float
    summary: str
    video_id: str | None = None
    doubt: str | None = None

    @property
    def reference(self) -> str:
        """A short name of this very order, for a person's decision about it."""
        return hashlib.sha256(f"{self.fingerprint} {self.sent_at!r}".encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: Any) -> OrderRecord:
        """Read a record.

        :raises StarVideosRecordError: it isn't one; an order may be behind it, so it isn't taken for none
        """
        try:
            return cls(**value)
        except TypeError as error:
            raise StarVideosRecordError(
                f"The record of this task's order can't be read ({error}), so that nothing was sent: {value!r}"
            ) from error
