"""Tasks that ask a person, on a real Airflow: whatever is answered, cleared, killed or restarted, nothing is ordered
that no person wanted, and nothing twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.orders.questions import AGAIN, APPROVE, GIVE_UP, REJECT, ROW_BY_ROW, THIS_VIDEO
from dev.airflow_api import AirflowApiError
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import wait_until_settled
from tests.airflow.people import ENDED, WAITS, People

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 can't ask a person"),
]
DAG = "persons"


@pytest.fixture(scope="module")
def people(airflow: AirflowStack, emulator: Emulator) -> People:
    """A run of which every task has asked; the scheduler was restarted while they waited."""
    people = People(airflow, emulator, DAG)
    airflow.wait_for_dag(DAG)
    for name in ("lost", "again", "gave_up", "decided"):
        emulator.add_fault(on="create", kind="reset", when="after", match=f"{name} ", times=1)
    emulator.add_fault(on="create", kind="hang", when="after", match="killed ", times=2)
    emulator.add_fault(on="create", kind="reset", when="after", match="doubtful ", times=12)
    people.run_id = airflow.trigger(DAG)
    people.kill("killed", 1)
    # The ends of all processes are noted before the restart: the next scheduler doesn't hear of them.
    for name in ("approved", "rejected", "skipped", "cleared", "lost", "again", "gave_up", "decided", "rows"):
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
    wait_until(lambda: people.log("cleared", 2).count("is asked again") or None, "the old answer to be refused")
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
        wait_until_settled(answered.airflow, DAG, answered.run_id, task_id, index)


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

    while "code" in (found := wait_until(asks_or_ends, "an end, or a question that isn't answered")):
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
