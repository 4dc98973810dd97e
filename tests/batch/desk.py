"""For the batch's tests: one task instance with as many legs and tries as a test wants, over the emulator.

Its store is watched and can fail. A leg is what one process of the task does; between two legs everything crosses JSON,
as it does in Airflow.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_starvideos.batch import decisions
from airflow_provider_starvideos.batch.batch import Batch
from airflow_provider_starvideos.batch.book import Book
from airflow_provider_starvideos.batch.entries import Entry, RowState
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.triggers.batch import StarVideosBatchTrigger

LOG = logging.getLogger("tests.batch")
STATES = {str(state): state for state in RowState}


class Stores:
    """Keeps JSON texts by name, as Airflow's state store does; notes each write; refuses what a test says."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.writes: list[tuple[str, Any]] = []
        self.largest = 0
        self.refuses: Callable[[str, str, Any], bool] = lambda step, name, value: False
        self.watches: Callable[[str, str, Any], None] = lambda step, name, value: None

    def get(self, key: str) -> Any:
        """As ``context["task_state_store"]``."""
        self._note("read", key)
        return json.loads(self.texts[key]) if key in self.texts else None

    def set(self, key: str, value: Any) -> None:
        self._note("write", key, value)
        self.texts[key] = json.dumps(value)
        self.writes.append((key, value))
        self.largest = max(self.largest, len(self.texts[key]))
        self.watches("written", key, value)

    def delete(self, key: str) -> None:
        self._note("delete", key)
        self.texts.pop(key, None)

    def _note(self, step: str, key: str, value: Any = None) -> None:
        self.watches(step, key, value)
        if self.refuses(step, key, value):
            raise OSError("no more room")

    def book(self) -> Book:
        """Return the record as a new process would find it."""
        book = Book(self.store, LOG, sleep=lambda seconds: None)
        book.load()
        return book

    def store(self, name: str) -> Any:
        """As ``store_of``."""
        return _Store(self, f"starvideos_batch_{name}")

    def states(self) -> Counter[str]:
        """Return how many rows are on record in each state."""
        return Counter(str(entry.state) for entry in self.entries())

    def entries(self) -> list[Entry]:
        return list(self.book().entries())


class _Store:
    def __init__(self, stores: Stores, key: str) -> None:
        self._stores, self._key = stores, key

    def read(self) -> Any:
        return self._stores.get(self._key)

    def write(self, value: Any) -> None:
        self._stores.set(self._key, value)

    def delete(self) -> None:
        self._stores.delete(self._key)


class Instance:
    """What the operator needs of the running task instance."""

    dag_id, run_id, task_id, map_index = "dag", "run", "batch", -1

    def __init__(self) -> None:
        self.try_number = 1
        self.xcoms: dict[str, Any] = {}
        self.state = "success"

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        return {self.run_id: {self.task_id: self.state}}


class Operator(StarVideosBatchOperator):
    """The operator, with a log that a test can read."""

    log = LOG


class Desk:
    """One task instance of a batch.

    :param emulator: the API
    :param variables: Airflow's
    """

    def __init__(self, emulator: Emulator, variables: dict[str, str]) -> None:
        self.emulator, self.variables = emulator, variables
        self.stores, self.ti = Stores(), Instance()
        self.kwargs: dict[str, Any] = {}
        self.legs = 0
        self.deferred: TaskDeferred | None = None
        self.operator: StarVideosBatchOperator | None = None
        self.sent_sizes: list[int] = []
        self.event_sizes: list[int] = []

    @property
    def context(self) -> Any:
        return {"ti": self.ti, "task_state_store": self.stores}

    def make(self, **kwargs: Any) -> StarVideosBatchOperator:
        """Return the operator as a new process has it."""
        return Operator(task_id="batch", **{"poll_interval": 0.05, **self.kwargs, **kwargs})

    def begin(self, requests: Any, **kwargs: Any) -> Batch:
        """Begin a try, and order nothing yet."""
        self.operator = self.make(requests=requests, **kwargs)
        batch = self.operator._batch(self.context)
        batch.begin()
        return batch

    def first_leg(self, requests: Any, **kwargs: Any) -> TaskDeferred:
        """Run a try to its deferral."""
        self.kwargs = {**kwargs, "requests": requests}
        self.legs += 1
        self.operator = self.make()
        with pytest.raises(TaskDeferred) as caught:
            self.operator.execute(self.context)
        return self._through_json(caught.value)

    def run(self, requests: Any, **kwargs: Any) -> Any:
        """Run a try to its end, with all its legs, and return what the task returns."""
        self.kwargs = {**kwargs, "requests": requests}
        self.operator = self.make()
        return self._legs(lambda operator: operator.execute(self.context))

    def next_try(self) -> None:
        """Airflow retries the task."""
        self.ti.try_number += 1
        self.ti.xcoms.clear()

    def resume(self, deferred: TaskDeferred) -> Any:
        """Run the trigger, and the rest of the try."""
        event = self.event_of(deferred)
        return self._legs(lambda operator: operator.execute_complete(self.context, event))

    def event_of(self, deferred: TaskDeferred) -> Any:
        """Run the trigger, and return its event as the resumed task gets it."""
        trigger = deferred.trigger
        assert isinstance(trigger, StarVideosBatchTrigger)
        text = json.dumps(asyncio.run(_sent(trigger)))
        self.event_sizes.append(len(text))
        return json.loads(text)

    def succeed(self) -> None:
        """Airflow has recorded the success."""
        assert self.operator is not None
        callbacks: Any = self.operator.on_success_callback
        callbacks[0](self.context)

    def _legs(self, begin: Callable[[StarVideosBatchOperator], Any]) -> Any:
        leg = begin
        while True:
            self.legs += 1
            self.operator = self.make()
            try:
                return leg(self.operator)
            except TaskDeferred as deferred:
                event = self.event_of(self._through_json(deferred))
                leg = partial(self._resumed, event)

    def _resumed(self, event: Any, operator: StarVideosBatchOperator) -> Any:
        return operator.execute_complete(self.context, event)

    def _through_json(self, deferred: TaskDeferred) -> TaskDeferred:
        path, kwargs = deferred.trigger.serialize()
        text = json.dumps(kwargs)
        assert self.emulator.key not in text
        self.sent_sizes.append(len(text))
        deferred.trigger = StarVideosBatchTrigger(**json.loads(text))
        assert deferred.trigger.serialize()[0] == path
        return deferred

    @property
    def billed(self) -> int:
        return self.emulator.billed.videos

    def billed_prompts(self) -> Counter[str]:
        """Return how often each prompt was billed."""
        return Counter(order.prompt for order in self.emulator.orders)


async def _sent(trigger: StarVideosBatchTrigger) -> Any:
    (event,) = [event async for event in trigger.run()]
    assert len(repr(event)) < 200
    return event.payload


def fake_variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return a dict in place of Airflow's Variables, which Airflow 3.0 has only where a supervisor runs."""
    variables: dict[str, str] = {}

    class FakeVariable:
        delete = staticmethod(variables.pop)

    monkeypatch.setattr(decisions, "variable", variables.get)
    monkeypatch.setattr(decisions, "Variable", FakeVariable)
    return variables


def make_desk(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a task instance, with Airflow's Variables in a dict."""
    return Desk(emulator, fake_variables(monkeypatch))


def prompts(number: int, **fields: Any) -> list[Mapping[str, Any]]:
    """Return rows with prompts of their own: ``fox 1.``, ``fox 2.``, …"""
    return [{"prompt": f"fox {index}.", **fields} for index in range(1, number + 1)]
