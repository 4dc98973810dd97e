"""Over tries: what was ordered is taken up, what is missing is ordered, and a person's word is asked for and obeyed."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_starvideos.exceptions import StarVideosBatchError, StarVideosRecordError
from tests.batch.desk import Desk, prompts


def fails(desk: Desk, rows: Any, **kwargs: Any) -> BaseException:
    """Run a try that must fail; return how, and let the next one come."""
    with pytest.raises((StarVideosBatchError, AirflowFailException)) as caught:
        desk.run(rows, **kwargs)
    desk.next_try()
    return caught.value


def decide(desk: Desk, error: BaseException, decision: str) -> None:
    """Set the Variable that the error names."""
    key = re.search(r"Variable (starvideos_decision_\w+)", str(error))
    assert key, error
    desk.variables.texts[key[1]] = decision


def lose(desk: Desk, *numbers: int) -> None:
    """Have these rows' orders accepted, and not confirmed."""
    for number in numbers:
        desk.emulator.add_fault(on="create", kind="reset", when="after", match=f"fox {number}.", times=1)


def id_of(desk: Desk, prompt: str) -> str:
    """Return the first video that was ordered for a prompt."""
    return next(order.id for order in desk.emulator.orders if order.prompt == prompt)


def test_a_second_try_orders_only_what_is_missing(desk: Desk) -> None:
    """Rows that were moved, put in between or taken away don't change what the others have."""
    first = desk.run(prompts(4))
    desk.next_try()
    rows = [*reversed(prompts(4)), {"prompt": "new"}]
    rows.insert(1, {"prompt": "in between"})
    second = desk.run(rows[1:])
    assert second[1:4] == list(reversed(first))[1:]
    assert desk.billed == 6
    assert len(set(second)) == 5


def test_without_the_lease_nothing_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow has given the task to another process."""
    monkeypatch.setattr("airflow_provider_starvideos.orders.lease.is_current", lambda context: False)
    with pytest.raises((StarVideosRecordError, StarVideosBatchError)):
        desk.run(prompts(3))
    assert desk.billed == 0


def test_the_lease_is_checked_before_every_order(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow begins another try while this process orders: it orders nothing more, and the other one does."""
    with monkeypatch.context() as patch:
        patch.setattr("airflow_provider_starvideos.orders.lease.is_current", lambda context: not desk.billed)
        with pytest.raises((StarVideosRecordError, StarVideosBatchError)):
            desk.run(prompts(9), max_submit_concurrency=2)
    assert 1 <= desk.billed <= 2
    desk.next_try()
    desk.run(prompts(9), max_submit_concurrency=2)
    assert set(desk.billed_prompts().values()) == {1}
    assert desk.billed == 9


def test_what_is_not_asked_for_any_more_is_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It was paid for."""
    (video_id, _) = desk.run(prompts(2))
    desk.next_try()
    desk.run(prompts(2)[1:])
    text = f"ordered 1 videos that the requests no longer hold. Billed: yes. They aren't used: {video_id}."
    assert text in caplog.text


def test_a_doubt_about_what_is_not_asked_for_any_more_is_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It may have been billed; the error that listed it isn't raised again."""
    lose(desk, 2)
    fails(desk, prompts(3))
    desk.next_try()
    caplog.clear()
    desk.run([prompts(3)[0], prompts(3)[2]])
    assert "sent 1 orders for rows that the requests no longer hold" in caplog.text


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_one_of_several_equal_rows_is_taken_out(desk: Desk, failed: int) -> None:
    """The failed one goes, whichever it was: the others' videos were paid for. Also over legs and further tries."""
    desk.emulator.update(seconds="hold")
    deferred = desk.first_leg([*prompts(1)] * 3)
    ids = [order.video_id or "" for order in desk.variables.orders()]
    for number, video_id in enumerate(ids):
        desk.emulator.finish(video_id, "failed" if number == failed else "completed")
    with pytest.raises(AirflowFailException, match="1 failed"):
        desk.resume(deferred)
    good = [video_id for number, video_id in enumerate(ids) if number != failed]
    desk.next_try()
    desk.emulator.update(seconds=0)
    given = [*prompts(1)] * 2 + [{"prompt": "owl."}]
    assert desk.run(given, retry_failed=True)[:2] == good
    desk.next_try()
    ids = desk.run([*prompts(1)] * 4, retry_failed=True)
    assert len(set(ids)) == 4
    assert set(good) < set(ids)
    assert desk.billed_prompts() == {"fox 1.": 3 + 2, "owl.": 1}


def test_requests_that_change_within_a_try(desk: Desk) -> None:
    """Nothing more is ordered, and it says so; the next try goes on with the new ones."""
    deferred = desk.first_leg(prompts(4), max_in_flight=2)
    desk.kwargs["requests"] = [*prompts(4), {"prompt": "one more"}]
    with pytest.raises(AirflowFailException, match="aren't the same as when this try began"):
        desk.resume(deferred)
    assert desk.billed == 2
    desk.next_try()
    assert len(set(desk.run(desk.kwargs["requests"]))) == 5
    assert desk.billed == 5


@pytest.mark.parametrize("step", ["all", "one"])
def test_a_journal_that_lacks_ordered_videos_after_the_wait(desk: Desk, step: str) -> None:
    """A person has deleted a Variable, or it can't be found for a moment: nothing is ordered again."""
    deferred = desk.first_leg(prompts(60))
    for name in sorted(desk.variables.journals)[-1 if step == "one" else 0 :]:
        del desk.variables.texts[name]
    with pytest.raises(StarVideosRecordError, match=r"lacks \d+ videos"):
        desk.resume(deferred)
    assert desk.billed == 60


def test_a_leg_that_was_killed_while_it_ordered(desk: Desk) -> None:
    """The next try lists what was out, and orders the rest."""
    batch = desk.begin(prompts(6))
    entries = [batch.journal.open(row.key) for row in batch.rows[:2]]
    for order in entries:
        order.become("sending")  # type: ignore[arg-type]
        order.sent_at = time.time()
    batch.journal.touch(entries)
    batch.journal.commit()
    desk.next_try()
    error = fails(desk, prompts(6))
    assert isinstance(error, AirflowFailException)
    assert "2 unconfirmed" in str(error)
    assert "Rows 1-2: unconfirmed: may have been billed. Billed: perhaps. the task ended before" in str(error)
    assert desk.billed == 4


def test_the_event_of_an_earlier_try(desk: Desk) -> None:
    """Airflow gives it to a task that was cleared after it had resumed: the try begins as any other."""
    deferred = desk.first_leg(prompts(4), max_in_flight=2)
    event = desk.event_of(deferred)
    batch = desk.begin(prompts(4))
    order = batch.journal.open(batch.rows[2].key)
    order.become("sending")  # type: ignore[arg-type]
    batch.journal.touch([order])
    batch.journal.commit()
    desk.next_try()
    desk.operator = desk.make()
    with pytest.raises(TaskDeferred) as caught:
        desk.operator.execute_complete(desk.context, event)
    deferred = desk._through_json(caught.value)
    with pytest.raises(AirflowFailException, match="1 unconfirmed"):
        desk.resume(deferred)
    assert desk.billed_prompts() == {"fox 1.": 1, "fox 2.": 1, "fox 4.": 1}


@pytest.mark.parametrize("decision", ["resubmit", " RESUBMIT ", '{"2": "resubmit", "4": "resubmit"}'])
def test_a_person_decides_to_order_again(desk: Desk, decision: str) -> None:
    """That, once; the Variable is gone then, and a lost answer of the second order is a new question."""
    lose(desk, 2, 4)
    error = fails(desk, prompts(5))
    assert isinstance(error, AirflowFailException)
    decide(desk, error, decision)
    lose(desk, 4)
    error = fails(desk, prompts(5))
    assert "1 unconfirmed" in str(error)
    assert desk.billed_prompts() == {"fox 1.": 1, "fox 2.": 2, "fox 3.": 1, "fox 4.": 2, "fox 5.": 1}
    assert desk.variables.decisions == {}
    fails(desk, prompts(5))
    assert desk.billed == 7


def test_a_person_knows_the_videos(desk: Desk) -> None:
    """They are waited for and delivered, with a deadline of their own, and nothing is ordered."""
    lose(desk, 2, 4)
    error = fails(desk, prompts(5))
    ids = {number: id_of(desk, f"fox {number}.") for number in (2, 4)}
    decide(desk, error, f'{{"2": "{ids[2]}", "4": "{ids[4]}"}}')
    delivered = desk.run(prompts(5))
    assert (delivered[1], delivered[3]) == (ids[2], ids[4])
    assert desk.billed == 5


def test_a_person_knows_one_of_them(desk: Desk) -> None:
    """The other stays unconfirmed; the decision that was carried out is gone."""
    lose(desk, 2, 4)
    error = fails(desk, prompts(5))
    decide(desk, error, f'{{"2": "{id_of(desk, "fox 2.")}"}}')
    error = fails(desk, prompts(5))
    assert "1 unconfirmed" in str(error)
    assert desk.variables.decisions == {}
    assert desk.billed == 5


WRONG = {
    "no video": ('{"2": "video_starvideos_1"}', "names no video for row 2"),
    "no id": ('{"2": "../x"}', "names no video for row 2"),
    "another row": ('{"3": "resubmit"}', "names rows whose outcome isn't unknown: 3"),
    "a delivered row's": ('{"2": "ID1"}', "gives row 2 the video of another row"),
    "one for two": ('{"2": "ID2", "4": "ID2"}', "gives row 4 the video of another row"),
    "no JSON": ("yes", "must be 'resubmit', a video's id, or a JSON object"),
    "a list": ("[2]", "must be 'resubmit', a video's id, or a JSON object"),
    "a number": ('{"2": 7}', "must be 'resubmit', a video's id, or a JSON object"),
}


@pytest.mark.parametrize(("decision", "told"), WRONG.values(), ids=WRONG)
def test_a_decision_that_cannot_be_carried_out(desk: Desk, decision: str, told: str) -> None:
    """Nothing is sent, nothing of it is done, and the same Variable can be corrected."""
    lose(desk, 2, 4)
    error = fails(desk, prompts(5))
    for number in (1, 2):
        decision = decision.replace(f"ID{number}", id_of(desk, f"fox {number}."))
    decide(desk, error, decision)
    assert told in str(fails(desk, prompts(5)))
    assert desk.billed == 5
    decide(desk, error, "resubmit")
    assert len(set(desk.run(prompts(5)))) == 5
    assert desk.billed == 7


def test_a_decision_about_other_rows_is_void(desk: Desk) -> None:
    """It names them by their numbers, and those are others when rows were put in between."""
    lose(desk, 2, 3)
    error = fails(desk, prompts(3))
    decide(desk, error, '{"3": "resubmit"}')
    error = fails(desk, [{"prompt": "new"}, *prompts(3)])
    assert "2 unconfirmed" in str(error)
    assert desk.billed_prompts() == {"fox 1.": 1, "fox 2.": 1, "fox 3.": 1, "new": 1}


def test_a_decision_hits_no_other_row_when_blank_ones_come(desk: Desk) -> None:
    """Rows are named by their numbers, which others have then."""
    lose(desk, 1, 2)
    error = fails(desk, prompts(2))
    decide(desk, error, '{"2": "resubmit"}')
    assert "2 unconfirmed" in str(fails(desk, [{}, *prompts(2)]))
    assert desk.billed == 2


def test_a_decision_is_about_the_rows_that_its_question_named(desk: Desk) -> None:
    """It was set while the next try ran; that try loses other answers: a person looks at those first."""
    lose(desk, 1)
    error = fails(desk, prompts(1))
    lose(desk, 2)
    key = re.search(r"Variable (starvideos_decision_\w+)", str(error))
    assert key
    desk.variables.watches = lambda step, name, value: (
        desk.variables.texts.update({key[1]: "resubmit"}) if step == "written" else None
    )
    fails(desk, prompts(1))
    desk.variables.watches = lambda step, name, value: None
    assert desk.variables.decisions == {}


def test_on_unconfirmed_resubmit(desk: Desk) -> None:
    """Decided in advance: the next try of the task's retries orders them again, and only them."""
    lose(desk, 2)
    error = fails(desk, prompts(3), on_unconfirmed="resubmit")
    assert isinstance(error, StarVideosBatchError), "the task's retries must apply"
    assert len(set(desk.run(prompts(3), on_unconfirmed="resubmit"))) == 3
    assert desk.billed_prompts() == {"fox 1.": 1, "fox 2.": 2, "fox 3.": 1}


def test_a_video_that_the_api_forgot(desk: Desk) -> None:
    """It is asked for again at each try; a person may say, of that row, that it's to be ordered anew."""
    desk.run(prompts(3), max_failures=3)
    missing = id_of(desk, "fox 2.")
    batch = desk.begin(prompts(3))
    for row, order in batch.results():
        if row.number == 2:
            order.become("ordered")  # type: ignore[arg-type]
            batch.journal.touch([order])
    batch.journal.commit()
    desk.emulator.add_fault(
        on="query", kind="status", status=404, match=missing, body={"error": "no such video", "code": 404}
    )
    desk.next_try()
    error = fails(desk, prompts(3))
    assert "Row 2: ordered, but the API doesn't know the video. Billed: yes." in str(error)
    decide(desk, error, "resubmit")
    assert missing not in desk.run(prompts(3))
    assert desk.billed_prompts()["fox 2."] == 2


@pytest.mark.parametrize(("retry_failed", "billed"), [(False, 4), (True, 5)])
def test_failed_videos(desk: Desk, retry_failed: bool, billed: int) -> None:
    """A retry orders them anew only where that is asked for; without, it is of no use, and isn't made."""
    rows = [*prompts(3), {"prompt": "[fail: too blue] fox 4."}]
    error = fails(desk, rows, retry_failed=retry_failed)
    assert "Row 4: failed at StarVideos. Billed: yes." in str(error)
    assert "too blue" in str(error)
    assert isinstance(error, StarVideosBatchError if retry_failed else AirflowFailException)
    fails(desk, rows, retry_failed=retry_failed)
    assert desk.billed == billed


@pytest.mark.parametrize(
    ("rows", "failing", "allowed", "ends_well"),
    [
        (10, 1, 0, False),
        (10, 1, 1, True),
        (10, 2, 1, False),
        (10, 1, 0.1, True),
        (10, 2, 0.1, False),
        (3, 3, 1.0, True),
        (100, 29, 0.29, True),
        (100, 30, 0.29, False),
    ],
)
def test_max_failures(desk: Desk, rows: int, failing: int, allowed: float, ends_well: bool) -> None:
    """A number, or a share; finished rows are delivered, the others are None in their places."""
    given = [*prompts(rows - failing), *({"prompt": f"[fail] {number}"} for number in range(failing))]
    if not ends_well:
        assert f"At most {allowed}" in str(fails(desk, given, max_failures=allowed))
        return
    ids = desk.run(given, max_failures=allowed)
    assert [one is None for one in ids] == [False] * (rows - failing) + [True] * failing
    assert desk.ti.xcoms["counts"]["failed"] == failing


def test_nobody_is_told_to_clear_a_success(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Its record is gone: cleared, it orders all rows anew. So the rows in doubt are told, and that."""
    lose(desk, 2)
    desk.run(prompts(3), max_failures=1)
    desk.succeed()
    assert "1 unconfirmed" in caplog.text
    assert "Cleared, it orders all rows again" in caplog.text
    assert "starvideos_decision_" not in caplog.text


@pytest.mark.parametrize("value", [-1, 1.5, True, "1", None, float("nan")])
def test_what_max_failures_cannot_be(desk: Desk, value: Any) -> None:
    """Told when the Dag is parsed."""
    with pytest.raises(ValueError, match="max_failures must be a number of rows, or a share"):
        desk.make(requests=[], max_failures=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_submit_concurrency", 0),
        ("max_submit_concurrency", 65),
        ("max_in_flight", 1.5),
        ("max_save_concurrency", True),
        ("on_unconfirmed", "retry"),
        ("if_exists", "keep"),
        ("poll_interval", 0),
        ("timeout", -1),
        ("save_interval", "often"),
    ],
)
def test_other_arguments_that_cannot_be(desk: Desk, name: str, value: Any) -> None:
    """The same."""
    with pytest.raises(ValueError, match=name):
        desk.make(requests=[], **{name: value})


def test_places(desk: Desk) -> None:
    """Never are more videos being made than allowed; the rest is ordered as they end."""
    desk.emulator.update(seconds=0.2)
    most = 0

    def look(step: str, key: str, value: Any) -> None:
        nonlocal most
        going = [one for one in desk.emulator.orders if one.status in ("queued", "processing")]
        most = max(most, len(going))

    desk.variables.watches = look
    ids = desk.run(prompts(20), max_in_flight=8)
    assert 1 < most <= 8
    assert len(set(ids)) == 20
    assert desk.legs <= 2 + 20 // 2


def test_a_worker_that_waits_itself(desk: Desk) -> None:
    """deferrable=False: the same, in one leg."""
    desk.emulator.update(seconds=0.1)
    assert len(set(desk.run(prompts(10), deferrable=False, max_in_flight=4))) == 10
    assert desk.legs == 1
