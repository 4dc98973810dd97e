"""A person's approval of what is about to be ordered. It is kept with each order, and is good for one order of it.

So it can't be used for other requests, nor for a second order of the same request, and it outlives retries and clears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.compat.human_input import Answer
from airflow_provider_starvideos.exceptions import StarVideosNotApprovedError
from airflow_provider_starvideos.orders.estimate import Estimate
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.questions import APPROVE, REJECT, approval_question
from airflow_provider_starvideos.orders.record import Row

A_PERSON = "a person"  # whose name Airflow doesn't give


@dataclass(frozen=True)
class Approval:
    """When a task needs an approval."""

    # orders of a task instance, over all of its tries, that need none; None: no order needs one
    above: int | None = None
    timeout: float | None = None  # seconds in which a person must answer; None: without end

    def needed(self, journal: Journal, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that may not be ordered before a person has approved them: all that aren't, or none.

        :param journal: loaded
        :param rows: those that are to be ordered next
        """
        if self.above is None or journal.times_ordered() + len(rows) <= self.above:
            return []
        orders = ((row, journal.get(row.key)) for row in rows)
        return [row for row, order in orders if order is None or not order.is_approved]

    def obtain(self, person: Person, journal: Journal, rows: Sequence[Row], new: Sequence[Row], log: Any) -> None:
        """Ask a person to approve orders, and keep the approval.

        :param person: to be asked; without an answer yet, this leaves the worker
        :param journal: loaded
        :param rows: all rows of the task
        :param new: those that need an approval; none: a rejection counts all the same
        :raises StarVideosNotApprovedError: rejected, or not answered in time
        :raises StarVideosQuestionError: Airflow can't ask
        :raises StarVideosRecordError: the approval can't be written; nothing was sent
        """
        if not new:
            if person.says(REJECT):  # and the Dag has changed meanwhile
                raise _rejected("The order:", Answer(REJECT, {}, None))
            return
        estimate = Estimate.of((row, journal.get(row.key)) for row in rows)
        question = approval_question([(row, journal.get(row.key)) for row in new], estimate)
        answer = person.answer(question, timeout=self.timeout)
        if answer is None or answer.option != APPROVE:
            raise _rejected(question.subject, answer)
        who = answer.who or A_PERSON
        for row in new:
            order = journal.open(row.key)
            order.describe(row)
            order.approve(who)
            journal.touch([order])
        journal.commit_surely()
        log.info("Approved by %s: %d orders.", who, len(new))


NONE_NEEDED = Approval()


def _rejected(subject: str, answer: Answer | None) -> StarVideosNotApprovedError:
    late = "No answer came in time, so it counts as rejected"
    why = f"Rejected by {answer.who or A_PERSON}" if answer else late
    return StarVideosNotApprovedError(
        f"{subject} {why}.\nBilled: no. None of it was ordered.\nTo be asked again: clear the task."
    )


def approvers(journal: Journal) -> list[str]:
    """Return who approved orders of a task instance, each once.

    :param journal: loaded
    """
    return sorted({order.approved_by for order in journal.orders() if order.approved_by})
