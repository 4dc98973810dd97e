"""``on_unconfirmed="ask"``: a person decides about an order of unknown outcome, once, and never by an old answer."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_starvideos.compat.human_input import CODE_FIELD
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosQuestionError,
    StarVideosRecordError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.operators import person
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.orders import decisions
from airflow_provider_starvideos.orders.questions import AGAIN, GIVE_UP, THIS_VIDEO
from tests.orders.asking import Create


@pytest.fixture
def lost(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Create:
    """A task whose order was accepted, whose answer was lost, and which asks about it."""
    create = Create(emulator, monkeypatch)
    create.kwargs["on_unconfirmed"] = "ask"
    create.lose_the_answer()
    create.asks()
    return create


def test_the_question_says_what_was_sent_and_what_each_answer_does(lost: Create) -> None:
    """Prompt, time, what happened, what is billed."""
    question = lost.page.question
    assert question.options == (THIS_VIDEO, AGAIN, GIVE_UP)
    for part in ("`a red fox`", "text to video", "sent 20", "Billed: perhaps.", "StarVideos account"):
        assert part in question.body
    assert list(question.fields) == ["video_id"]
    assert (lost.page.times_asked, lost.page.timeout) == (1, None)


def test_it_is_this_video(lost: Create) -> None:
    """The id is checked, the video is resumed, and nothing is ordered; a retry asks nothing."""
    (order,) = lost.emulator.orders
    assert lost.answer(THIS_VIDEO, video_id=f" {order.id} ") == order.id
    assert lost.ti.xcoms["video_id"] == order.id
    lost.next_try()
    assert lost.run() == order.id
    assert (lost.billed, lost.page.times_asked) == (1, 1)


def test_it_is_this_video_and_it_has_failed(lost: Create) -> None:
    """Nothing is ordered by this answer; a retry orders a new one, as it does for every failed video."""
    (order,) = lost.emulator.orders
    lost.emulator.finish(order.id, "failed")
    with pytest.raises(StarVideosVideoFailedError):
        lost.answer(THIS_VIDEO, video_id=order.id)
    assert lost.billed == 1
    lost.next_try()
    assert lost.run() != order.id
    assert (lost.billed, lost.page.times_asked) == (2, 1)


@pytest.mark.parametrize("option", [THIS_VIDEO, AGAIN, GIVE_UP])
def test_without_the_order_that_the_question_was_about_nothing_is_sent(lost: Create, option: str) -> None:
    """Its Variable was deleted, or can't be found for a moment: not even the answer to give up would be heard."""
    event = lost.page.answer(option)
    kept = dict(lost.variables.texts)
    lost.variables.texts.clear()
    with pytest.raises(StarVideosRecordError, match="lacks 1 orders"):
        lost.take(event)
    assert lost.billed == 1
    lost.variables.texts |= kept
    lost.next_try()
    lost.asks()
    assert lost.billed == 1


def test_order_again(lost: Create) -> None:
    """Once: a retry finds it."""
    video_id = lost.answer(AGAIN)
    assert video_id == lost.emulator.orders[1].id
    lost.next_try()
    assert lost.run() == video_id
    assert lost.billed == 2


def test_give_up(lost: Create) -> None:
    """It fails for good; cleared, it asks again."""
    with pytest.raises(AirflowFailException, match="gave up"):
        lost.answer(GIVE_UP)
    lost.next_try()
    lost.asks()
    assert lost.billed == 1


@pytest.mark.parametrize(
    ("option", "fields", "why"),
    [
        (THIS_VIDEO, {"video_id": "video_starvideos_1234567890"}, "names no video"),
        (THIS_VIDEO, {"video_id": "not an id"}, "names no video"),
        (THIS_VIDEO, {"video_id": '{"1": '}, "names no video"),
        (THIS_VIDEO, {"video_id": '{"1": "resubmit", "1": "video_1"}'}, "must be"),
        (THIS_VIDEO, {"video_id": '{"2": "resubmit"}'}, "whose outcome isn't unknown"),
        (THIS_VIDEO, {}, "the field is empty"),
        (THIS_VIDEO, {"video_id": None}, "the field is empty"),
        (AGAIN, {"video_id": "video_1"}, "as well"),
        ("Something else", {}, "isn't one of"),
    ],
)
def test_an_answer_that_cannot_be_used_asks_again(
    lost: Create, caplog: pytest.LogCaptureFixture, option: str, fields: dict[str, Any], why: str
) -> None:
    """The same question in the same try, with the reason in the log; nothing is sent, and the next answer holds."""
    before = lost.variables.journals
    lost.asks(lambda: lost.answer(option, **fields))
    assert why in caplog.text
    assert (lost.variables.journals, lost.billed, lost.page.times_asked) == (before, 1, 2)
    assert lost.answer(THIS_VIDEO, video_id=lost.emulator.orders[0].id) == lost.emulator.orders[0].id


@pytest.mark.parametrize("digest", [None, "", "unknown-0", 1])
def test_an_answer_to_another_question_decides_nothing(lost: Create, digest: Any) -> None:
    """A page that was opened before a clear; a client of the REST API that doesn't say what it answers."""
    event = lost.page.answer(AGAIN)
    event["params_input"] = {} if digest is None else {CODE_FIELD: digest}
    lost.asks(lambda: lost.take(event))
    assert lost.billed == 1


def test_an_answer_of_an_earlier_try_decides_nothing(lost: Create) -> None:
    """Airflow may give a cleared task the event of its try before: the new try asks for itself."""
    event = lost.page.answer(AGAIN)
    lost.next_try()
    lost.asks(lambda: lost.take(event))
    assert (lost.billed, lost.page.times_asked) == (1, 2)


def test_one_answer_is_good_for_one_order(lost: Create) -> None:
    """The order that it asked for is lost, too: the same answer, given again, isn't about that one."""
    event = lost.page.answer(AGAIN)
    lost.lose_the_answer()
    for _ in range(2):
        lost.asks(lambda: lost.take(event))
    lost.next_try()
    lost.asks()
    lost.asks(lambda: lost.take(event))
    assert lost.billed == 2
    lost.answer(THIS_VIDEO, video_id=lost.emulator.orders[1].id)
    assert lost.billed == 2


def test_a_kill_at_any_write_after_the_answer_orders_at_most_once(lost: Create) -> None:
    """The next try carries on from the journal, or asks again."""
    killed = False

    def dies(step: str, key: str, value: Any) -> None:
        nonlocal killed
        if step == "written" and not killed:
            killed = True
            raise KeyboardInterrupt

    lost.variables.watches = dies
    with pytest.raises(KeyboardInterrupt):
        lost.answer(AGAIN)
    assert (killed, lost.billed) == (True, 1)
    lost.next_try()
    lost.run()
    assert (lost.billed, lost.page.times_asked) == (2, 1)


def test_a_worker_that_is_killed_before_the_answer_is_carried_out(lost: Create) -> None:
    """The answer is gone with its try; the next one asks."""
    lost.variables.refuses = lambda step, key, value: step == "write"
    with pytest.raises(StarVideosRecordError):
        lost.answer(AGAIN)
    lost.variables.refuses = lambda step, key, value: False
    lost.next_try()
    lost.asks()
    assert lost.billed == 1


@pytest.mark.parametrize("decision", ["id", "resubmit"])
@pytest.mark.parametrize("answer", [THIS_VIDEO, AGAIN])
def test_a_variable_that_is_set_meanwhile_is_obeyed_alone(lost: Create, decision: str, answer: str) -> None:
    """It was set for the next run, and the answer brings that: one decision is carried out, once."""
    lost.decide(lost.emulator.orders[0].id if decision == "id" else decision)
    fields = {"video_id": lost.emulator.orders[0].id} if answer == THIS_VIDEO else {}
    lost.answer(answer, **fields)
    assert lost.billed == (1 if decision == "id" else 2)
    assert lost.variables.decisions == {}


def test_a_variable_that_is_set_while_an_answer_is_refused_stays(lost: Create, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was set after the question was asked, so it is about it."""
    make_question = decisions.unknown_question

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        lost.decide("resubmit")
        return make_question(*args, **kwargs)

    monkeypatch.setattr(decisions, "unknown_question", meanwhile)
    lost.asks(lambda: lost.answer(THIS_VIDEO, video_id="video_starvideos_1234567890"))
    assert list(lost.variables.decisions.values()) == ["resubmit"]


def test_a_variable_alone_decides_after_a_clear(lost: Create) -> None:
    """For those without the page."""
    lost.decide("resubmit")
    lost.next_try()
    lost.run()
    assert (lost.billed, lost.page.times_asked) == (2, 1)


def test_the_answer_that_comes_late_needs_no_person(lost: Create, caplog: pytest.LogCaptureFixture) -> None:
    """The first process wasn't dead, and wrote the id: what a person says about it changes nothing."""
    lost.next_try()
    lost.asks()
    (name,) = [key for key in lost.variables.journals if key.endswith("_1")]
    page = lost.variables.read(name)
    late = page["orders"][0] | {"state": "ordered", "video_id": lost.emulator.orders[0].id}
    lost.variables.write(name, page | {"orders": [late]})
    assert lost.answer(AGAIN) == lost.emulator.orders[0].id
    assert "its answer changes nothing" in caplog.text
    assert lost.billed == 1


def test_a_video_that_the_api_has_forgotten(lost: Create) -> None:
    """It was paid for, so a person decides about it, too."""
    lost.answer(AGAIN)
    lost.emulator.reset()
    lost.next_try()
    question = lost.asks()
    assert "doesn't know" in question.body
    lost.answer(AGAIN)
    assert lost.billed == 1


def test_airflow_does_not_take_the_question(lost: Create) -> None:
    """Nothing is sent, and a retry asks."""
    lost.next_try()
    lost.page.is_down = True
    with pytest.raises(StarVideosQuestionError, match=r"no api-server.*\nNothing was sent"):
        lost.run()
    lost.page.is_down = False
    lost.asks()
    assert lost.billed == 1


def test_a_question_that_the_page_cannot_answer(lost: Create) -> None:
    """Airflow keeps the options of the first one: the error says what to do, and isn't retried."""
    lost.answer(THIS_VIDEO, video_id=lost.emulator.orders[0].id)
    lost.kwargs |= {"approval": "always", "prompt": "a grey fox"}
    lost.next_try()
    with pytest.raises(AirflowFailException, match="can't be asked: the page has other options"):
        lost.run()
    assert lost.billed == 1


def test_another_request_is_another_order(lost: Create) -> None:
    """The prompt is edited while the question waits: its answer isn't about the new one."""
    event = lost.page.answer(THIS_VIDEO, video_id=lost.emulator.orders[0].id)
    lost.kwargs["prompt"] = "a grey fox"
    assert lost.take(event) != lost.emulator.orders[0].id
    assert lost.billed == 2


def test_a_secret_of_an_input_is_not_in_the_question(lost: Create) -> None:
    """Nor what is markup in a prompt."""
    lost.kwargs["prompt"] = "a `fox` **bold** <https://evil.example/?X-Amz-Signature=abcdef0123456789abcdef>\n# Title"
    lost.lose_the_answer()
    lost.next_try()
    body = lost.asks().body
    assert "abcdef0123456789" not in body
    assert "\n# Title" not in body
    assert "`a 'fox' **bold**" in body


def test_it_needs_a_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer has to be about an order that the next process knows."""
    monkeypatch.setattr(person, "AIRFLOW_V_3_1_PLUS", True)
    with pytest.raises(ValueError, match="needs durable=True"):
        StarVideosCreateOperator(task_id="t", prompt="p", on_unconfirmed="ask", durable=False)
