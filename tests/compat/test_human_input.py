"""A question to a person, asked of this Airflow's own API and answered in its database."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS
from airflow.sdk import BaseOperator

from airflow_provider_starvideos.compat.human_input import (
    CannotBeAnsweredError,
    NoAnswerError,
    NobodyAnsweredError,
    Question,
    Recipients,
    ask,
    can_ask,
    read_answer,
)
from tests.compat.conftest import Become, ExecutionApi, Instances, as_triggerer

needs_3_1 = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 can't ask a person")
FIELDS = {"video_id": "The video's id"}
QUESTION = Question("Was it accepted?", ["Use this video", "Order again"], "unknown-1", "**Look**", FIELDS)
ASKED = {"question": "unknown-1"}


class Logged(BaseOperator):
    """An operator with a log that a test can read."""

    log = logging.getLogger("tests.compat")


def asked(
    become_task: Become,
    instances: Instances,
    timeout: timedelta | None = timedelta(hours=1),
    recipients: Recipients | None = None,
) -> BaseException:
    """Ask, and return what takes the task off its worker."""
    context: Any = become_task(instances.add())
    options: dict[str, Any] = {"method_name": "go_on", "timeout": timeout, "kwargs": {"a": 1}, "recipients": recipients}
    with pytest.raises(BaseException) as caught:  # noqa: PT011  which one depends on the version
        ask(BaseOperator(task_id="order"), context, QUESTION, **options)
    return caught.value


def detail(instances: Instances) -> Any:
    """Return the question that Airflow has."""
    from airflow.models.hitl import HITLDetail

    instances.session.rollback()
    instances.session.expire_all()
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
    assert found.params["question"]["value"] == "unknown-1", "Airflow's page sends it back"
    assert not found.assigned_users


@needs_3_1
def test_who_may_answer_and_who_is_told(become_task: Become, instances: Instances) -> None:
    """A notifier is called once the question is there, and finds it at the task, as with Airflow's own operators."""
    told: list[Any] = []
    recipients = Recipients([{"id": "1", "name": "anna"}], [told.append])
    asked(become_task, instances, recipients=recipients)
    assert detail(instances).assigned_users == [{"id": "1", "name": "anna"}]
    assert len(told) == 1


@needs_3_1
def test_asked_again_it_waits_for_another_answer(
    become_task: Become, instances: Instances, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer before is gone. Its text stays as it was first, also over tries: the log has the new one."""
    ti = instances.add()
    other = Question("And this one?", ["Order again"], "unknown-2")
    operator = Logged(task_id="order")
    for question in (QUESTION, QUESTION, other):
        context: Any = become_task(ti)
        with pytest.raises(BaseException):  # noqa: B017, PT011
            ask(operator, context, question, method_name="go_on")
        found = detail(instances)
        assert (found.response_received, found.subject) == (False, QUESTION.subject)
        found.chosen_options, found.params_input = ["Use this video"], ASKED
        found.responded_by, found.responded_at = {"id": "1", "name": "anna"}, datetime.now(UTC)
        instances.session.commit()
        instances.begin_next_try(ti)
        ti = instances.get()
    shown = [record.message for record in caplog.records if "still shows an earlier question" in record.message]
    assert len(shown) == 1
    assert "unknown-2" in shown[0]
    with pytest.raises(CannotBeAnsweredError, match="needs Yes"):
        ask(operator, become_task(ti), Question("More?", ["Yes"], "unknown-3"), method_name="go_on")


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 a trigger waits")
def test_on_3_3_the_task_awaits_input(become_task: Become, instances: Instances) -> None:
    """With neither worker nor triggerer; the answer is what the task's method gets."""
    waiting: Any = asked(become_task, instances)
    assert type(waiting).__name__ == "TaskAwaitingInput"
    assert (waiting.method_name, waiting.kwargs, waiting.timeout) == ("go_on", {"a": 1}, timedelta(hours=1))
    found = detail(instances)
    found.chosen_options, found.params_input = ["Use this video"], {"video_id": " video_1 ", **ASKED}
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
    found.chosen_options, found.params_input = ["Use this video"], {"video_id": "video_1", **ASKED}
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
        {"chosen_options": ["Order again"], "params_input": {}},
        {"chosen_options": ["Order again"], "params_input": {"question": "unknown-2"}},
        {},
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(event: Any) -> None:
    """Least of all for "Order again"."""
    with pytest.raises(NoAnswerError):
        read_answer(event, QUESTION)


def test_what_was_not_asked_for_is_left_out() -> None:
    """And what was left empty."""
    event = {"chosen_options": ["Order again"], "params_input": {"video_id": " ", "other": "x", "none": None, **ASKED}}
    answer = read_answer(event, QUESTION)
    assert (answer.option, answer.fields, answer.who) == ("Order again", {}, None)


def test_nobody_has_answered_in_time() -> None:
    """As Airflow says it: other errors aren't that."""
    with pytest.raises(NobodyAnsweredError):
        read_answer({"error": "The timeout has passed", "error_type": "timeout"}, QUESTION)
    with pytest.raises(NoAnswerError) as caught:
        read_answer({"error": "isn't valid", "error_type": "validation"}, QUESTION)
    assert not isinstance(caught.value, NobodyAnsweredError)


def test_json_in_a_field_stays_json() -> None:
    """Airflow's page makes an object of what looks like one."""
    event = {"chosen_options": ["Use this video"], "params_input": {"video_id": {"4": "video_1"}, **ASKED}}
    assert read_answer(event, QUESTION).fields == {"video_id": '{"4": "video_1"}'}
