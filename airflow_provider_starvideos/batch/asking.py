"""What a batch asks a person: whether new rows may be ordered, and what became of rows of unknown outcome.

A batch asks only once nothing else is left to do: rows that need no person are ordered, waited for and saved before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.orders.approval import Approval
from airflow_provider_starvideos.orders.decisions import UNDECIDED, ask_about
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.record import Row

if TYPE_CHECKING:
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook


class Asking:
    """The questions of a batch.

    :param approval: when new rows need one
    :param asks: whether rows of unknown outcome are asked about
    :param hook: the API
    :param journal: loaded
    :param log: a logger
    """

    def __init__(self, approval: Approval, hook: StarVideosHook, journal: Journal, log: Any, *, asks: bool) -> None:
        self._approval = approval
        self._asks = asks
        self._hook = hook
        self._journal = journal
        self._log = log

    def allowed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that may be ordered without another approval.

        :param rows: all that are to be ordered
        """
        held = {row.key for row in self._approval.needed(self._journal, rows)}
        return [row for row in rows if row.key not in held]

    def ask(self, person: Person, rows: Sequence[Row], new: Sequence[Row], variable: str) -> bool:
        """Ask a person about the first thing that only a person can decide.

        :param person: to be asked; without an answer yet, this leaves the worker
        :param rows: all rows
        :param new: those that are to be ordered
        :param variable: the Variable of a decision about rows of unknown outcome
        :return: whether there is more to do now
        :raises StarVideosNotApprovedError: rejected, or not answered in time
        :raises StarVideosQuestionError: Airflow can't ask
        :raises StarVideosRecordError: the answer can't be written; nothing was sent
        """
        needed = self._approval.needed(self._journal, new)
        self._approval.obtain(person, self._journal, rows, needed, self._log)
        if needed:
            return True
        if not self._asks or not any((one := self._journal.get(row.key)) and one.state in UNDECIDED for row in rows):
            person.note_unused()
            return False
        return ask_about(person, self._hook, self._journal, variable, rows, self._log, is_batch=True)
