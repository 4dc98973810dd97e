"""How a batch ends: which rows count as failures, what the error says of them, and whether a retry helps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_starvideos.batch.options import Options
from airflow_provider_starvideos.exceptions import StarVideosBatchError, StarVideosBatchFinalError
from airflow_provider_starvideos.orders.decisions import UNDECIDED, discard_earlier_decision, how_to_decide
from airflow_provider_starvideos.orders.record import Order, Row, row_numbers
from airflow_provider_starvideos.orders.sending import Halt
from airflow_provider_starvideos.orders.states import STATES, OrderState

MAX_REASONS = 20  # each a line; equal ones are one


@dataclass(frozen=True)
class Ending:
    """What decides how a batch ends."""

    halt: Halt | None  # why ordering ended early, if it did
    options: Options  # of the batch
    saves: bool  # a video counts only when it is saved

    def is_done(self, order: Order) -> bool:
        """The row has what was asked for."""
        if order.state is OrderState.REUSED:
            return bool(order.uri)  # else its copy failed
        return order.state == OrderState.SAVED or (order.state == OrderState.COMPLETED and not self.saves)

    def allows(self, failures: int, rows: int) -> bool:
        """So many failures are allowed."""
        limit = self.options.max_failures
        # Divided, not multiplied: 0.29 * 100 is less than 29, and 29 / 100 is 0.29.
        return (failures / rows if isinstance(limit, float) else failures) <= limit

    def kind(self, bad: Sequence[tuple[Row, Order]]) -> type[StarVideosBatchError]:
        """Return the error that says whether a retry helps."""
        if self.halt and self.halt.permanent:
            return StarVideosBatchFinalError
        asked = {OrderState.FAILED: self.options.retry_failed, OrderState.UNCONFIRMED: self.options.resubmit}
        helps = any(STATES[order.state].retry_helps or asked.get(order.state) for _, order in bad)
        return StarVideosBatchError if helps else StarVideosBatchFinalError


def check(results: Sequence[tuple[Row, Order]], ending: Ending, variable: str, where: str, log: Any) -> None:
    """Fail the batch if too many rows have no video.

    :param results: every row with its order
    :param variable: the Airflow Variable of a person's decision
    :param where: the message's last line: where the videos are
    :raises StarVideosBatchError: too many; a retry can help
    :raises StarVideosBatchFinalError: too many; a retry can't help
    """
    bad = [(row, order) for row, order in results if not ending.is_done(order)]
    if not bad:
        return
    text = "\n".join(_lines(bad, len(results), ending, where))
    if not ending.allows(len(bad), len(results)):
        limit = f"At most {ending.options.max_failures} may be without (max_failures)."
        is_asked = any(order.state in UNDECIDED for _, order in bad) and not ending.options.resubmit
        if is_asked:
            discard_earlier_decision(variable, log)
        raise ending.kind(bad)(f"{text}\n{limit}{how_to_decide(variable, is_batch=True) if is_asked else ''}")
    # The success deletes the journal: a clear would order all rows again, so it isn't advised for some of them.
    allowed = (
        "At most %s may be without (max_failures), so the task succeeds. Cleared, it orders all rows again, "
        "with a library those that aren't there."
    )
    log.warning(f"%s\n{allowed}", text, ending.options.max_failures)  # noqa: G004  one message


def _lines(bad: Sequence[tuple[Row, Order]], rows: int, ending: Ending, where: str) -> Iterator[str]:
    states = Counter(order.state for _, order in bad)
    counts = ", ".join(f"{number} {state}" for state, number in states.most_common())
    yield f"{len(bad)} of {rows} rows have no video as asked for: {counts}."
    if ending.halt:
        yield f"Ordering ended early: {ending.halt.why}"
    reasons: dict[tuple[OrderState, str | None], list[int]] = defaultdict(list)
    for row, order in bad:
        reasons[order.state, order.error].append(row.number)
    for (state, error), numbers in islice(reasons.items(), MAX_REASONS):
        meaning = STATES[state]
        reason = f" {error}" if error else ""
        yield f"{row_numbers(numbers)}: {meaning.text}. Billed: {meaning.billed}.{reason}"
    if len(reasons) > MAX_REASONS:
        left = [number for numbers in list(reasons.values())[MAX_REASONS:] for number in numbers]
        yield f"And {len(reasons) - MAX_REASONS} more reasons: {row_numbers(left)}."
    yield where
