"""What a batch asks a person: whether new rows may be ordered, and what became of rows of unknown outcome.

A batch asks only once nothing else is left to do: rows that need no person are ordered, waited for and saved before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.approval import Approval
from airflow_provider_starvideos.orders.decisions import UNDECIDED, ask_about
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.record import Row


@dataclass
class Asking:
    """The questions of a batch."""

    approval: Approval  # when new rows need one
    hook: StarVideosHook
    journal: Journal  # loaded
    log: Any
    _: KW_ONLY
    asks: bool  # whether rows of unknown outcome are asked about

    def allowed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that may be ordered without another approval.

        :param rows: all that are to be ordered
        """
        held = {row.key for row in self.approval.needed(self.journal, rows)}
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
        needed = self.approval.needed(self.journal, new)
        self.approval.obtain(person, self.journal, rows, needed, self.log)
        if needed:
            return True
        if not self.asks or not any((one := self.journal.get(row.key)) and one.state in UNDECIDED for row in rows):
            person.note_unused()
            return False
        return ask_about(person, self.hook, self.journal, variable, rows, self.log, is_batch=True)
