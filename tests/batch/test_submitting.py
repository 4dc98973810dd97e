"""Ordering: bounded, as fast as the API takes it, and each row paid for once, whatever the API answers."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.exceptions import (
    StarVideosBatchError,
    StarVideosBatchFinalError,
    StarVideosStorageError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders import submitter
from airflow_provider_starvideos.orders.outcomes import MAX_LOST_IN_A_ROW
from airflow_provider_starvideos.storage import inputs
from tests.batch.desk import Desk, prompts


def order(desk: Desk, rows: Any, **kwargs: Any) -> Any:
    """Begin a try, order what may be ordered, and return the batch."""
    batch = desk.begin(rows, **kwargs)
    batch.order()
    return batch


def once_each(desk: Desk, rows: int) -> bool:
    """Every row was billed exactly once."""
    return desk.billed_prompts() == {f"fox {number}.": 1 for number in range(1, rows + 1)}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_bounded_concurrency(desk: Desk, concurrency: int) -> None:
    """As many orders are out at once as allowed, never more, and in the rows' order."""
    desk.emulator.add_fault(on="create", kind="delay", seconds=0.05)
    order(desk, prompts(12), max_submit_concurrency=concurrency)
    out = most = 0
    for entry in desk.emulator.journal():
        if entry.get("kind") == "create" and entry["event"] in ("request", "answered"):
            out += 1 if entry["event"] == "request" else -1
            most = max(most, out)
    assert most == concurrency
    assert once_each(desk, 12)
    places = [int(one.prompt[4:-1]) for one in desk.emulator.orders]
    assert all(abs(place - index) <= concurrency for index, place in enumerate(places, 1))


def test_an_answer_that_a_cache_replays_is_no_second_video(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows would wait for one video, and save it twice: the second order's outcome is unknown."""
    submit, answers = StarVideosHook.submit, list[Any]()

    def replayed(*args: Any) -> Any:
        answers.append(submit(*args))
        return answers[0]

    monkeypatch.setattr(StarVideosHook, "submit", replayed)
    with pytest.raises(AirflowFailException, match="the video of another order"):
        desk.run(prompts(3), max_submit_concurrency=1)
    assert desk.ti.xcoms["counts"] == {"rows": 3, "completed": 1, "unconfirmed": 2}
    desk.next_try()
    with pytest.raises(AirflowFailException):
        desk.run(prompts(3))
    assert once_each(desk, 3)


@pytest.mark.parametrize("fault", [{"kind": "rate_limit", "retry_after": None}, {"kind": "status", "status": 503}])
def test_too_many_slows_down_and_never_fails(desk: Desk, fault: dict[str, Any]) -> None:
    """A third of all orders is refused for now: all are ordered, each once, with one line in the log."""
    desk.emulator.add_fault(on="create", rate=0.33, **fault)
    order(desk, prompts(60), max_submit_concurrency=8)
    assert once_each(desk, 60)
    assert desk.variables.states() == {"ordered": 60}


def test_a_server_with_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer orders at once are sent, so that most of them are taken."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.1)
    desk.emulator.update(max_requests_per_second=60)
    order(desk, prompts(80), max_submit_concurrency=16)
    assert once_each(desk, 80)
    assert desk.emulator.requests["create"] < 240


def test_retry_after_is_waited_for(desk: Desk) -> None:
    """By all of them, those that were not refused too."""
    desk.emulator.add_fault(on="create", kind="rate_limit", retry_after=1, times=1)
    order(desk, prompts(20), max_submit_concurrency=2)
    asked = desk.emulator.journal(0, "answered", kind="create", status=429)[0]["time"]
    sent = [one["time"] - asked for one in desk.emulator.journal(0, "request", kind="create")]
    assert len([seconds for seconds in sent if 0.2 < seconds < 1.0]) == 0
    assert len([seconds for seconds in sent if seconds <= 0.2]) <= 4, "those that were on their way"
    assert once_each(desk, 20)


def test_a_long_pause_is_not_waited_for_on_a_worker(desk: Desk) -> None:
    """The task defers, not a second sooner than the API said, and goes on by itself; none of it is a failure."""
    fault = desk.emulator.add_fault(on="create", kind="rate_limit", retry_after=1000)
    before = time.time()
    batch = order(desk, prompts(3))
    plan = batch.plan()
    assert plan is not None
    assert plan.resume_at is not None
    assert before + 1000 <= plan.resume_at < time.time() + 1010
    assert not plan.videos
    assert desk.variables.journals == {}
    desk.emulator.clear_faults(fault)
    again = desk.begin(prompts(3))
    again.resume({}, {}, batch.carry() | {"halt": {**batch.carry()["halt"], "resume_at": time.time() + 60}})
    again.order()
    assert desk.billed == 0, "the pause goes on, though a leg came in between (videos were to be saved, say)"
    again.resume({}, {}, batch.carry() | {"halt": {**batch.carry()["halt"], "resume_at": time.time() - 1}})
    again.order()
    assert once_each(desk, 3)


def test_a_pause_beyond_the_timeout_is_not_begun(desk: Desk) -> None:
    """The task says so at once, instead of a day later; what was ordered is waited for, and delivered."""
    desk.emulator.add_fault(on="create", kind="rate_limit", retry_after=86400, skip=2)
    with pytest.raises(StarVideosBatchError, match=r"asks to wait 864.. s, which is more than the timeout") as caught:
        desk.run(prompts(4), timeout=600, max_submit_concurrency=1)
    assert not caught.value.permanent
    assert desk.variables.states() == {"completed": 2, "open": 1}


def test_a_block_that_goes_on_does_not_hold_a_worker_each_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its first minute a worker run tries once. After the task's timeout ordering ends, and a retry may go on."""
    monkeypatch.setattr(submitter, "LONGEST_INLINE_WAIT", 0.3)
    desk.emulator.add_fault(on="create", kind="rate_limit", retry_after=0.01)
    batch = order(desk, prompts(30), max_submit_concurrency=4, timeout=600)
    first = desk.emulator.requests["create"]
    carry = batch.carry()
    assert first > 8
    carry["blocked_since"] -= 100
    carry["halt"]["resume_at"] = time.time()
    batch = desk.begin(prompts(30), max_submit_concurrency=4, timeout=600)
    batch.resume({}, {}, carry)
    batch.order()
    assert desk.emulator.requests["create"] - first <= 4
    carry["blocked_since"] -= 600
    batch.resume({}, {}, carry)
    batch.order()
    assert batch.plan() is None
    with pytest.raises(StarVideosBatchError, match=r"No order was accepted for \d+ s") as caught:
        batch.check("")
    assert not caught.value.permanent


def test_nobody_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is no order: no outcome is unknown, and it goes on when the server is back."""
    monkeypatch.setattr(submitter, "LONGEST_INLINE_WAIT", 0.3)
    monkeypatch.setenv(
        "AIRFLOW_CONN_NOBODY", '{"conn_type": "starvideos", "host": "http://127.0.0.1:9", "password": "k"}'
    )
    batch = order(desk, prompts(5), starvideos_conn_id="nobody")
    plan = batch.plan()
    assert plan is not None
    assert plan.resume_at is not None
    assert desk.variables.journals == {}


@pytest.mark.parametrize(
    ("status", "told"), [(401, "the key"), (403, "the key"), (402, "no credit"), (404, "no such path")]
)
def test_what_every_row_would_meet_stops_ordering(desk: Desk, status: int, told: str) -> None:
    """No further order is sent; those that were accepted go on; a retry is of no use until a person has acted."""
    fault = desk.emulator.add_fault(on="create", kind="status", status=status, skip=6)
    batch = order(desk, prompts(100), max_submit_concurrency=4)
    assert desk.emulator.requests["create"] <= 6 + 4 + 4
    assert desk.variables.states() == {"ordered": 6, "open": desk.variables.states()["open"]}
    assert len(batch.plan().videos) == 6
    with pytest.raises(StarVideosBatchFinalError, match=told):
        batch.check("")
    desk.emulator.clear_faults(fault)
    order(desk, prompts(100))
    assert once_each(desk, 100)


def test_a_bad_row_is_its_own_problem(desk: Desk) -> None:
    """Refused and not billed; the others are ordered; a retry of no use, a clear asks again."""
    desk.emulator.add_fault(on="create", kind="status", status=400, match="fox 3.", body={"error": "a bad fox"})
    with pytest.raises(
        Exception, match=r"(?s)1 of 5 rows .* 1 rejected.*Row 3: refused by the API\. Billed: no.*a bad fox"
    ) as caught:
        desk.run(prompts(5))
    assert "may be without" in str(caught.value)
    assert desk.variables.states() == {"completed": 4, "rejected": 1}
    desk.emulator.clear_faults()
    desk.next_try()
    assert len(set(desk.run(prompts(5)))) == 5
    assert once_each(desk, 5)


def test_refused_rows_take_no_places(desk: Desk) -> None:
    """However many there are: no worker run for each few of them."""
    desk.emulator.add_fault(on="create", kind="status", status=400, times=50)
    desk.run(prompts(60), max_in_flight=10, max_failures=50, poll_interval=0.02)
    assert desk.legs == 2
    assert desk.billed == 10


@pytest.mark.parametrize("kind", ["reset", "close", "half_body", "no_id", "server_error", "bad_gateway_html", "html"])
def test_lost_answers_are_listed_and_never_sent_again(desk: Desk, kind: str) -> None:
    """Accepted, and the answer is lost: unknown over any number of tries; the others are delivered."""
    desk.emulator.add_fault(on="create", kind=kind, when="after", times=3, skip=2)
    for _ in range(3):
        with pytest.raises(Exception, match="3 unconfirmed") as caught:
            desk.run(prompts(20))
        assert "starvideos_decision_" in str(caught.value)
        desk.next_try()
    assert once_each(desk, 20)
    assert desk.variables.states() == {"completed": 17, "unconfirmed": 3}


def test_many_lost_answers_in_a_row_stop_it(desk: Desk) -> None:
    """Each is a video that may have been paid for: the rest isn't risked, nor by a retry."""
    desk.emulator.add_fault(on="create", kind="close", when="after")
    with pytest.raises(Exception, match="orders in a row had no readable answer") as caught:
        desk.run(prompts(200), max_submit_concurrency=4)
    assert type(caught.value).__name__ == "AirflowFailException"
    assert desk.billed <= MAX_LOST_IN_A_ROW + 4
    assert once_each(desk, desk.billed)


def test_they_are_counted_over_legs(desk: Desk) -> None:
    """Few slots don't start the count again each time they are filled."""
    desk.emulator.add_fault(on="create", kind="close", when="after")
    with pytest.raises(Exception, match="orders in a row had no readable answer"):
        desk.run(prompts(200), max_in_flight=3)
    assert desk.billed <= MAX_LOST_IN_A_ROW + 3


def test_a_third_lost_does_not_stop_it(desk: Desk) -> None:
    """As long as others are answered in between. Whatever is billed is delivered or listed, and billed once."""
    desk.emulator.add_fault(on="create", kind="reset", when="after", rate=0.3)
    with pytest.raises(Exception, match="unconfirmed"):
        desk.run(prompts(150))
    states = desk.variables.states()
    assert once_each(desk, 150)
    assert states["completed"] + states["unconfirmed"] == 150
    assert 20 < states["unconfirmed"] < 75


def test_ids_are_on_record_while_another_order_hangs(desk: Desk) -> None:
    """A kill in that time leaves the outcome of the hanging order unknown, and of no other."""
    desk.emulator.add_fault(on="create", kind="hang", match="fox 5.", times=1, release="answer")
    seen: list[dict[str, int]] = []

    def look() -> None:
        desk.emulator.wait_for("fault", fault="hang")
        until = time.monotonic() + 3
        while (states := dict(desk.variables.states())) != {"ordered": 7, "sending": 1} and time.monotonic() < until:
            time.sleep(0.01)
        seen.append(states)
        desk.emulator.clear_faults(release="answer")

    watcher = threading.Thread(target=look)
    watcher.start()
    order(desk, prompts(8), max_submit_concurrency=4)
    watcher.join()
    assert seen == [{"ordered": 7, "sending": 1}]
    assert once_each(desk, 8)


def test_ids_are_on_record_while_it_pauses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No outcome is unknown in a pause that the API asked for: nothing is in flight."""
    seen: list[dict[str, int]] = []
    original = submitter.Submitter.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        def sleep(seconds: float) -> None:
            seen.append(dict(desk.variables.states()))
            time.sleep(seconds)

        original(self, *args, **kwargs, sleep=sleep)

    monkeypatch.setattr(submitter.Submitter, "__init__", init)
    desk.emulator.add_fault(on="create", kind="rate_limit", match="fox 2.", times=1, retry_after=0.2)
    order(desk, prompts(6), max_submit_concurrency=3)
    assert seen
    assert not [states for states in seen if "sending" in states]
    assert once_each(desk, 6)


def test_others_go_on_while_one_hangs_after_a_pause(desk: Desk) -> None:
    """A pause ends when it ends, not when the slowest order is answered."""
    desk.emulator.add_fault(on="create", kind="hang", match="fox 1.", times=1, release="answer")
    desk.emulator.add_fault(on="create", kind="rate_limit", match="fox 2.", times=1, retry_after=0.2)
    ordering = threading.Thread(target=order, args=(desk, prompts(6)), kwargs={"max_submit_concurrency": 3})
    ordering.start()
    try:
        desk.emulator.wait_for("accepted", contains="fox 6.", timeout=3)
    finally:
        desk.emulator.clear_faults(release="answer")
        ordering.join()
    assert once_each(desk, 6)


def test_an_input_whose_store_cannot_be_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not sent, so not unknown; the others are ordered, once, and the task ends: a retry may find the store again."""

    def away(*_: Any) -> None:
        raise StarVideosStorageError("the bucket is out of reach")

    monkeypatch.setattr(inputs, "sign_inputs", away)
    rows = [*prompts(3), {"prompt": "fox 4.", "reference_images": ["s3://bucket/a.png"]}]
    with pytest.raises(
        StarVideosBatchError, match=r"Row 4: not ordered: its inputs can't be read\. Billed: no"
    ) as caught:
        desk.run(rows)
    assert not caught.value.permanent
    assert once_each(desk, 3)
    assert desk.legs == 2


def test_sigterm_orders_nothing_more_and_loses_nothing(desk: Desk) -> None:
    """What was out is put on record; where the task is resumed elsewhere, ordering goes on without a failed try."""
    desk.emulator.add_fault(on="create", kind="delay", seconds=0.02)
    batch = desk.begin(prompts(50), max_submit_concurrency=4)
    operator: Any = desk.operator
    desk.variables.watches = lambda step, key, value: operator.on_kill() if desk.billed >= 8 else None
    batch.order()
    desk.variables.watches = lambda step, key, value: None
    assert 8 <= desk.billed <= 16
    assert desk.variables.states()["ordered"] == desk.billed
    plan = batch.plan()
    assert plan is not None
    assert plan.resume_at is not None
    assert plan.resume_at <= time.time()
    again = desk.begin(prompts(50))
    again.resume({}, plan.videos, batch.carry())
    again.order()
    assert once_each(desk, 50)


def test_sigterm_without_the_triggerer(desk: Desk) -> None:
    """A worker that waits itself ends at once, and a retry goes on."""
    desk.emulator.update(seconds="hold")
    desk.variables.watches = lambda step, key, value: desk.operator.on_kill() if desk.billed >= 4 else None  # type: ignore[union-attr]
    with pytest.raises(StarVideosBatchError, match="is being ended") as caught:
        desk.run(prompts(50), deferrable=False, max_submit_concurrency=4)
    assert not caught.value.permanent
    assert set(desk.variables.states()) <= {"ordered", "open"}
