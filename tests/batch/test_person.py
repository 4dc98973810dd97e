"""A batch that asks a person: before it orders, and about rows of unknown outcome, once everything else has ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_starvideos.exceptions import StarVideosBatchError, StarVideosRecordError
from airflow_provider_starvideos.orders.questions import AGAIN, APPROVE, GIVE_UP, REJECT, ROW_BY_ROW
from tests.batch.desk import Desk, prompts
from tests.orders.asking import Left, Page


class Asked:
    """The task instance of a batch, and the page that it asks on."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.page = Page()
        self.page.install(monkeypatch)

    def asks(self, requests: Any, **kwargs: Any) -> Any:
        """Run a try until it asks, and return the question."""
        with pytest.raises(Left):
            self.desk.run(requests, **kwargs)
        return self.page.question

    def take(self, event: Any, **changes: Any) -> Any:
        """Run the rest of the try after an answer, with all its waits."""
        self.desk.kwargs |= changes
        asked = self.page.kwargs
        return self.desk._legs(lambda operator: operator.execute_answered(self.desk.context, event=event, **asked))

    def answer(self, option: str, **fields: Any) -> Any:
        """Answer the question that is shown."""
        return self.take(self.page.answer(option, **fields))

    def lose(self, *numbers: int) -> None:
        """Lose the answers to the orders of rows."""
        for number in numbers:
            self.desk.emulator.add_fault(on="create", kind="reset", when="after", times=1, match=f"fox {number}.")

    def id_of(self, number: int) -> str:
        """Return the video of a row, which its task doesn't know."""
        return str(next(order.id for order in self.desk.emulator.orders if order.prompt == f"fox {number}."))

    def counts(self) -> dict[str, Any]:
        """Return how many rows are in which state."""
        return {name: value for name, value in self.desk.ti.xcoms["counts"].items() if "amount" not in name}


@pytest.fixture
def asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A batch that has ordered nothing."""
    return Asked(desk, monkeypatch)


def test_approved(asked: Asked, tmp_path: Path) -> None:
    """Nothing is sent before; then all of it, in several waits, with one question."""
    question = asked.asks(prompts(7), destination=f"{tmp_path}/", approval="always", max_in_flight=3)
    assert question.subject == "Order 7 videos at StarVideos?"
    assert asked.desk.emulator.requests["create"] == 0
    for part in ("21 s", "7 text to video", "`fox 1.`", "and others: 7 orders in all"):
        assert part in question.body
    asked.answer(APPROVE)
    assert asked.counts() == {"rows": 7, "saved": 7}
    assert (asked.desk.billed, asked.page.times_asked, asked.desk.ti.xcoms["approved_by"]) == (7, 1, "anna")


@pytest.mark.parametrize(("on_reject", "ends"), [("fail", AirflowFailException), ("skip", AirflowSkipException)])
def test_rejected(asked: Asked, tmp_path: Path, on_reject: Any, ends: type[Exception]) -> None:
    """Nothing is ordered, also not after a clear; the manifest says so."""
    asked.asks(prompts(3), destination=f"{tmp_path}/", approval="always", on_reject=on_reject)
    with pytest.raises(ends, match="Rejected by anna"):
        asked.answer(REJECT)
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["open"] * 3
    assert asked.counts() == {"rows": 3, "open": 3}
    asked.desk.next_try()
    asked.asks(prompts(3), destination=f"{tmp_path}/", approval="always")
    assert asked.desk.emulator.requests["create"] == 0


def test_what_an_earlier_try_has_paid_for_is_saved_before_the_question(asked: Asked, tmp_path: Path) -> None:
    """New rows wait for an approval; the others' videos, whose URLs are temporary, don't."""
    options: dict[str, Any] = {"destination": f"{tmp_path}/", "approval": "always"}
    asked.asks(prompts(3), **options)
    asked.answer(APPROVE)
    asked.desk.next_try()
    (tmp_path / "manifest.jsonl").unlink()
    for file in tmp_path.glob("*.mp4"):
        file.unlink()
    pages = {key: text.replace('"saved"', '"completed"') for key, text in asked.desk.variables.journals.items()}
    asked.desk.variables.texts |= pages
    question = asked.asks(prompts(5), **options)
    assert len(list(tmp_path.glob("*.mp4"))) == 3
    assert question.subject == "Order 2 videos at StarVideos?"
    asked.answer(APPROVE, who="ben")
    assert (asked.desk.billed, asked.counts()) == (5, {"rows": 5, "saved": 5})
    assert asked.desk.ti.xcoms["approved_by"] == "anna, ben"


def test_a_retry_orders_the_rest_of_what_was_approved(asked: Asked) -> None:
    """It was killed, or ran out of credit, in between: the same rows need no second approval, an added one does."""
    asked.asks(prompts(6), approval="always")
    asked.desk.emulator.add_fault(on="create", kind="status", status=402, match="fox 5.")
    with pytest.raises(AirflowFailException, match="credit"):
        asked.take(asked.page.answer(APPROVE), max_submit_concurrency=1)
    asked.desk.emulator.clear_faults()
    assert asked.desk.billed == 4
    asked.desk.next_try()
    asked.desk.run(prompts(6), approval="always")
    assert (asked.desk.billed, asked.page.times_asked) == (6, 1)
    asked.desk.next_try()
    assert asked.asks(prompts(7), approval="always").subject == "Order 1 video at StarVideos?"


def test_requests_that_change_between_question_and_answer(asked: Asked) -> None:
    """Nothing is ordered; it asks about what it would order now."""
    asked.asks(prompts(3), approval="always")
    event = asked.page.answer(APPROVE)
    for _ in range(2):
        with pytest.raises(Left):
            asked.take(event, requests=prompts(4))
        assert asked.page.question.subject == "Order 4 videos at StarVideos?"
    assert asked.desk.emulator.requests["create"] == 0
    asked.answer(APPROVE)
    assert asked.desk.billed == 4


def test_an_answer_of_an_earlier_try_approves_nothing(asked: Asked) -> None:
    """Airflow may give a cleared task the event of its try before."""
    asked.asks(prompts(3), approval="always")
    event = asked.page.answer(APPROVE)
    asked.desk.next_try()
    with pytest.raises(Left):
        asked.take(event)
    assert asked.desk.emulator.requests["create"] == 0


def test_approval_above(asked: Asked) -> None:
    """A number of orders of the task instance, over all of its tries."""
    asked.desk.run(prompts(3), approval_above=3)
    asked.desk.next_try()
    assert asked.asks(prompts(4), approval_above=3).subject == "Order 1 video at StarVideos?"
    assert asked.desk.billed == 3


def test_a_failed_video_that_is_ordered_again_needs_an_approval(asked: Asked) -> None:
    """It is billed again."""
    asked.desk.emulator.update(fail_rate=1)
    asked.asks(prompts(2), approval="always", retry_failed=True)
    with pytest.raises(StarVideosBatchError):
        asked.answer(APPROVE)
    asked.desk.emulator.update(fail_rate=0)
    asked.desk.next_try()
    assert "2 of them again: billed again" in asked.asks(prompts(2), approval="always", retry_failed=True).body
    assert asked.desk.billed == 2
    asked.answer(APPROVE)
    assert asked.desk.billed == 4


@pytest.mark.usefixtures("quick_saves")
def test_a_batch_of_200_with_12_unknown_rows_of_which_5_are_named(asked: Asked, tmp_path: Path) -> None:
    """The others are saved before the question. Named rows go on, and are saved; then it asks about the rest."""
    lost = tuple(range(3, 200, 17))
    assert len(lost) == 12
    asked.lose(*lost)
    options: dict[str, Any] = {"destination": f"{tmp_path}/", "on_unconfirmed": "ask"}
    question = asked.asks(prompts(200), **options)
    assert question.subject == "Were these 12 orders accepted?"
    assert all(f"Row {number}: `fox {number}.`" in question.body for number in lost)
    assert len(list(tmp_path.glob("*.mp4"))) == 188
    named = {str(number): asked.id_of(number) for number in lost[:4]} | {str(lost[4]): "resubmit"}
    event = asked.page.answer(ROW_BY_ROW, rows=json.dumps(named))
    with pytest.raises(Left):
        asked.take(event)
    assert asked.desk.billed == 201
    assert len(list(tmp_path.glob("*.mp4"))) == 193
    assert asked.page.question.subject == "Were these 7 orders accepted?"
    with pytest.raises(Left):
        asked.take(event)
    asked.answer(AGAIN)
    assert (asked.desk.billed, asked.counts()) == (208, {"rows": 200, "saved": 200})


def test_after_12_lost_answers_in_a_row_a_person_is_asked_before_the_rest_is_ordered(asked: Asked) -> None:
    """Each further order might be lost, too. The answer lets the rest go on."""
    asked.lose(*range(1, 13))
    asked.asks(prompts(20), on_unconfirmed="ask", max_submit_concurrency=1)
    assert asked.desk.billed == 12
    asked.answer(AGAIN)
    assert (asked.desk.billed, asked.counts()) == (20 + 12, {"completed": 20, "rows": 20})


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ('{"2": ', "must be"),
        ("video_1", "must be"),
        ('{"2": "video_starvideos_1"}', "names no video for row 2"),
        ('{"1": "resubmit"}', "whose outcome isn't unknown"),
        ('{"2": "resubmit", "2 ": "video_1"}', "must be"),
        ('{"2": "ID", "3": "ID"}', "the video of another row"),
        ("{}", "names no row"),
        ("", "the field is empty"),
    ],
)
def test_an_answer_that_cannot_be_used_orders_nothing(
    asked: Asked, caplog: pytest.LogCaptureFixture, rows: str, why: str
) -> None:
    """None of its rows, also not those that are right; the question comes back."""
    asked.lose(2, 3)
    asked.asks(prompts(4), on_unconfirmed="ask")
    before = asked.desk.variables.journals
    with pytest.raises(Left):
        asked.answer(ROW_BY_ROW, rows=rows.replace("ID", asked.id_of(2)))
    assert why in caplog.text
    assert (asked.desk.variables.journals, asked.desk.billed) == (before, 4)
    ids = asked.answer(ROW_BY_ROW, rows={"2": asked.id_of(2), "3": asked.id_of(3)})
    assert ids == [asked.id_of(number) for number in (1, 2, 3, 4)]
    assert (asked.desk.billed, asked.page.times_asked) == (4, 2)


def test_a_journal_that_is_lost_while_a_question_waits(asked: Asked) -> None:
    """Nothing is ordered again: neither the rows that had ended, nor the one that the question was about."""
    asked.lose(2)
    asked.asks(prompts(3), on_unconfirmed="ask")
    event = asked.page.answer(GIVE_UP)
    asked.desk.variables.texts.clear()
    for rows in (prompts(3), prompts(4)):
        with pytest.raises(StarVideosRecordError, match="lacks 3 orders"):
            asked.take(event, requests=rows)
    assert asked.desk.billed == 3


def test_give_up(asked: Asked) -> None:
    """The rows end without a video, and ``max_failures`` decides."""
    asked.lose(2)
    asked.asks(prompts(3), on_unconfirmed="ask")
    with pytest.raises(AirflowFailException, match="1 of 3 rows have no video"):
        asked.answer(GIVE_UP)
    asked.desk.next_try()
    asked.asks(prompts(3), on_unconfirmed="ask", max_failures=1)
    assert asked.answer(GIVE_UP)[1] is None
    assert asked.desk.billed == 3


def test_a_variable_that_is_set_meanwhile_is_obeyed_alone(asked: Asked) -> None:
    """It is carried out as the answer comes, which then changes nothing."""
    asked.lose(2, 3)
    asked.asks(prompts(3), on_unconfirmed="ask")
    assert asked.desk.operator
    rows = asked.desk.begin(prompts(3), on_unconfirmed="ask").decision_variable
    asked.desk.variables.texts[rows] = json.dumps({"2": asked.id_of(2), "3": asked.id_of(3)})
    asked.answer(AGAIN)
    assert (asked.desk.billed, asked.desk.variables.decisions) == (3, {})


def test_a_kill_after_the_answer_orders_at_most_once(asked: Asked) -> None:
    """What was decided is in the journal; what isn't is asked again."""
    asked.lose(2)
    asked.asks(prompts(3), on_unconfirmed="ask")

    def dies(step: str, key: str, value: Any) -> None:
        if step == "written":
            asked.desk.variables.watches = lambda step, key, value: None
            raise KeyboardInterrupt

    asked.desk.variables.watches = dies
    with pytest.raises(KeyboardInterrupt):
        asked.answer(AGAIN)
    assert asked.desk.billed == 3
    asked.desk.next_try()
    asked.desk.run(prompts(3), on_unconfirmed="ask")
    assert (asked.desk.billed, asked.page.times_asked) == (4, 1)


def test_both_questions_in_one_try(asked: Asked) -> None:
    """Nothing is ordered twice, nor without an approval."""
    options: dict[str, Any] = {"approval": "always", "on_unconfirmed": "ask"}
    asked.asks(prompts(3), **options)
    asked.lose(2)
    with pytest.raises(Left):
        asked.answer(APPROVE)
    asked.answer(AGAIN)
    assert (asked.desk.billed, asked.counts()) == (4, {"completed": 3, "rows": 3})


def test_a_thousand_unknown_rows_fit_the_question(asked: Asked) -> None:
    """Airflow keeps 64 KB of it on MySQL: each row's number is there, the details of the first hundred."""
    from airflow_provider_starvideos.batch.rows import read_rows
    from airflow_provider_starvideos.orders.questions import unknown_question
    from airflow_provider_starvideos.orders.record import Order
    from airflow_provider_starvideos.orders.states import OrderState

    rows = read_rows([{"prompt": f"fox {number}. " + "ü" * 500} for number in range(1, 1001)], {}, "http://x")
    orders = [(row, Order(row.key, OrderState.UNCONFIRMED, 1.0, error="é" * 900)) for row in rows]
    body = unknown_question(orders, is_batch=True).body
    assert len(body.encode()) < 60_000
    assert "Row 100:" in body
    assert ", 1000" in body


def test_what_the_library_has_needs_no_approval(asked: Asked, tmp_path: Path) -> None:
    """It isn't ordered; another run asks about the rest only."""
    options: dict[str, Any] = {"library": f"{tmp_path}/library/", "approval": "always"}
    asked.asks(prompts(2), **options)
    asked.answer(APPROVE)
    asked.desk.ti.run_id = "another run"
    asked.desk.ti.xcoms.clear()
    assert asked.asks(prompts(3), **options).subject == "Order 1 video at StarVideos?"
    asked.answer(APPROVE)
    assert (asked.desk.billed, asked.counts()) == (3, {"rows": 3, "reused": 2, "saved": 1})
