"""Why a batch orders nothing for now, or for the rest of its try; kept over the worker runs of the try.

The reasons are those of the API: it accepts no order, or its answers can't be read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_provider_starvideos.api.retry import LONGEST_DELAY
from airflow_provider_starvideos.orders.outcomes import MAX_LOST_IN_A_ROW
from airflow_provider_starvideos.orders.sending import Halt

CLOCK_SECONDS = 5.0  # how far a triggerer's clock may be ahead of a worker's


class Halts:
    """What made the ordering of one batch end early.

    :param timeout: seconds in which the API must accept an order
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.latest: Halt | None = None  # None: ordering goes on
        self.blocked_since: float | None = None  # epoch seconds since when the API accepts no order
        self.lost_in_a_row = 0  # orders without a readable answer

    def restore(self, carried: Mapping[str, Any]) -> None:
        """Take what ``carry`` returned before a wait."""
        self.blocked_since = carried.get("blocked_since")
        self.lost_in_a_row = carried.get("lost_in_a_row", 0)
        self.latest = Halt(**carried["halt"]) if carried.get("halt") else None

    def carry(self) -> dict[str, Any]:
        """Return what the worker run after a wait must know, as JSON."""
        return {
            "blocked_since": self.blocked_since,
            "lost_in_a_row": self.lost_in_a_row,
            "halt": asdict(self.latest) if self.latest else None,
        }

    def end_pause(self) -> None:
        """Order again, if the pause that the API asked for is over."""
        until = self.latest.resume_at if self.latest else None
        if until is not None and time.time() >= until - CLOCK_SECONDS:
            self.latest = None

    def note(self, halt: Halt | None, lost_in_a_row: int, *, accepted: bool) -> None:
        """Take how ordering ended. The time is bounded in which the API accepts no order at all.

        :param halt: why it ended early; None: it didn't
        :param lost_in_a_row: orders without a readable answer, by now
        :param accepted: whether the API has accepted an order
        """
        self.latest, self.lost_in_a_row = halt, lost_in_a_row
        if not halt or halt.resume_at is None:
            return
        now = time.time()
        self.blocked_since = now if accepted or self.blocked_since is None else self.blocked_since
        asked = halt.resume_at - now
        if now - self.blocked_since > self._timeout:
            self.latest = Halt(f"No order was accepted for {now - self.blocked_since:.0f} s: {halt.why}")
        elif asked > self._timeout + LONGEST_DELAY:  # that much is added to what the API asks for
            self.latest = Halt(f"The API asks to wait {asked:.0f} s, which is more than the timeout: {halt.why}")

    def note_checked(self) -> None:
        """Order again, if orders without an answer had ended that: a person has checked them now."""
        if self.lost_in_a_row >= MAX_LOST_IN_A_ROW:
            self.lost_in_a_row, self.latest = 0, None
