"""For the batch's tests: one task instance with as many worker runs and tries as a test wants, over the emulator.

Its store is watched and can fail. A leg is a worker run: what one process of the task does. Between two
of them everything crosses JSON, as it does in Airflow.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_starvideos.batch.batch import Batch
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.orders.installation import VARIABLE
from airflow_provider_starvideos.triggers.batch import StarVideosBatchTrigger
from tests.orders.asking import Instance
from tests.orders.variables import Variables

LOG = logging.getLogger("tests.batch")


class Operator(StarVideosBatchOperator):
    """The operator, with a log that a test can read."""

    log = LOG


class Desk:
    """One task instance of a batch.

    :param emulator: the API
    :param variables: Airflow's, watched
    """

    def __init__(self, emulator: Emulator, variables: Variables) -> None:
        self.emulator, self.variables, self.ti = emulator, variables, Instance("batch")
        self.kwargs: dict[str, Any] = {}
        self.legs = 0
        self.deferred: TaskDeferred | None = None
        self.operator: StarVideosBatchOperator | None = None
        self.sent_sizes: list[int] = []
        self.event_sizes: list[int] = []

    @property
    def context(self) -> Any:
        return {"ti": self.ti}

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
        """Run a try to its end, with all its worker runs, and return what the task returns."""
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
        self.ti.state = "success"
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


def make_desk(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a task instance, with Airflow's Variables in this process."""
    variables = Variables()
    variables.texts[VARIABLE] = json.dumps(uuid4().hex)  # an Airflow that has used a library before
    variables.install(monkeypatch)
    return Desk(emulator, variables)


def prompts(number: int, **fields: Any) -> list[Mapping[str, Any]]:
    """Return rows with different prompts: ``fox 1.``, ``fox 2.``, …"""
    return [{"prompt": f"fox {index}.", **fields} for index in range(1, number + 1)]
