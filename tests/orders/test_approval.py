"""Approval: nothing is ordered that a person hasn't seen, and an approval is good for what was seen, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_starvideos.decorators.create import StarVideosCreateDecoratedOperator
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosRecordError
from airflow_provider_starvideos.operators import person
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.orders.questions import AGAIN, APPROVE, REJECT
from tests.orders.asking import LOG, Create, deferred


@pytest.fixture
def create(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Create:
    """A task that orders only with approval."""
    create = Create(emulator, monkeypatch)
    create.kwargs["approval"] = "always"
    return create


def test_the_question_says_what_is_about_to_be_ordered(create: Create) -> None:
    """Mode, seconds, prompt, and inputs as links without what may grant access. Nothing is sent before."""
    image = "https://cdn.example.com/cat.png?X-Amz-Signature=0123456789abcdef0123456789abcdef"
    create.kwargs |= {"reference_images": [image], "duration": 9}
    question = create.asks()
    assert question.options == (APPROVE, REJECT)
    assert question.subject == "Order 1 video at StarVideos?"
    for part in (
        "9 s",
        "image reference",
        "`a red fox`",
        "<https://cdn.example.com/cat.png?…>",
        "Each order is billed",
    ):
        assert part in question.body
    assert "0123456789abcdef" not in str(question)
    assert create.emulator.requests["create"] == 0


def test_approved(create: Create) -> None:
    """It is ordered, once; who approved it is an XCom, of later tries too, which ask nothing."""
    create.asks()
    assert create.answer(APPROVE) == create.emulator.orders[0].id
    assert create.ti.xcoms["approved_by"] == "anna"
    create.next_try()
    create.run()
    assert (create.billed, create.page.times_asked, create.ti.xcoms["approved_by"]) == (1, 1, "anna")


def test_approved_and_waited_for_in_the_triggerer(create: Create) -> None:
    """The wait comes after the answer, as it would without one."""
    create.kwargs["wait_for_completion"] = True
    create.asks()
    waits = deferred(lambda: create.answer(APPROVE))
    assert waits.method_name == "execute_complete"
    assert create.ti.xcoms["approved_by"] == "anna"


@pytest.mark.parametrize(("on_reject", "ends"), [("fail", AirflowFailException), ("skip", AirflowSkipException)])
@pytest.mark.parametrize("is_late", [False, True])
def test_rejected_or_not_answered(create: Create, on_reject: str, ends: type[Exception], is_late: bool) -> None:
    """Nothing is ordered, also after a clear: the new try asks again."""
    create.kwargs |= {"on_reject": on_reject, "approval_timeout": timedelta(hours=1)}
    create.asks()
    assert create.page.timeout is not None
    assert timedelta(minutes=59) < create.page.timeout <= timedelta(hours=1)
    event = {"error": "The timeout has passed", "error_type": "timeout"} if is_late else create.page.answer(REJECT)
    with pytest.raises(ends, match=r"No answer came in time" if is_late else "Rejected by anna"):
        create.take(event)
    create.next_try()
    create.asks()
    assert create.emulator.requests["create"] == 0
    assert create.variables.journals == {}


def test_a_refused_answer_does_not_prolong_the_time(create: Create) -> None:
    """The question is asked again until the end that it had."""
    create.kwargs["approval_timeout"] = 3600
    create.asks()
    create.page.kwargs["asked"]["until"] -= 3000
    create.asks(lambda: create.answer("Something else"))
    assert create.page.timeout is not None
    assert create.page.timeout <= timedelta(seconds=600)


def test_an_approval_is_not_good_for_another_request(create: Create) -> None:
    """The prompt was edited, or is rendered to something else: the answer changes nothing, and it asks again."""
    create.asks()
    event = create.page.answer(APPROVE)
    create.kwargs["prompt"] = "a grey fox"
    assert "`a grey fox`" in create.asks(lambda: create.take(event)).body
    create.next_try()
    create.asks()
    create.asks(lambda: create.take(event))
    assert create.emulator.requests["create"] == 0
    create.answer(APPROVE)
    assert [order.prompt for order in create.emulator.orders] == ["a grey fox"]


def test_an_approved_request_that_is_edited_afterwards_is_asked_about(create: Create) -> None:
    """The approval stays with what was approved."""
    create.asks()
    create.emulator.add_fault(on="create", kind="status", status=402, times=1)
    with pytest.raises(AirflowFailException):
        create.answer(APPROVE)
    create.next_try()
    create.kwargs["prompt"] = "a grey fox"
    create.asks()
    create.next_try()
    create.kwargs["prompt"] = "a red fox"
    create.run()
    assert [order.prompt for order in create.emulator.orders] == ["a red fox"]


def test_an_approval_of_an_earlier_try_is_not_taken(create: Create) -> None:
    """Airflow may give a cleared task the event of its try before. A page opened before the clear says the same."""
    create.asks()
    event = create.page.answer(APPROVE)
    create.next_try()
    create.asks(lambda: create.take(event))
    assert create.emulator.requests["create"] == 0


def test_a_second_order_needs_a_second_approval(create: Create) -> None:
    """The video failed; ordered again, it is billed again."""
    create.asks()
    video_id = create.answer(APPROVE)
    create.emulator.finish(video_id, "failed")
    create.next_try()
    assert "of them again: billed again" in create.asks().body
    create.answer(APPROVE, who="ben")
    assert (create.billed, create.ti.xcoms["approved_by"]) == (2, "ben")


def test_an_order_that_was_not_accepted_keeps_its_approval(create: Create) -> None:
    """Refused, or never sent: nothing was billed for it, and it is still what was approved."""
    create.asks()
    create.emulator.add_fault(on="create", kind="status", status=402, times=1)
    with pytest.raises(AirflowFailException, match="credit"):
        create.answer(APPROVE)
    create.next_try()
    create.run()
    assert (create.billed, create.page.times_asked) == (1, 1)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_kill_at_any_write_after_the_approval(create: Create, number: int) -> None:
    """The next try resumes, asks, or orders what was approved: never twice, and never without."""
    create.kwargs["on_unconfirmed"] = "ask"
    create.asks()
    writes = 0

    def dies(step: str, key: str, value: Any) -> None:
        nonlocal writes
        writes += step == "written"
        if step == "written" and writes == number:
            create.variables.refuses = lambda step, key, value: True  # it is gone, and writes nothing more
            raise KeyboardInterrupt

    create.variables.watches = dies
    with pytest.raises((KeyboardInterrupt, StarVideosRecordError)):
        create.answer(APPROVE)
    create.variables.watches = lambda step, key, value: None
    create.variables.refuses = lambda step, key, value: False
    create.next_try()
    if number == 2:  # the intent: the order may have been sent
        create.asks()
        create.answer(AGAIN)
    else:
        create.run()
    assert (create.billed, create.page.times_asked) == (1, 2 if number == 2 else 1)


def test_an_order_again_is_approved_by_the_answer_that_asks_for_it(create: Create) -> None:
    """One person decides once. Both questions may come in one try."""
    create.kwargs["on_unconfirmed"] = "ask"
    create.asks()
    create.lose_the_answer()
    create.asks(lambda: create.answer(APPROVE))
    create.answer(AGAIN, who="ben")
    assert (create.billed, create.page.times_asked, create.ti.xcoms["approved_by"]) == (2, 2, "ben")


@pytest.mark.parametrize("by", ["variable", "author"])
def test_an_order_again_that_no_approver_asked_for_needs_an_approval(create: Create, by: str) -> None:
    """Whoever may set a Variable need not be who approves; nor does the author's ``resubmit`` approve."""
    create.asks()
    create.lose_the_answer()
    with pytest.raises(AirflowFailException, match="may or may not"):
        create.answer(APPROVE)
    create.next_try()
    if by == "variable":
        create.decide("resubmit")
    else:
        create.kwargs["on_unconfirmed"] = "resubmit"
    create.asks()
    assert create.billed == 1
    create.answer(APPROVE)
    assert create.billed == 2


def test_a_rejection_counts_also_where_no_approval_is_needed_any_more(create: Create) -> None:
    """The Dag was changed while the question waited."""
    create.asks()
    del create.kwargs["approval"]
    with pytest.raises(AirflowFailException, match="Rejected"):
        create.answer(REJECT)
    assert create.emulator.requests["create"] == 0


def test_without_a_journal_each_try_asks(create: Create) -> None:
    """There is nothing in which an approval could be kept."""
    create.kwargs["durable"] = False
    create.asks()
    create.answer(APPROVE)
    create.next_try()
    create.asks()
    assert create.billed == 1


def test_without_a_journal_each_earlier_try_counts(create: Create) -> None:
    """It may have ordered a video: retries don't creep past the number that needs no approval."""
    create.kwargs |= {"approval": None, "approval_above": 1, "durable": False}
    create.run()
    create.next_try()
    create.asks()
    assert create.billed == 1


def test_approval_above_counts_over_all_tries(create: Create) -> None:
    """One order needs none; the second one, after a failure, does."""
    del create.kwargs["approval"]
    create.kwargs["approval_above"] = 1
    video_id = create.run()
    create.emulator.finish(video_id, "failed")
    create.next_try()
    create.asks()
    assert create.billed == 1


def test_who_is_asked(create: Create) -> None:
    """Users and notifiers are handed on as they are given, one or several."""

    def notify(context: Any) -> None: ...

    create.kwargs |= {"assigned_users": {"id": "1", "name": "anna"}, "notifiers": notify}
    create.asks()
    assert create.page.recipients is not None
    assert create.page.recipients.assigned_users == ({"id": "1", "name": "anna"},)
    assert create.page.recipients.notifiers == (notify,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"assigned_users": []}, "assigned_users must name a user"),
        ({"approval": "sometimes"}, "approval must be one of"),
        ({"approval": "always", "approval_above": 3}, "exclude each other"),
        ({"approval_above": -1}, "approval_above must be a whole number"),
        ({"approval_above": True}, "approval_above must be a whole number"),
        ({"approval": "always", "approval_timeout": 0}, "approval_timeout must be a positive number"),
        ({"approval": "always", "on_reject": "retry"}, "on_reject must be one of"),
        ({"on_unconfirmed": "guess"}, "on_unconfirmed must be one of"),
    ],
)
def test_what_is_wrong_is_said_at_dag_parse(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    """With the option's name."""
    monkeypatch.setattr(person, "AIRFLOW_V_3_1_PLUS", True)
    with pytest.raises(ValueError, match=message):
        StarVideosCreateOperator(task_id="t", prompt="p", **options)


@pytest.mark.parametrize("options", [{"approval": "always"}, {"approval_above": 0}, {"on_unconfirmed": "ask"}])
def test_airflow_3_0_cannot_ask(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """Said at Dag parse, not when the first order is due."""
    monkeypatch.setattr(person, "AIRFLOW_V_3_1_PLUS", False)
    with pytest.raises(ValueError, match=r"needs Airflow 3\.1 or later"):
        StarVideosCreateOperator(task_id="t", prompt="p", **options)


class Decorated(StarVideosCreateDecoratedOperator):
    """The decorated operator, with a log that a test can read."""

    log = LOG


@pytest.fixture
def decorated(create: Create) -> Create:
    """The same with a function that says something else each time, and signs its input anew."""
    calls: list[int] = []

    def request() -> dict[str, Any]:
        calls.append(1)
        image = f"https://cdn.example.com/cat.png?X-Amz-Signature=abcdef0123456789abcdef01234567{len(calls):02}"
        return {"prompt": f"fox {len(calls)}.", "reference_images": [image]}

    del create.kwargs["prompt"]
    create.kwargs |= {"python_callable": request, "duration": 7}
    create.kind = Decorated
    return create


def test_a_function_is_asked_once_for_what_is_approved(decorated: Create) -> None:
    """What was shown is ordered, with the URL as the function signs it now."""
    assert "`fox 1.`" in decorated.asks().body
    decorated.answer(APPROVE)
    (order,) = decorated.emulator.orders
    assert (order.prompt, decorated.variables.orders()[0].seconds) == ("fox 1.", 7)
    assert decorated.ti.xcoms["request"]["reference_images"] == ["https://cdn.example.com/cat.png?…"]


def test_a_function_that_says_something_else_in_the_next_try_is_asked_about(decorated: Create) -> None:
    """Also where Airflow brings the answer of the try before."""
    decorated.asks()
    event = decorated.page.answer(APPROVE)
    decorated.next_try()
    decorated.asks(lambda: decorated.take(event))
    assert "`fox 2.`" in decorated.page.question.body
    decorated.answer(APPROVE)
    assert [order.prompt for order in decorated.emulator.orders] == ["fox 2."]
