"""An order of unknown outcome isn't sent again until a person, or the Dag's author, decides."""

from __future__ import annotations

import re

import pytest

from airflow_provider_starvideos.exceptions import (
    StarVideosRecordError,
    StarVideosUnconfirmedError,
    StarVideosUnknownVideoError,
    StarVideosVideoFailedError,
)
from tests.orders.task import Task
from tests.orders.variables import NAME


def test_a_lost_answer_is_not_sent_again(task: Task) -> None:
    """Not by the next try either; each says what was sent, when, and how to go on."""
    for message in (task.lose_the_answer(), task.stop()):
        for part in (
            "may or may not have been accepted",
            "prompt 'a red fox'",
            task.emulator.base_url,
            "airflow variables set starvideos_decision_",
            "resubmit",
            "Clear the task",
        ):
            assert part in message
    assert task.billed == 1


def test_a_try_that_was_killed_in_flight(task: Task) -> None:
    """It leaves an intent, and no more."""

    def killed(step: str, key: str, value: object) -> None:
        if step == "write" and "video_" in str(value):
            raise KeyboardInterrupt

    task.variables.watches = killed
    with pytest.raises(KeyboardInterrupt):
        task.order()
    task.variables.watches = lambda step, key, value: None
    assert "the task ended before the answer was in the journal" in task.stop()
    assert task.billed == 1


def test_decision_the_id(task: Task) -> None:
    """A person names the video: it is resumed, in the journal, and the decision is gone."""
    message = task.lose_the_answer()
    (order,) = task.emulator.orders
    task.decide(message, f" {order.id}\n")
    assert task.order() == order.id
    assert task.variables.decisions == {}
    assert task.order() == order.id
    assert task.billed == 1


def test_a_decision_that_names_a_video_that_failed(task: Task) -> None:
    """As with an answer: who says that it was ordered hasn't asked for a second one. A retry orders a new one."""
    task.decide(task.lose_the_answer(), task.emulator.orders[0].id)
    task.emulator.finish(task.emulator.orders[0].id, "failed")
    with pytest.raises(StarVideosVideoFailedError):
        task.order()
    assert (task.billed, task.variables.decisions) == (1, {})
    assert task.order() == task.emulator.orders[1].id
    assert task.billed == 2


@pytest.mark.parametrize("text", ["resubmit", "Resubmit ", '{"1": "resubmit"}'])
def test_decision_resubmit(task: Task, text: str) -> None:
    """A person has it sent again: once. The decision is gone, and it was about that order only."""
    task.decide(task.lose_the_answer(), text)
    task.order()
    assert task.variables.decisions == {}
    task.emulator.finish(task.emulator.orders[1].id, "failed")
    task.lose_the_answer()
    task.stop()
    assert task.billed == 3


@pytest.mark.parametrize("wrong", ["video_starvideos_1234567890", "not an id", "[1]", '{"2": "resubmit"}', '{"1": ""}'])
def test_a_wrong_decision_can_be_corrected(task: Task, wrong: str) -> None:
    """It isn't carried out, the error names the Variable, and nothing is sent."""
    message = task.lose_the_answer()
    before = task.variables.journals
    task.decide(message, wrong)
    assert re.search(r"the Variable starvideos_decision_\w+ (must be|names)", task.stop())
    assert task.variables.journals == before
    task.decide(message, task.emulator.orders[0].id)
    assert task.order() == task.emulator.orders[0].id
    assert task.billed == 1


@pytest.mark.parametrize("decision", ["id", "resubmit"])
def test_b10_a_decision_holds_without_the_journal(task: Task, decision: str) -> None:
    """The Variables of the journal are gone, for whatever reason; that of the decision is found by task and request."""
    task.decide(task.lose_the_answer(), task.emulator.orders[0].id if decision == "id" else decision)
    for key in task.variables.journals:
        del task.variables.texts[key]
    video_id = task.order()
    assert task.billed == (1 if decision == "id" else 2)
    assert (video_id == task.emulator.orders[0].id) is (decision == "id")
    assert task.variables.decisions == {}
    assert task.order() == video_id


def test_a_decision_is_about_its_own_task_and_request(task: Task) -> None:
    """Another request has another Variable."""
    first, second = task.lose_the_answer("A"), task.lose_the_answer("B")
    names = [re.findall(r"starvideos_decision_\w+", message)[0] for message in (first, second)]
    assert len(set(names)) == 2
    task.decide(second, "resubmit")
    task.stop("A")
    task.order("B")
    assert task.billed == 3


@pytest.mark.parametrize("step", ["read", "delete"])
def test_a_decision_that_cannot_be_read_or_deleted_orders_nothing(task: Task, step: str) -> None:
    """Found again, it would decide about the next unknown outcome, which no person has checked."""
    task.decide(task.lose_the_answer(), "resubmit")
    task.variables.refuses = lambda name, key, value: name == step and "decision" in key
    with pytest.raises(StarVideosRecordError, match="nothing was sent"):
        task.order()
    assert task.billed == 1
    task.variables.refuses = lambda name, key, value: False
    task.order()
    assert (task.billed, task.variables.decisions) == (2, {})
    task.emulator.finish(task.emulator.orders[1].id, "failed")
    task.lose_the_answer()
    task.stop()
    assert task.billed == 3


def test_a_video_that_the_api_has_forgotten(task: Task) -> None:
    """It was paid for, so it isn't ordered again by itself; a person may have that, or name another."""
    task.order()
    task.emulator.reset()
    with pytest.raises(StarVideosUnknownVideoError, match="An earlier try of this task ordered it") as caught:
        task.order()
    assert (task.billed, caught.value.permanent) == (0, False)
    task.decide(str(caught.value), '{"1": "resubmit"}')
    task.order()
    assert task.billed == 1


def test_on_unconfirmed_resubmit(task: Task) -> None:
    """The try that lost the answer fails so that it is retried, and the retry sends the order again."""
    task.emulator.add_fault(on="create", kind="reset", when="after", times=1)
    with pytest.raises(StarVideosUnconfirmedError, match=r"The next try of this task sends it\s+again") as caught:
        task.order(on_unconfirmed="resubmit")
    assert not caught.value.permanent
    task.order(on_unconfirmed="resubmit")
    assert task.billed == 2


def test_an_answer_that_comes_too_late_is_found(task: Task) -> None:
    """A process that was given up gets its answer after the next try has begun, and writes the id on its own page."""
    task.lose_the_answer()
    page = task.variables.read(NAME.page(1))
    task.stop()
    late = page["orders"][0] | {"state": "ordered", "video_id": task.emulator.orders[0].id}
    task.variables.write(NAME.page(1), page | {"orders": [late]})
    assert task.order() == task.emulator.orders[0].id
    assert task.billed == 1


def test_a_decision_that_was_set_before_its_question_decides_nothing(task: Task) -> None:
    """Set again while the next try runs, or left over: it was about another order, which no person has checked."""
    message = task.lose_the_answer()
    task.decide(message, task.emulator.orders[0].id)
    video_id = task.order()
    task.decide(message, "resubmit")  # late
    task.emulator.finish(video_id, "failed")
    assert "resubmit" in task.lose_the_answer()
    assert task.variables.decisions == {}
    task.stop()
    assert task.billed == 2


def test_resubmit_of_a_video_that_the_api_has_forgotten(task: Task) -> None:
    """As the message says. It holds when the process dies right after it."""
    task.order()
    task.emulator.reset()
    with pytest.raises(StarVideosRecordError) as caught:
        task.order()
    task.decide(str(caught.value), "resubmit")
    task.variables.watches = lambda step, key, value: (
        (_ for _ in ()).throw(KeyboardInterrupt) if step == "delete" else None
    )
    with pytest.raises(KeyboardInterrupt):
        task.order()
    task.variables.watches = lambda step, key, value: None
    task.order()
    assert task.billed == 1
