"""Airflow's Variables for tests: watched, and able to fail; and the journal in them as anybody finds it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from airflow_provider_starvideos.compat import supervisor
from airflow_provider_starvideos.compat.human_input import Question
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.record import Order
from airflow_provider_starvideos.orders.store import (
    DECISION_PREFIX,
    ORDER_PREFIX,
    JournalName,
    journal_name,
    latest_page,
)

LOG = logging.getLogger("tests.orders")
NAME = journal_name("dag", "run", "task", -1)


def _no_person(question: Question, until: float | None) -> NoReturn:
    raise AssertionError(f"a question that no task asks: {question.subject}")


NOBODY = Person(_no_person, LOG)


class Variables:
    """Keeps texts by key; notes each write; refuses and watches as a test says."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.steps: list[tuple[str, str]] = []
        self.writes: list[tuple[str, Any]] = []
        self.largest = 0
        self.can_list = True  # Airflow 3.3 and later
        self.refuses: Callable[[str, str, Any], bool] = lambda step, key, value: False
        self.watches: Callable[[str, str, Any], None] = lambda step, key, value: None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be the Variables of this process."""
        monkeypatch.setattr(supervisor, "read_variable", self.read_variable)
        monkeypatch.setattr(supervisor, "list_variables", self.names)
        monkeypatch.setattr(supervisor, "write_variable", self.write_variable)
        monkeypatch.setattr(supervisor, "delete_variable", self.delete_variable)

    def read_variable(self, key: str) -> str | None:
        self._note("read", key)
        return self.texts.get(key)

    def write_variable(self, key: str, value: str, description: str) -> None:
        parsed = json.loads(value)
        self._note("write", key, parsed)
        self.texts[key] = value
        self.writes.append((key, parsed))
        self.largest = max(self.largest, len(value))
        self.watches("written", key, parsed)

    def delete_variable(self, key: str) -> None:
        self._note("delete", key)
        self.texts.pop(key, None)

    def names(self, base: str) -> list[str] | None:
        """As a ``Store``."""
        if not self.can_list:
            return None
        self._note("list", base)
        return [key for key in self.texts if key.startswith(base)]

    def read(self, name: str) -> Any:
        """As a ``Store``."""
        text = self.read_variable(name)
        return None if text is None else json.loads(text)

    def write(self, name: str, value: dict[str, Any]) -> None:
        self.write_variable(name, json.dumps(value), "")

    delete = delete_variable

    def _note(self, step: str, key: str, value: Any = None) -> None:
        self.steps.append((step, key))
        self.watches(step, key, value)
        if self.refuses(step, key, value):
            raise OSError("no more room")

    # -- what is in them

    @property
    def journals(self) -> dict[str, str]:
        """The Variables of orders."""
        return {key: text for key, text in self.texts.items() if key.startswith(ORDER_PREFIX)}

    @property
    def decisions(self) -> dict[str, str]:
        """The Variables of decisions."""
        return {key: text for key, text in self.texts.items() if key.startswith(DECISION_PREFIX)}

    def journal(self, name: JournalName | None = None, try_number: int | None = None) -> Journal:
        """Return the journal as a new process finds it; without a name, the only one that there is."""
        there, latest = latest_page(self.journals) if self.journals else (NAME, 1)
        unwatched = Variables()
        unwatched.texts = self.texts
        journal = Journal(unwatched, name or there, try_number or latest, LOG, sleep=lambda seconds: None)
        journal.load()
        return journal

    def orders(self) -> list[Order]:
        """Return what is known of all orders."""
        return list(self.journal().orders())

    def states(self) -> Counter[str]:
        """Return how many orders there are in each state."""
        return Counter(str(order.state) for order in self.orders())
