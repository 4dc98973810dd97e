"""Airflow's page of required actions for tests: one text for all questions of a task instance, as Airflow has it.

And a task instance with a ``create``, with as many tries and processes as a test wants.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_starvideos.compat import human_input
from airflow_provider_starvideos.compat.human_input import (
    CODE_FIELD,
    CannotBeAnsweredError,
    Offer,
    Question,
    Recipients,
)
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.operators import person
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from tests.orders.variables import Variables

LOG = logging.getLogger("tests.orders")


class Left(BaseException):
    """The task has left its worker, and waits for a person."""


class Page:
    """The page. It shows the text of a task instance's first question, whatever is asked after that."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.options: tuple[str, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.timeout: timedelta | None = None
        self.recipients: Recipients | None = None
        self.is_down = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be the page of this process, whatever Airflow is installed."""
        monkeypatch.setattr(human_input, "ask", self._ask)
        monkeypatch.setattr(person, "AIRFLOW_V_3_1_PLUS", True)

    @property
    def question(self) -> Question:
        """What is asked now; the task's log has it."""
        return self.questions[-1]

    @property
    def times_asked(self) -> int:
        return len(self.questions)

    def answer(self, option: str, *, of: Question | None = None, who: str | None = "anna", **fields: Any) -> Any:
        """Return the event of an answer.

        :param of: the question whose code the person gives; None: the one that is asked now
        """
        given = {CODE_FIELD: (of or self.question).code, **fields}
        user = {"id": "1", "name": who} if who else None
        event = {"chosen_options": [option], "params_input": given, "responded_by_user": user, "timedout": False}
        return json.loads(json.dumps(event))

    def _ask(
        self,
        operator: Any,
        context: Any,
        question: Question,
        *,
        method_name: str,
        offer: Offer,
        timeout: timedelta | None = None,
        kwargs: Any = None,
        recipients: Recipients | None = None,
    ) -> None:
        if self.is_down:
            raise OSError("no api-server")
        assert method_name == "execute_answered"
        assert len(question.body) < 60_000
        self.options = self.options or tuple(offer.options)
        if set(question.options) - set(self.options):
            raise CannotBeAnsweredError("the page has other options")
        assert set(question.fields) <= set(offer.fields)
        self.questions.append(question)
        self.kwargs, self.timeout, self.recipients = json.loads(json.dumps(kwargs)), timeout, recipients
        raise Left


class Instance:
    """What an operator needs of the running task instance."""

    dag_id, run_id, map_index = "dag", "run", -1

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.try_number = 1
        self.xcoms: dict[str, Any] = {}
        self.state = "running"

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, key: str, **_: Any) -> Any:
        return self.xcoms.get(key)

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        return {self.run_id: {self.task_id: self.state}}


class Operator(StarVideosCreateOperator):
    """The operator, with a log that a test can read."""

    log = LOG


class Create:
    """A task instance that orders one video.

    :param emulator: the API
    """

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
        self.emulator, self.variables, self.ti = emulator, Variables(), Instance("order")
        self.variables.install(monkeypatch)
        self.page = Page()
        self.page.install(monkeypatch)
        self.kind: Callable[..., StarVideosCreateOperator] = Operator
        self.kwargs: dict[str, Any] = {"prompt": "a red fox"}

    @property
    def context(self) -> Any:
        return {"ti": self.ti}

    def make(self) -> StarVideosCreateOperator:
        """Return the operator as a new process has it."""
        return self.kind(task_id="order", **self.kwargs)

    def run(self) -> str:
        """Run a process that begins a try."""
        return self.make().execute(self.context)

    def asks(self, run: Callable[[], Any] | None = None) -> Question:
        """Run a process until it asks, and return the question."""
        with pytest.raises(Left):
            (run or self.run)()
        return self.page.question

    def answer(self, option: str, **fields: Any) -> str:
        """Run the process that takes an answer to the question which is shown."""
        return self.take(self.page.answer(option, **fields))

    def take(self, event: Any) -> str:
        """Run the process that Airflow begins with an event."""
        return self.make().execute_answered(self.context, event=event, **self.page.kwargs)

    def next_try(self) -> None:
        """Airflow retries or clears the task: without its XComs, and with no question."""
        self.ti.try_number += 1
        self.ti.xcoms.clear()

    def lose_the_answer(self) -> None:
        """Have the next order accepted, and its answer lost."""
        self.emulator.add_fault(on="create", kind="reset", when="after", times=1)

    def decide(self, decision: str) -> None:
        """Set the Variable that decides about the order."""
        from airflow_provider_starvideos.orders.record import fingerprint_of
        from airflow_provider_starvideos.orders.store import journal_name

        name = journal_name(self.ti.dag_id, self.ti.run_id, self.ti.task_id, self.ti.map_index)
        (order,) = self.variables.orders()
        self.variables.texts[name.decision(fingerprint_of(order.key))] = decision

    @property
    def billed(self) -> int:
        return self.emulator.billed.videos


def deferred(run: Callable[[], Any]) -> TaskDeferred:
    """Run a process until it waits for its video in the triggerer."""
    with pytest.raises(TaskDeferred) as caught:
        run()
    return caught.value
