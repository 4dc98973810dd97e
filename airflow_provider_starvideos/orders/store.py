"""Where the journal is kept: in Airflow Variables, on every version of Airflow.

A Variable is what outlives everything that may come between an order and its end: a retry (XComs don't), a clear (a
coming Airflow discards the state of a task that is cleared, apache/airflow#72100), a retention (the state store has
one), an upgrade of Airflow. A worker can write it, and so can the triggerer, which ends tasks. It is deleted when the
task succeeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_starvideos.compat import supervisor

ORDER_PREFIX = "starvideos_order_"
DECISION_PREFIX = "starvideos_decision_"


class Store(Protocol):
    """Keeps JSON objects by name. Every method may raise whatever Airflow raises."""

    def names(self, base: str) -> list[str] | None:
        """Return the names that begin with a text; None: this store can't list them."""

    def read(self, name: str) -> Any | None:
        """Return an object, or None if there is none."""

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keep an object. It replaces the earlier one."""

    def delete(self, name: str) -> None:
        """Keep nothing; not an error if there is nothing."""


class VariableStore:
    """Airflow Variables.

    :param what: what they are, for Airflow's page of Variables
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def names(self, base: str) -> list[str] | None:
        """Return the names that begin with a text; None: this Airflow can't list them (before 3.3)."""
        return supervisor.list_variables(base)

    def read(self, name: str) -> Any | None:
        """Return an object, or None if there is none."""
        text = supervisor.read_variable(name)
        return None if text is None else json.loads(text)

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keep an object. It replaces the earlier one."""
        supervisor.write_variable(name, json.dumps(value, separators=(",", ":")), self._what)

    def delete(self, name: str) -> None:
        """Keep nothing."""
        supervisor.delete_variable(name)


@dataclass(frozen=True)
class JournalName:
    """The names of the Variables of a task instance's journal, the same over all of its tries."""

    base: str  # what all of them begin with; the first version kept the record of an order under it
    subject: str  # the task instance, for people

    def page(self, try_number: int, part: int = 0) -> str:
        """Return the Variable of a part of a try's page."""
        return f"{self.base}_{try_number}" + (f"_{part}" if part else "")

    def decision(self, request: str) -> str:
        """Return the Variable of a person's decision. It can be named without any record of the order.

        :param request: the fingerprint of what is ordered; of a batch, the digest of all
        """
        return DECISION_PREFIX + hashlib.sha256(f"{self.base} {request}".encode()).hexdigest()[:12]


def journal_name(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> JournalName:
    """Return the name of a task instance's journal.

    :param map_index: negative or None: it isn't mapped
    """
    subject = f"{dag_id} / {run_id} / {task_id} [{-1 if map_index is None else map_index}]"
    # A digest, because a Variable's key is limited to 250 characters.
    return JournalName(ORDER_PREFIX + hashlib.sha256(subject.encode()).hexdigest()[:32], subject)


def try_of(name: str) -> int | None:
    """Return the try whose page a Variable belongs to; None: it isn't one of a page."""
    parts = name.removeprefix(ORDER_PREFIX).split("_")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else None


def latest_page(names: Iterable[str]) -> tuple[JournalName, int]:
    """Return the name of the journal that pages belong to, and the latest try that has one.

    :param names: Variables of one journal, one at least
    """
    tries = {name: try_of(name) or 1 for name in names}
    base = next(iter(tries)).removeprefix(ORDER_PREFIX).partition("_")[0]
    return JournalName(ORDER_PREFIX + base, ""), max(tries.values())
