"""Who answers the questions of tasks on a real Airflow, as its page does."""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.orders.record import fingerprint_of
from airflow_provider_starvideos.orders.store import journal_name
from dev.airflow_api import path
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import left_its_worker, no_task_talking, orders_of

WAITS = "awaiting_input" if AIRFLOW_V_3_3_PLUS else "deferred"
ENDED = {"success", "failed", "skipped"}


class People:
    """Who answers the questions of one run of a Dag.

    :param airflow: where it runs
    :param emulator: what it orders from
    :param dag_id: the Dag
    :param run_id: its run; it may be set later
    """

    def __init__(self, airflow: AirflowStack, emulator: Emulator, dag_id: str, run_id: str = "") -> None:
        self.airflow, self.emulator, self.dag_id, self.run_id = airflow, emulator, dag_id, run_id

    def question(self, task_id: str, index: int = -1, *, try_number: int = 1) -> Any:
        """Wait for a try's question, and until Airflow has noted that the task has left its worker, and return it.

        An answer before that may cost the task a try.
        """
        asked, what = partial(self.asked, task_id, index, try_number), f"the question of {task_id}[{index}]"
        return self.airflow.wait(self.dag_id, self.run_id, asked, f"{what}, try {try_number}")

    def asked(self, task_id: str, index: int, try_number: int) -> Any:
        """Return a try's question, if it is there and the task has left its worker; otherwise None."""
        ti = self.airflow.task(self.dag_id, self.run_id, task_id, index)
        if not ti or (ti["state"], ti["try_number"]) != (WAITS, try_number):
            return None
        left = left_its_worker(self.airflow, self.dag_id, self.run_id, task_id, try_number, index)
        return self.open_question(task_id, index) if left else None

    def open_question(self, task_id: str, index: int = -1) -> Any:
        """Return what a task asks, if that isn't answered yet."""
        found = self.airflow.api.get(self._path(task_id, index))
        if found["response_received"]:
            return None
        # The page may show an earlier question: the task's log and this XCom have the current one.
        return found | self.airflow.xcom(self.dag_id, self.run_id, task_id, "question", map_index=index)

    def answer(self, question: Any, option: str, **fields: Any) -> None:
        """Answer a question as Airflow's page does."""
        ti = question["task_instance"]
        given = {"question": question["code"], **fields}
        body = {"chosen_options": [option], "params_input": given}
        with no_task_talking(self.airflow):
            self.airflow.api.patch(self._path(ti["task_id"], ti["map_index"]), body)

    def clear(self, task_id: str) -> None:
        """Clear a task."""
        with no_task_talking(self.airflow):
            self.airflow.clear(self.dag_id, self.run_id, [task_id])

    def decide(self, task_id: str, decision: str) -> None:
        """Set the Variable that decides about a task's order."""
        (order,) = orders_of(self.airflow, self.dag_id, self.run_id, task_id)
        name = journal_name(self.dag_id, self.run_id, task_id, -1).decision(fingerprint_of(order["key"]))
        with no_task_talking(self.airflow):
            self.airflow.api.post("/variables", {"key": name, "value": decision})

    def end(self, task_id: str, index: int = -1) -> str:
        """Wait for a task's end, and return its state."""
        ti = self.airflow.wait_for_task(self.dag_id, self.run_id, task_id, ENDED, map_index=index)
        return str(ti["state"])

    def log(self, task_id: str, try_number: int = 1, index: int = -1) -> str:
        """Return the log of a try."""
        return self.airflow.log(self.dag_id, self.run_id, task_id, try_number, map_index=index)

    def orders(self, prompt: str) -> list[Any]:
        """Return what was billed for a prompt, in this run."""
        return [order for order in self.emulator.orders if order.prompt == f"{prompt} {self.run_id}"]

    def rows(self, begin: str) -> list[Any]:
        """Return what was billed for rows of the batch, of this run."""
        end = f". {self.run_id}"
        return [one for one in self.emulator.orders if one.prompt.startswith(begin) and one.prompt.endswith(end)]

    def kill(self, task_id: str, number: int) -> None:
        """Kill the process whose order, of that number, hangs."""
        wait_until(lambda: len(self.orders(task_id)) == number or None, f"order {number} of {task_id}")
        for process in self.airflow.task_processes(self.dag_id, task_id, self.run_id):
            process.kill()

    def _path(self, task_id: str, index: int) -> str:
        return path("dags", self.dag_id, "dagRuns", self.run_id, "taskInstances", task_id, index, "hitlDetails")
