"""Tasks that ask a person, on a real Airflow: whatever is answered, cleared, killed or restarted, nothing is ordered
that no person wanted, and nothing twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.orders.questions import AGAIN, APPROVE, GIVE_UP, REJECT, ROW_BY_ROW, THIS_VIDEO
from airflow_provider_starvideos.orders.record import fingerprint_of
from airflow_provider_starvideos.orders.store import journal_name
from dev.airflow_api import AirflowApiError, path
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import LEG, no_task_talking, orders_of

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 can't ask a person"),
]
DAG = "persons"
WAITS = "awaiting_input" if AIRFLOW_V_3_3_PLUS else "deferred"
ENDED = {"success", "failed", "skipped"}


class People:
    """Who answers the questions of one run of the Dag.

    :param airflow: where it runs
    :param emulator: what it orders from
    """

    def __init__(self, airflow: AirflowStack, emulator: Emulator) -> None:
        self.airflow, self.emulator = airflow, emulator
        self.run_id = ""

    def question(self, task_id: str, index: int = -1, *, try_number: int = 1) -> Any:
        """Wait for a try's question, and until Airflow has noted that the task has left its worker, and return it.

        An answer before that may cost the task a try.
        """

        def asked() -> Any:
            ti = self.airflow.task(DAG, self.run_id, task_id, index)
            if not ti or (ti["state"], ti["try_number"]) != (WAITS, try_number):
                return None
            return self.open_question(task_id, index) if self._left_its_worker(task_id, index, try_number) else None

        try:
            return wait_until(asked, f"the question of {task_id}[{index}], try {try_number}", 120)
        except TimeoutError as error:
            error.add_note(self.airflow.summary(DAG, self.run_id))
            raise

    def open_question(self, task_id: str, index: int = -1) -> Any:
        """Return what a task asks, if that isn't answered yet."""
        found = self.airflow.api.get(self._path(task_id, index))
        if found["response_received"]:
            return None
        # The page may show an earlier question: the task's log and this XCom have the current one.
        return found | self.airflow.xcom(DAG, self.run_id, task_id, "question", map_index=index)

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
            self.airflow.clear(DAG, self.run_id, [task_id])

    def decide(self, task_id: str, decision: str) -> None:
        """Set the Variable that decides about a task's order."""
        (order,) = orders_of(self.airflow, DAG, self.run_id, task_id)
        name = journal_name(DAG, self.run_id, task_id, -1).decision(fingerprint_of(order["key"]))
        with no_task_talking(self.airflow):
            self.airflow.api.post("/variables", {"key": name, "value": decision})

    def end(self, task_id: str, index: int = -1) -> str:
        """Wait for a task's end, and return its state."""
        ti = self.airflow.wait_for_task(DAG, self.run_id, task_id, ENDED, map_index=index, timeout=180)
        return str(ti["state"])

    def log(self, task_id: str, try_number: int = 1, index: int = -1) -> str:
        """Return the log of a try."""
        return self.airflow.log(DAG, self.run_id, task_id, try_number, map_index=index)

    def orders(self, prompt: str) -> list[Any]:
        """Return what was billed for a prompt, in this run."""
        return [order for order in self.emulator.orders if order.prompt == f"{prompt} {self.run_id}"]

    def rows(self, begin: str) -> list[Any]:
        """Return what was billed for rows of the batch, of this run."""
        end = f". {self.run_id}"
        return [one for one in self.emulator.orders if one.prompt.startswith(begin) and one.prompt.endswith(end)]

    def kill(self, task_id: str, number: int) -> None:
        """Kill the process whose order, of that number, hangs."""
        wait_until(lambda: len(self.orders(task_id)) == number or None, f"order {number} of {task_id}", 120)
        for process in self.airflow.task_processes(DAG, task_id, self.run_id):
            process.kill()

    def _left_its_worker(self, task_id: str, index: int, try_number: int) -> bool:
        key = f"TaskInstanceKey(dag_id='{DAG}', task_id='{task_id}', run_id='{self.run_id}', try_number={try_number}"
        lines = self.airflow.processes.log_file("scheduler").read_text(errors="replace").splitlines()
        events = [line for line in lines if "Received executor event" in line and key in line]
        return sum(f"map_index={index}" in line for line in events) >= self.log(task_id, try_number, index).count(LEG)

    def _path(self, task_id: str, index: int) -> str:
        return path("dags", DAG, "dagRuns", self.run_id, "taskInstances", task_id, index, "hitlDetails")


@pytest.fixture(scope="module")
def people(airflow: AirflowStack, emulator: Emulator) -> People:
    """A run of which every task has asked; the scheduler was restarted while they waited."""
    people = People(airflow, emulator)
    airflow.wait_for_dag(DAG)
    for name in ("lost", "again", "gave_up", "decided"):
        emulator.add_fault(on="create", kind="reset", when="after", match=f"{name} ", times=1)
    emulator.add_fault(on="create", kind="hang", when="after", match="killed ", times=2)
    emulator.add_fault(on="create", kind="reset", when="after", match="doubtful ", times=12)
    people.run_id = airflow.trigger(DAG)
    people.kill("killed", 1)
    for name in ("approved", "rejected", "skipped", "cleared", "lost", "again", "gave_up", "decided"):
        people.question(name)
    for index in (0, 1):
        people.question("mapped", index)
    people.question("killed", try_number=2)
    assert people.end("late") == "failed"
    airflow.restart("scheduler")
    return people


def test_a_task_that_waits_for_a_person_costs_nothing(people: People) -> None:
    """No process, and from Airflow 3.3 on no trigger; nothing was ordered without an approval."""
    assert [people.orders(name) for name in ("approved", "rejected", "skipped", "mapped 0")] == [[], [], [], []]
    assert people.airflow.task_processes(DAG, "approved", people.run_id) == []
    if AIRFLOW_V_3_3_PLUS:
        query = "SELECT count(*) AS n FROM task_instance WHERE dag_id = ? AND trigger_id IS NOT NULL"
        with people.airflow.db() as db:
            assert db.execute(query, (DAG,)).fetchone()["n"] == 0


@pytest.fixture(scope="module")
def answered(people: People) -> People:
    """The same run, with every question answered, by whoever could get it wrong."""
    question = {
        name: people.question(name)
        for name in ("approved", "rejected", "skipped", "cleared", "lost", "again", "gave_up", "decided")
    }
    for index, option in ((0, APPROVE), (1, REJECT)):
        people.answer(people.question("mapped", index), option)
    people.answer(question["approved"], APPROVE)
    with pytest.raises(AirflowApiError, match="409"):
        people.answer(question["approved"], REJECT)
    for name in ("rejected", "skipped"):
        people.answer(question[name], REJECT)
    people.answer(question["gave_up"], GIVE_UP)
    people.answer(question["again"], AGAIN)
    people.answer(question["lost"], THIS_VIDEO, video_id="video_starvideos_1234567890")
    people.answer(people.question("killed", try_number=2), AGAIN)
    people.kill("killed", 2)
    people.decide("decided", people.orders("decided")[0].id)
    for name in ("decided", "cleared"):
        people.clear(name)
    people.question("cleared", try_number=2)
    people.answer(question["cleared"], APPROVE)
    people.answer(people.question("lost"), THIS_VIDEO, video_id=people.orders("lost")[0].id)
    people.answer(people.question("killed", try_number=3), THIS_VIDEO, video_id=people.orders("killed")[1].id)
    wait_until(lambda: people.log("cleared", 2).count("is asked again") or None, "the old answer to be refused", 60)
    people.answer(people.question("cleared", try_number=2), APPROVE)
    return people


@pytest.mark.parametrize(
    ("task_id", "index", "state", "billed"),
    [
        ("approved", -1, "success", 1),
        ("rejected", -1, "failed", 0),
        ("skipped", -1, "skipped", 0),
        ("late", -1, "failed", 0),
        ("mapped", 0, "success", 1),
        ("mapped", 1, "failed", 0),
        ("lost", -1, "success", 1),
        ("again", -1, "success", 2),
        ("gave_up", -1, "failed", 1),
        ("decided", -1, "success", 1),
        ("killed", -1, "success", 2),
    ],
)
def test_what_a_person_says_is_done_once(answered: People, task_id: str, index: int, state: str, billed: int) -> None:
    """The task's state, and what was billed for it; a rejected one isn't retried."""
    assert answered.end(task_id, index) == state, answered.log(task_id, index=index)
    ti = answered.airflow.task(DAG, answered.run_id, task_id, index)
    assert ti
    assert ti["try_number"] == {"decided": 2, "killed": 3}.get(task_id, 1)
    assert len(answered.orders(task_id if index < 0 else f"{task_id} {index}")) == billed
    if state == "success":
        assert orders_of(answered.airflow, DAG, answered.run_id, task_id, index) == []


def test_the_video_that_a_person_names_is_the_tasks(answered: People) -> None:
    """And who approved an order is an XCom."""
    for name, number in (("lost", 0), ("again", 1), ("decided", 0), ("killed", 1)):
        answered.end(name)
        assert answered.airflow.xcom(DAG, answered.run_id, name) == answered.orders(name)[number].id
    answered.end("approved")
    assert answered.airflow.xcom(DAG, answered.run_id, "approved", "approved_by")
    assert "Approved by" in answered.log("approved")


def test_an_answer_from_a_page_that_was_opened_before_a_clear(answered: People) -> None:
    """It was about other orders; what was shown last is what is ordered."""
    assert answered.end("cleared") == "success"
    assert [len(answered.orders(f"cleared {number}")) for number in (1, 2)] == [0, 1]


def test_an_answer_that_comes_before_airflow_has_noted_the_question(answered: People) -> None:
    """It may cost the task a try; it costs nothing else."""

    def asks_or_ends() -> Any:
        ti = answered.airflow.task(DAG, answered.run_id, "hasty") or {}
        if ti["state"] in ENDED:
            return ti
        return answered.open_question("hasty") if ti["state"] == WAITS else None

    while "code" in (found := wait_until(asks_or_ends, "an end, or a question that isn't answered", 180)):
        answered.answer(found, APPROVE)
    assert answered.end("hasty") == "success"
    assert len(answered.orders("hasty")) == 1


def test_whoever_gave_up_is_asked_again_after_a_clear(answered: People) -> None:
    """Nothing was ordered meanwhile."""
    assert answered.end("gave_up") == "failed"
    answered.clear("gave_up")
    answered.question("gave_up", try_number=2)
    assert len(answered.orders("gave_up")) == 1


def test_a_batch_of_200_with_12_unknown_rows_of_which_5_are_named(people: People) -> None:
    """Three questions in one try: whether to order, what became of 12 rows, and of the 7 that the answer left out."""
    people.answer(people.question("rows"), APPROVE)
    question = people.question("rows")
    assert question["subject"] == "Were these 12 orders accepted?"
    rows = {order.prompt.partition(" ")[2].partition(".")[0]: order.id for order in people.rows("doubtful ")}
    assert len(rows) == 12
    named = dict(list(rows.items())[:4]) | {list(rows)[4]: "resubmit"}
    people.answer(question, ROW_BY_ROW, rows=json.dumps(named))
    question = people.question("rows")
    assert question["subject"] == "Were these 7 orders accepted?"
    people.answer(question, GIVE_UP)
    assert people.end("rows") == "success"
    counts = people.airflow.xcom(DAG, people.run_id, "rows", "counts")
    assert (counts["rows"], counts["completed"], counts["unconfirmed"]) == (200, 193, 7)
    assert len(people.rows("doubtful ")) == 13
    assert len(people.rows("row ")) == 188
    ti = people.airflow.task(DAG, people.run_id, "rows")
    assert ti
    assert ti["try_number"] == 1
