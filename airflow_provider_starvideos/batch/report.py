"""How a batch ends: which rows count as failures, what is said of them, and whether a retry can mend any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.batch.decisions import how_to_decide
from airflow_provider_starvideos.batch.entries import MEANINGS, Entry, RowState
from airflow_provider_starvideos.batch.rows import Row
from airflow_provider_starvideos.batch.submitting import Halt
from airflow_provider_starvideos.exceptions import StarVideosBatchError, StarVideosBatchFinalError

ROWS_IN_MESSAGE = 10


@dataclass(frozen=True)
class Ending:
    """What decides how a batch ends.

    :param halt: why ordering ended early, if it did
    :param max_failures: rows without a video that are allowed: a number, or a share as a float
    :param retry_failed: the next try orders rows anew whose video failed
    :param resubmit: the next try orders rows again that are unconfirmed
    :param saves: a video counts only when it is saved
    """

    halt: Halt | None
    max_failures: int | float
    retry_failed: bool
    resubmit: bool
    saves: bool

    def is_done(self, entry: Entry) -> bool:
        """The row has what was asked for."""
        return entry.state == RowState.SAVED or (entry.state == RowState.COMPLETED and not self.saves)

    def allows(self, failures: int, rows: int) -> bool:
        """So many failures are allowed."""
        limit = self.max_failures
        # Divided, not multiplied: 0.29 * 100 is less than 29, and 29 / 100 is 0.29.
        return (failures / rows if isinstance(limit, float) else failures) <= limit

    def kind(self, bad: Sequence[tuple[Row, Entry]]) -> type[StarVideosBatchError]:
        """Return the error that says whether a retry helps."""
        if self.halt and self.halt.permanent:
            return StarVideosBatchFinalError
        asked = {RowState.FAILED: self.retry_failed, RowState.UNCONFIRMED: self.resubmit}
        helps = any(MEANINGS[entry.state].retry_helps or asked.get(entry.state) for _, entry in bad)
        return StarVideosBatchError if helps else StarVideosBatchFinalError


def check(results: Sequence[tuple[Row, Entry]], ending: Ending, reference: str, where: str, log: Any) -> None:
    """Fail the batch if too many rows have no video.

    :param results: every row with its entry
    :param ending: what decides
    :param reference: the batch's, for a person's decision
    :param where: what is said of the rows that have a video
    :param log: a logger
    :raises StarVideosBatchError: too many; a retry can help
    :raises StarVideosBatchFinalError: too many; a retry can't help
    """
    bad = [(row, entry) for row, entry in results if not ending.is_done(entry)]
    if not bad:
        return
    text = " ".join(part for part in _parts(bad, len(results), ending, where) if part)
    doubt = any(entry.state in (RowState.UNCONFIRMED, RowState.UNKNOWN) for _, entry in bad)
    if not ending.allows(len(bad), len(results)):
        limit = f"At most {ending.max_failures} may be without (max_failures)."
        how = [how_to_decide(reference)] if doubt and not ending.resubmit else []
        raise ending.kind(bad)(" ".join([text, limit, *how]))
    # The record ends with the task's success, so nobody must be told to clear it for some rows.
    allowed = "At most %s may be without (max_failures), so the task succeeds. Cleared, it would order all rows anew."
    log.warning(f"%s {allowed}", text, ending.max_failures)  # noqa: G004  one message


def _parts(bad: Sequence[tuple[Row, Entry]], rows: int, ending: Ending, where: str) -> Sequence[str | None]:
    states = Counter(MEANINGS[entry.state].text for _, entry in bad)
    facts = "; ".join(f"{number} {text}" for text, number in states.most_common())
    told = [f"row {row.number}{_named(entry)}: {entry.error}" for row, entry in bad if entry.error]
    more = f"; and {len(told) - ROWS_IN_MESSAGE} more" if len(told) > ROWS_IN_MESSAGE else ""
    return (
        f"{len(bad)} of {rows} rows have no video as asked for: {facts}.",
        f"Ordering ended early: {ending.halt.why}" if ending.halt else None,
        "; ".join(told[:ROWS_IN_MESSAGE]) + more + "." if told else None,
        where,
    )


def _named(entry: Entry) -> str:
    return f" ({entry.video_id})" if entry.video_id else ""
