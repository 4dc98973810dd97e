"""A question to a person, asked of this Airflow's own API and answered in its database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS
from airflow.sdk import BaseOperator

from airflow_provider_starvideos.compat.human_input import NoAnswerError, Question, ask, can_ask, read_answer
from tests.compat.conftest import Become, ExecutionApi, Instances, as_triggerer

needs_3_1 = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 can't ask a person")
QUESTION = Question("Was it accepted?", ["Use this video", "Order again"], "**Look**", {"video_id": "The video's id"})


def asked(become_task: Become, instances: Instances, timeout: timedelta | None = timedelta(hours=1)) -> BaseException:
    """Ask, and return what takes the task off its worker."""
    context: Any = become_task(instances.add())
    with pytest.raises(BaseException) as caught:  # noqa: PT011  which one depends on the version
        ask(BaseOperator(task_id="order"), context, QUESTION, method_name="go_on", timeout=timeout, kwargs={"a": 1})
    return caught.value


def detail(instances: Instances) -> Any:
    """Return the question that Airflow has."""
    from airflow.models.hitl import HITLDetail

    instances.session.rollback()
    return instances.session.query(HITLDetail).one()


def test_which_airflows_can_ask() -> None:
    """From 3.1 on."""
    assert can_ask() is AIRFLOW_V_3_1_PLUS


@pytest.mark.skipif(AIRFLOW_V_3_1_PLUS, reason="later ones can")
def test_one_that_can_not_says_so(become_task: Become, instances: Instances) -> None:
    """Before anything is sent."""
    assert isinstance(asked(become_task, instances), NotImplementedError)


@needs_3_1
def test_the_question_is_there(become_task: Become, instances: Instances) -> None:
    """As it was asked, with no answer that Airflow would give itself in the end."""
    asked(become_task, instances)
    found = detail(instances)
    assert (found.subject, found.body, found.options) == (QUESTION.subject, QUESTION.body, QUESTION.options)
    assert not found.defaults
    assert not found.multiple
    assert found.params["video_id"]["description"] == "The video's id"
    assert not found.response_received


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 a trigger waits")
def test_on_3_3_the_task_awaits_input(become_task: Become, instances: Instances) -> None:
    """With neither worker nor triggerer; the answer is what the task's method gets."""
    waiting: Any = asked(become_task, instances)
    assert type(waiting).__name__ == "TaskAwaitingInput"
    assert (waiting.method_name, waiting.kwargs, waiting.timeout) == ("go_on", {"a": 1}, timedelta(hours=1))
    found = detail(instances)
    found.chosen_options, found.params_input = ["Use this video"], {"video_id": " video_1 "}
    found.responded_by, found.responded_at = {"id": "1", "name": "anna"}, datetime.now(UTC)
    answer = read_answer(found.as_resume_event_payload(), QUESTION)
    assert (answer.option, answer.fields, answer.who) == ("Use this video", {"video_id": "video_1"}, "anna")
    instances.session.rollback()


@pytest.mark.skipif(AIRFLOW_V_3_3_PLUS or not AIRFLOW_V_3_1_PLUS, reason="from Airflow 3.3 on no trigger waits")
async def test_before_3_3_the_providers_trigger_waits(
    become_task: Become, instances: Instances, api: ExecutionApi
) -> None:
    """And finds the answer."""
    waiting: Any = asked(become_task, instances)
    assert isinstance(waiting, TaskDeferred)
    assert (waiting.method_name, waiting.kwargs) == ("go_on", {"a": 1})
    found = detail(instances)
    found.chosen_options, found.params_input = ["Use this video"], {"video_id": "video_1"}
    found.responded_by, found.responded_at = {"id": "1", "name": "anna"}, datetime.now(UTC)
    instances.session.commit()
    async with as_triggerer(api):
        events = [event async for event in waiting.trigger.run()]
    answer = read_answer(events[0].payload, QUESTION)
    assert (answer.option, answer.fields, answer.who) == ("Use this video", {"video_id": "video_1"}, "anna")


@pytest.mark.parametrize(
    "event",
    [
        None,
        {"error": "The timeout has passed", "error_type": "timeout"},
        {"chosen_options": []},
        {"chosen_options": ["Something else"]},
        {"chosen_options": ["Use this video", "Order again"]},
        {},
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(event: Any) -> None:
    """Least of all for "Order again"."""
    with pytest.raises(NoAnswerError):
        read_answer(event, QUESTION)


def test_what_was_not_asked_for_is_left_out() -> None:
    """And what was left empty."""
    event = {"chosen_options": ["Order again"], "params_input": {"video_id": " ", "other": "x", "none": None}}
    answer = read_answer(event, QUESTION)
    assert (answer.option, answer.fields, answer.who) == ("Order again", {}, None)
