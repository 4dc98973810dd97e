"""A row of the crash matrix: one wanted video, what happens to its task, and what must come of it.

A row is a mapped task instance with its own prompt, and a script: a generator that arranges what goes wrong,
then yields what it waits for, and acts when that has come.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.orders.questions import THIS_VIDEO
from airflow_provider_starvideos.orders.store import JournalName, journal_name
from dev.airflow_api import AirflowApiError, path
from tests.airflow.looks import left_its_worker, orders_of
from tests.airflow.people import WAITS as WAITS_FOR_PERSON
from tests.airflow.people import People

if TYPE_CHECKING:
    from tests.airflow.crash.bench import Bench

TASK = "order"
AIRFLOW_3_0 = not AIRFLOW_V_3_1_PLUS
# The state of a row whose task Airflow 3.0 has failed because its process was killed: later ones try it again. The
# bench then clears it, as a user does, and the next try must do what it does elsewhere.
KILLED = "killed"
CONFLICT = 409
DEFERRED = {"wait_for_completion": True, "deferrable": True}
WAITS: dict[str, dict[str, bool]] = {
    "none": {"wait_for_completion": False},
    "deferred": DEFERRED,
    "blocking": {"wait_for_completion": True, "deferrable": False},
    "ended there": DEFERRED,  # with the Dag "crash_ended", on Airflow 3.3+
}

Condition = Callable[[], object]
Script = Iterator[Condition]


@dataclass
class Outcome:
    """What came of a row, as measured."""

    what: str
    wait: str
    billed: int
    delivered: int
    state: str
    tries: int
    told: str
    table: str = "crash matrix"


@dataclass
class Row:
    """One wanted video, and what happens to its task.

    :param what: happens, for the table
    :param script: makes it happen
    :param told: what the task's log must say
    :param billed: how many orders the emulator must have taken
    :param delivered: whether the task must end well, with the id of a video ordered for it; None: either
    :param tries: how many tries it must have taken (not counted: those of `Bench.extra_tries`)
    :param told_at: the try whose log must say it; None: ``tries``
    :param wait: a key of `WAITS`
    :param kwargs: more arguments of the operator
    :param ends: how the row's videos end, one after the other; further ones are completed
    """

    what: str
    script: Callable[[Row], Script]
    told: str
    billed: int = 1
    delivered: bool | None = True
    tries: int | None = None
    wait: str = "none"
    kwargs: dict[str, Any] = field(default_factory=dict)
    ends: tuple[str, ...] = ()
    told_at: int | None = None
    holds_video: bool = False
    left_killed: bool = False
    bench: Bench = field(init=False, repr=False)
    index: int = field(init=False, default=-1)
    name: str = field(init=False, default="")
    prompt: str = field(init=False, default="")

    # What a script waits for

    def state_is(self, *states: str) -> Condition:
        """Airflow has the task in one of these states."""
        return lambda: self.state in states

    def try_is(self, number: int, *states: str) -> Condition:
        """The task is at this try, in one of these states."""
        return lambda: self.try_number == number and self.state in states

    def ended(self, *states: str) -> Condition:
        """The task is in one of these states, and a journal that ends with its success is deleted."""
        return lambda: self.state in states and (self.state != "success" or not self.records())

    def held_at(self, place: str) -> Condition:
        """The task's process waits at this point."""
        return lambda: self._file("held", place).exists() and self.processes()

    def happened(self, event: str, **match: object) -> Condition:
        """The emulator's journal has such an event of this row."""
        return lambda: self.bench.emulator.journal(self.bench.since, event, contains=self.name, **match)

    def recorded(self) -> Condition:
        """The video's id is on record."""
        return lambda: (self.record() or {}).get("video_id")

    def polled(self, times: int) -> Condition:
        """The emulator was asked for the row's video that often."""
        return lambda: sum(order.queries for order in self.orders) >= times

    def asks(self, try_number: int) -> Condition:
        """This try's question can be answered."""
        return lambda: self.try_is(try_number, WAITS_FOR_PERSON)() and self.people.asked(TASK, self.index, try_number)

    # What a script does

    def hold(self, place: str) -> None:
        """Have the task's process wait at a point until it is let go: where ``dags/crash_rows.py`` calls ``hold``."""
        self._file("hold", place).touch()

    def let_go(self, place: str) -> None:
        """Let the task's process go on; also one that is yet to come there."""
        self._file("hold", place).unlink(missing_ok=True)
        self._file("held", place).unlink(missing_ok=True)

    def fault(self, kind: str, **fields: Any) -> str:
        """Spoil the row's next order."""
        return self.bench.emulator.add_fault(on="create", kind=kind, match=self.name, **{"times": 1, **fields})

    def kill(self) -> None:
        """Kill the task's process as the kernel does when memory runs out."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # it is reaped at any moment
                process.kill()
                # Not until it is reaped: its parent may be stopped.
                while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    time.sleep(0.01)
        self.left_killed = AIRFLOW_3_0

    def clear(self) -> None:
        """Clear the task, as a user does."""
        with self.bench.no_task_talking():
            self.bench.airflow.clear(self.bench.dag_id, self.bench.run_id, [(TASK, self.index)])

    def change_prompt(self, prompt: str) -> None:
        """Have the template give another prompt from now on."""
        self.prompt = prompt
        (self.bench.folder / f"{self.name}.prompt").write_text(prompt)

    def discard_state(self) -> None:
        """Delete what Airflow keeps of the task instance's state, as a coming version does at a clear."""
        if AIRFLOW_V_3_3_PLUS:
            whose = f"run_id = '{self.bench.run_id}' AND map_index = {self.index}"
            self.bench.write(f"DELETE FROM task_state_store WHERE {whose}")

    def mark_failed(self) -> None:
        """Mark the task as failed, as a user does."""
        with self.bench.no_task_talking():
            self.bench.airflow.mark(self.bench.dag_id, self.bench.run_id, TASK, "failed", map_index=self.index)

    def decide(self, decision: str) -> None:
        """Set the Variable that the error names, as a user does."""
        key = re.search(r"Variable (starvideos_decision_\w+)", self.log())
        assert key, self.log()
        variable = {"key": key[1], "value": decision}
        with self.bench.no_task_talking():
            try:
                self.bench.airflow.api.post("/variables", variable)
            except AirflowApiError as error:
                if error.status != CONFLICT:
                    raise
                self.bench.airflow.api.patch(path("variables", key[1]), variable)

    def answer(self, option: str) -> None:
        """Answer the task's question, as a person does on Airflow's page."""
        named = {"video_id": self.orders[0].id} if option == THIS_VIDEO else {}
        self.people.answer(self.people.open_question(TASK, self.index), option, **named)

    # What there is

    @property
    def table(self) -> str:
        """The table in which it is shown."""
        asks = "approval" in self.kwargs or self.kwargs.get("on_unconfirmed") == "ask"
        return "person" if asks else "crash matrix"

    @property
    def people(self) -> People:
        """Who answers the run's questions."""
        return People(self.bench.airflow, self.bench.emulator, self.bench.dag_id, self.bench.run_id)

    @property
    def defers(self) -> bool:
        """Whether it waits in the triggerer."""
        return WAITS[self.wait] is DEFERRED

    @property
    def orders(self) -> list[Any]:
        """What the emulator has taken and billed for this row."""
        return [order for order in self.bench.orders if self.name in order.prompt]

    @property
    def state(self) -> str:
        state = str(self.bench.tasks.get(self.index, {}).get("state"))
        return KILLED if state == "failed" and self.left_killed else state

    @property
    def try_number(self) -> int:
        return int(self.bench.tasks.get(self.index, {}).get("try_number") or 0)

    def waits(self, order: Any) -> bool:
        """Whether its task waits for the video of an order, and Airflow has noted that: then it may end."""
        return not self.defers or (self.state == "deferred" and order.queries > 0 and self.left_its_worker())

    def left_its_worker(self) -> bool:
        """Whether Airflow has noted the end of each process of this try."""
        bench = self.bench
        return left_its_worker(bench.airflow, bench.dag_id, bench.run_id, TASK, self.try_number, self.index)

    def processes(self) -> list[psutil.Process]:
        return self.bench.airflow.task_processes(self.bench.dag_id, TASK, self.bench.run_id, self.index)

    def record(self) -> dict[str, Any] | None:
        found = self.records()
        return found[0] if found else None

    def records(self) -> list[dict[str, Any]]:
        return orders_of(self.bench.airflow, self.bench.dag_id, self.bench.run_id, TASK, self.index)

    @property
    def journal(self) -> JournalName:
        """The names of its Variables."""
        return journal_name(self.bench.dag_id, self.bench.run_id, TASK, self.index)

    def log(self, try_number: int | None = None) -> str:
        return self.bench.airflow.log(
            self.bench.dag_id, self.bench.run_id, TASK, try_number or self.try_number, map_index=self.index
        )

    @property
    def supervisor(self) -> psutil.Process:
        """The parent of the task's process: it talks to Airflow for it."""
        (process,) = self.processes()
        parent = process.parent()
        assert parent is not None
        return parent

    def _file(self, word: str, place: str) -> Path:
        return self.bench.folder / f"{self.name}.{word}-{place}"

    def conf(self) -> dict[str, Any]:
        kwargs = {"starvideos_conn_id": "crash", "timeout": 120, **WAITS[self.wait], **self.kwargs}
        return {"name": self.name, "prompt": self.prompt, "kwargs": kwargs}

    def outcome(self) -> Outcome:
        found = re.search(self.told, self._telling_log())
        returned = None
        if self.state == "success":
            returned = self.bench.airflow.xcom(self.bench.dag_id, self.bench.run_id, TASK, map_index=self.index)
        delivered = returned in [order.id for order in self.bench.orders if order.prompt == self.prompt]
        told = re.sub(r"video_[0-9a-f-]{36}", "ID", found[0] if found else "")
        # No more than there are too many: the same line is written where a killed try's end is noted late.
        tries = max(self.try_number - self.bench.extra_tries(self.index), min(self.tries or 0, self.try_number))
        return Outcome(self.what, self.wait, len(self.orders), int(delivered), self.state, tries, told, self.table)

    def _telling_log(self) -> str:
        if self.told_at:
            return self.log(self.told_at)
        first = self.tries or self.try_number
        return "\n".join(self.log(number) for number in range(first, self.try_number + 1))

    def problems(self) -> list[str]:
        got = self.outcome()
        wanted = {"billed": self.billed}
        if self.delivered is not None:
            wanted["delivered"] = int(self.delivered)
        if self.tries is not None:
            wanted["tries"] = self.tries
        problems = [
            f"{name}: {getattr(got, name)}, not {want}" for name, want in wanted.items() if getattr(got, name) != want
        ]
        if not got.told:
            problems.append(f"the log of try {self.try_number} doesn't say {self.told!r}")
        return [f"{self.name} {self.what} [{self.wait}]: {problem}\n{self.log()[-3000:]}" for problem in problems]
