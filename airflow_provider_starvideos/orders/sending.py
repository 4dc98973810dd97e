"""One order that is being sent, and what log and metrics say of its outcome."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.states import OrderState


@dataclass(frozen=True)
class Halt:
    """Why submitting ended with rows left."""

    why: str  # for people
    resume_at: float | None = None  # epoch seconds at which to continue; None: not in this try
    permanent: bool = False  # a retry can't help


@dataclass
class Sending:
    """An order that is in flight once it was ``handed`` to a thread. The thread sets ``outcome``, once."""

    row: Row
    order: Order
    sent_at: float
    earlier: int  # how often it was ordered before this
    handed: bool = False
    outcome: VideoTask | BaseException | None = None

    def begin(self) -> None:
        """Count the order, from before it is sent: it may be accepted from then on."""
        self.order.begin_sending(self.sent_at, self.earlier + 1)

    def was_not_accepted(self, state: OrderState, error: str | None = None) -> None:
        """Take it back: the order provably wasn't accepted, so it doesn't count."""
        self.order.become(state, error)
        self.order.orders = self.earlier or None


class Reporter:
    """Logs and counts outcomes, once they are in the journal.

    :param connection: the Airflow connection's id
    :param names_rows: log lines name the row
    """

    def __init__(self, connection: str, log: Any, *, names_rows: bool) -> None:
        self._connection = connection
        self._log = log
        self._names_rows = names_rows
        self._unreported: list[Sending] = []

    def note(self, sending: Sending) -> None:
        """Take an outcome that has to be written first."""
        self._unreported.append(sending)

    @property
    def is_waiting(self) -> bool:
        """There are outcomes that weren't logged, and perhaps not written."""
        return bool(self._unreported)

    def report(self, waiting: Container[Row], halt: Halt | None) -> None:
        """Log and count the outcomes that are in the journal.

        :param waiting: rows that are sent again
        :param halt: why no more are ordered, if so
        """
        reported, self._unreported = self._unreported, []
        for sending in reported:
            self._report(sending, is_sent_again=sending.row in waiting)
        if halt and halt.permanent and reported and self._names_rows:
            self._log.error("No more rows are ordered: %s", halt.why)

    def _report(self, sending: Sending, *, is_sent_again: bool) -> None:
        row, outcome, mode = sending.row, sending.outcome, sending.row.request.mode
        which = self.label(row)
        if isinstance(outcome, VideoTask):
            self._log.info("%sOrdered StarVideos video %s: %s.", which, outcome.id, row.request.summary)
            metrics.count("ordered", self._connection, mode=mode)
        elif sending.order.state is OrderState.UNCONFIRMED:
            unknown = "%sOrder outcome unknown: %s Billed: perhaps. It isn't sent again."
            self._log.error(unknown, which, sending.order.error)
            metrics.count("unconfirmed", self._connection, mode=mode)
        elif is_sent_again:
            self._log.warning("%sNot accepted, not billed; it is sent again: %s", which, outcome)
        else:
            self._log.error("%sRefused, not billed: %s", which, outcome)

    def label(self, row: Row) -> str:
        """Return how a log line begins."""
        return f"Row {row.number}: " if self._names_rows else ""
