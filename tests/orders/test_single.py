"""A single order, step by step: the journal over Variables that are watched and can fail, the emulator as the judge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosQuotaError,
    StarVideosRecordError,
    StarVideosServerError,
)
from airflow_provider_starvideos.orders.journal import WRITE_ATTEMPTS
from tests.orders.task import Task
from tests.orders.variables import NAME


def steps(task: Task) -> list[str]:
    """Return what was done with the Variables."""
    return [step for step, _ in task.variables.steps]


def test_write_ahead(task: Task) -> None:
    """One read, two writes: the intent before the order is sent, the id before anything else."""
    billed: list[tuple[str, int]] = []
    task.variables.watches = lambda step, key, value: billed.append((step, task.billed))
    video_id = task.order()
    assert billed == [("list", 0), ("write", 0), ("written", 0), ("write", 1), ("written", 1)]
    (order,) = task.variables.orders()
    assert (order.state, order.video_id) == ("ordered", video_id)


@pytest.mark.parametrize("step", ["list", "read", "write"])
def test_no_journal_no_order(task: Task, step: str) -> None:
    """Where the journal can't be read or written, nothing is sent, and the error says so."""
    task.variables.can_list = step != "read"
    task.variables.refuses = lambda name, key, value: name == step
    with pytest.raises(StarVideosRecordError, match=r"no more room.*nothing (was|more is) sent"):
        task.order()
    assert task.emulator.requests["create"] == 0


@pytest.mark.parametrize(
    "text", ['{"strange": 1}', "[]", '"text"', "{", '{"orders": [1], "size": 48}', '{"orders": []}']
)
def test_a_journal_that_cannot_be_understood_is_not_taken_for_none(task: Task, text: str) -> None:
    """An order may be behind it."""
    task.variables.texts[NAME.page(1)] = text
    with pytest.raises(StarVideosRecordError, match="can't be read"):
        task.order()
    assert task.billed == 0


def test_the_next_try_resumes_the_video(task: Task) -> None:
    """Live or completed: the same one, and nothing is written for it."""
    video_id = task.order()
    writes = len(task.variables.writes)
    assert task.order() == video_id
    task.emulator.finish(video_id)
    assert task.order() == video_id
    assert task.billed == 1
    assert len(task.variables.writes) == writes


def test_an_answer_that_names_the_video_of_another_order(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache between replays the answer of before: whether the order came through is unknown."""
    first = task.order()
    task.emulator.finish(first, "failed")
    submit = task.hook.submit

    def replayed(*args: Any) -> VideoTask:
        submit(*args)
        return VideoTask(first, "queued")

    with monkeypatch.context() as cached:
        cached.setattr(task.hook, "submit", replayed)
        message = task.stop()
    assert f"The answer names the video of another order ({first})" in message
    task.decide(message, task.emulator.orders[-1].id)
    assert task.order() == task.emulator.orders[-1].id
    assert task.billed == 2


def test_a_failed_video_is_ordered_again(task: Task) -> None:
    """That is what a retry is for; the new one is in the journal then."""
    first = task.order()
    task.emulator.finish(first, "failed")
    second = task.order()
    assert second != first
    assert task.order() == second
    assert task.billed == 2


def test_another_request_is_another_order(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    """A changed prompt doesn't inherit the video, and the log names the one that isn't used."""
    first = task.order()
    second = task.order("a grey wolf")
    assert second != first
    assert f"ordered something else (text to video, prompt 'a red fox'; video {first})" in caplog.text
    assert task.billed == 2


@pytest.mark.parametrize("status", [402, 401, 503, "intent"])
def test_b2_going_back_to_the_old_request_finds_its_video(task: Task, status: int | str) -> None:
    """B is refused, or its intent can't be written: nothing that is known of A is touched by it."""
    video_id = task.order("A")
    fault = None
    if status == "intent":
        task.variables.refuses = lambda step, key, value: step == "write"
    else:
        fault = task.emulator.add_fault(on="create", kind="status", status=status)
    with pytest.raises(StarVideosError):
        task.order("B")
    task.variables.refuses = lambda step, key, value: False
    if fault:
        task.emulator.clear_faults(fault)
    assert task.order("A") == video_id
    assert task.billed == 1


def test_b2_going_back_where_both_were_ordered(task: Task) -> None:
    """Each request has its own video."""
    first, second = task.order("A"), task.order("B")
    assert (task.order("A"), task.order("B")) == (first, second)
    assert task.billed == 2


@pytest.mark.parametrize("is_accepted", [True, False])
def test_b3_an_unknown_outcome_stays_until_it_is_settled(task: Task, is_accepted: bool) -> None:
    """Another request is ordered meanwhile, or refused: the question about the first one is still asked."""
    message = task.lose_the_answer("A")
    if is_accepted:
        task.order("B")
    else:
        task.emulator.add_fault(on="create", kind="status", status=402, times=1)
        with pytest.raises(StarVideosQuotaError):
            task.order("B")
    assert "may or may not have been accepted" in task.stop("A")
    task.decide(message, task.emulator.orders[0].id)
    assert task.order("A") == task.emulator.orders[0].id
    assert task.billed == 1 + is_accepted


def test_b3_a_success_settles_only_what_is_known(task: Task) -> None:
    """The Variable of an unknown outcome stays; that of the delivered video goes."""
    task.lose_the_answer("A")
    task.order("B")
    journal = task.variables.journal()
    assert journal.settled_names() == [NAME.page(2)]
    journal.forget()
    assert [order.state for order in task.variables.orders()] == ["unconfirmed"]
    task.stop("A")
    assert task.billed == 2


@pytest.mark.parametrize("status", [429, 503])
def test_withdrawn_while_it_waits_to_send_again(task: Task, status: int) -> None:
    """A process that is killed in the back-off hasn't ordered anything, and the journal says so."""
    task.emulator.add_fault(on="create", kind="status", status=status, times=2)
    task.order()
    assert task.slept
    assert not any(task.slept)
    assert steps(task) == [*["list"], *["write", "delete"] * 2, "write", "write"]
    assert task.billed == 1


@pytest.mark.parametrize(("status", "error"), [(401, StarVideosAuthenticationError), (503, StarVideosServerError)])
def test_withdrawn_when_refused(task: Task, status: int, error: type[StarVideosError]) -> None:
    """Provably not accepted: nothing is left of it, and the next try orders."""
    fault = task.emulator.add_fault(on="create", kind="status", status=status)
    with pytest.raises(error):
        task.order()
    assert task.emulator.requests["create"] == (1 if status == 401 else 3)
    assert task.variables.texts == {}
    task.emulator.clear_faults(fault)
    task.order()
    assert task.billed == 1


def test_a_withdrawal_that_fails_asks_rather_than_bills_twice(task: Task) -> None:
    """The refusal can't be written: the next try asks a person."""
    task.emulator.add_fault(on="create", kind="status", status=401, times=1)
    task.variables.refuses = lambda step, key, value: step == "delete"
    with pytest.raises(StarVideosError):
        task.order()
    task.variables.refuses = lambda step, key, value: False
    task.stop()
    assert task.billed == 0


@pytest.mark.parametrize("failures", [1, WRITE_ATTEMPTS - 1])
def test_the_id_is_written_at_last(task: Task, failures: int) -> None:
    """An id that was paid for is worth a few attempts."""
    left = [True] * failures
    task.variables.refuses = lambda step, key, value: (
        step == "write" and "video_" in str(value) and bool(left and left.pop())
    )
    assert task.order() == task.order()
    assert task.billed == 1


def test_the_id_cannot_be_written(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the video, and a later try doesn't order it again."""
    task.variables.refuses = lambda step, key, value: step == "write" and "video_" in str(value)
    with pytest.raises(StarVideosRecordError):
        task.order()
    assert task.emulator.orders[0].id in caplog.text
    task.variables.refuses = lambda step, key, value: False
    task.stop()
    assert task.billed == 1


def test_b7_no_order_after_on_kill_in_a_back_off(task: Task) -> None:
    """The task's process is ended while it waits to send again."""
    task.emulator.add_fault(on="create", kind="status", status=429, times=1)
    task.stopping = lambda: bool(task.slept)
    with pytest.raises(StarVideosError, match=r"being ended\. Not billed"):
        task.order()
    assert (task.billed, task.emulator.requests["create"]) == (0, 1)
    assert task.variables.texts == {}
    task.stopping = lambda: False
    task.order()
    assert task.billed == 1


def test_b7_no_order_after_on_kill_while_inputs_are_signed(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing, or reading a byte of an input, takes its time."""
    told: list[bool] = []

    def sign(request: Any, endpoint: Any) -> Any:
        told.append(True)
        return request

    monkeypatch.setattr(task.hook, "with_signed_inputs", sign)
    task.stopping = lambda: bool(told)
    with pytest.raises(StarVideosError, match="being ended"):
        task.order(reference_images=["https://cdn.example.com/a.png"])
    assert told
    assert task.emulator.requests["create"] == 0


def test_b7_no_order_after_on_kill_when_a_slow_refusal_comes(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt is in flight when the process is ended; it isn't accepted, and not sent again."""
    fault = task.emulator.add_fault(on="create", kind="status", status=429)
    submit = task.hook.submit
    told: list[bool] = []

    def slow(*args: Any) -> Any:
        told.append(True)  # in mid-flight
        return submit(*args)

    monkeypatch.setattr(task.hook, "submit", slow)
    task.stopping = lambda: bool(told)
    with pytest.raises(StarVideosError, match="being ended"):
        task.order()
    task.emulator.clear_faults(fault)
    assert (task.billed, task.emulator.requests["create"]) == (0, 1)


def test_an_answer_that_comes_after_on_kill_is_kept(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in flight: its video is in the journal, and the next try resumes it."""
    submit = task.hook.submit
    told: list[bool] = []

    def slow(*args: Any) -> Any:
        told.append(True)
        return submit(*args)

    monkeypatch.setattr(task.hook, "submit", slow)
    task.stopping = lambda: bool(told)
    video_id = task.order()
    told.clear()
    assert task.order() == video_id
    assert task.billed == 1


def test_the_journal_holds_nothing_secret(task: Task) -> None:
    """Neither the key, nor the signature of an input."""
    signed = "https://bucket.s3.amazonaws.com/a.png?X-Amz-Algorithm=x&X-Amz-Signature=5ecre7"
    task.order(reference_images=[signed])
    text = json.dumps(task.variables.texts)
    assert task.emulator.key not in text
    assert "5ecre7" not in text


def test_an_order_of_a_later_version_is_read_as_far_as_it_can(task: Task) -> None:
    """Fields and states that this version doesn't know don't make it order again."""
    video_id = task.order()
    page = json.loads(task.variables.texts[NAME.page(1)])
    page["orders"][0] |= {"state": "archived", "later": {"a": 1}}
    task.variables.texts[NAME.page(1)] = json.dumps(page | {"version": 7, "more": []})
    assert task.order() == video_id
    page["orders"][0] = {"key": page["orders"][0]["key"], "state": "in_review"}
    task.variables.texts = {NAME.page(1): json.dumps(page)}
    task.stop()
    assert task.billed == 1


@pytest.mark.parametrize("known", [True, False])
def test_b12_the_record_of_the_first_version_is_found(task: Task, known: bool) -> None:
    """It was open under Airflow 3.2, in a Variable; now there is another version of both."""
    video_id = task.order()
    key = task.variables.orders()[0].key
    record = {"fingerprint": key.rpartition(".")[0], "sent_at": 1.5, "summary": "text to video"}
    record |= {"video_id": video_id} if known else {"doubt": "the connection was reset"}
    task.variables.texts = {NAME.base: json.dumps(record)}
    if known:
        assert task.order() == video_id
        assert task.variables.journal(NAME, 2).settled_names() == [NAME.base]
    else:
        message = task.stop()
        assert "the connection was reset" in message
        task.decide(message, video_id)
        assert task.order() == video_id
    assert task.billed == 1


def test_a_read_that_finds_nothing_is_no_proof(task: Task) -> None:
    """An api-server whose database doesn't answer says "not found" too: the list of Variables says otherwise."""
    video_id = task.order()
    texts = dict(task.variables.texts)
    task.variables.watches = lambda step, key, value: task.variables.texts.clear() if step == "read" else None
    with pytest.raises(StarVideosRecordError, match="can't be read"):
        task.order()
    task.variables.watches = lambda step, key, value: None
    task.variables.texts.update(texts)
    assert task.order() == video_id
    assert task.billed == 1


def test_the_first_version_s_record_that_is_listed_is_not_taken_for_none(task: Task) -> None:
    """The same for the record that the first version kept: its video was paid for."""
    video_id = task.order("A")
    key = task.variables.orders()[0].key
    record = {"fingerprint": key.rpartition(".")[0], "sent_at": 1.5, "summary": "text to video", "video_id": video_id}
    texts = {NAME.base: json.dumps(record)}
    task.variables.texts = dict(texts)
    task.variables.watches = lambda step, key, value: task.variables.texts.clear() if step == "read" else None
    with pytest.raises(StarVideosRecordError, match="can't be read"):
        task.order("A")
    task.variables.watches = lambda step, key, value: None
    task.variables.texts.update(texts)
    assert task.order("A") == video_id
    assert task.billed == 1


def test_without_the_lease_nothing_is_sent(task: Task) -> None:
    """Airflow has given the task to another process: this one orders nothing, and the next try orders once."""

    def refused() -> None:
        raise StarVideosRecordError("no longer")

    task.lease = refused
    with pytest.raises(StarVideosRecordError, match="no longer"):
        task.order()
    assert task.emulator.requests["create"] == 0
    task.lease = lambda: None
    task.order()
    assert task.billed == 1


@pytest.mark.parametrize("can_list", [True, False])
def test_b12_the_record_of_the_first_version_stays_beside_others(task: Task, can_list: bool) -> None:
    """Another order goes between, accepted or refused: with the old request its video is found."""
    task.variables.can_list = can_list
    video_id = task.order("A")
    key = task.variables.orders()[0].key
    record = {"fingerprint": key.rpartition(".")[0], "sent_at": 1.5, "summary": "text to video", "video_id": video_id}
    task.variables.texts = {NAME.base: json.dumps(record)}
    task.order("B")
    assert task.order("A") == video_id
    assert task.billed == 2


def test_an_empty_page_is_not_taken_for_none(task: Task) -> None:
    """A user has edited the Variable."""
    for text in ("null", ""):
        task.variables.texts[NAME.page(1)] = text
        with pytest.raises(StarVideosRecordError, match="can't be read"):
            task.order()
    assert task.billed == 0
