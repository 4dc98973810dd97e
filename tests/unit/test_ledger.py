"""Paid once, step by step: the ledger over a store that is watched and can fail, with the emulator as the judge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosRecordError,
    StarVideosServerError,
)
from airflow_provider_starvideos.ledger import success
from airflow_provider_starvideos.ledger.ordering import WRITE_ATTEMPTS
from airflow_provider_starvideos.ledger.record import OrderRecord
from tests.unit.fake_ledger import LOG, Bench, make_bench


@pytest.fixture
def bench(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A task instance that has ordered nothing."""
    return make_bench(emulator, monkeypatch)


def test_write_ahead(bench: Bench) -> None:
    """The intent is on record before the order is sent, the id as soon as it is there, and nothing in between."""
    video_id = bench.place()
    assert bench.store.steps == [("read", 0), ("intent", 0), ("id", 1)]
    assert bench.store.record is not None
    assert bench.store.record.video_id == video_id


@pytest.mark.parametrize("step", ["read", "intent"])
def test_no_record_no_order(bench: Bench, step: str) -> None:
    """Where the record can't be read or written, nothing is sent, and the error says so."""
    bench.store.refuses = lambda name, value: name == step
    with pytest.raises(StarVideosRecordError, match=r"no more room.*nothing was sent"):
        bench.place()
    assert bench.emulator.requests["create"] == 0


def test_a_record_that_cannot_be_understood_is_not_taken_for_none(bench: Bench) -> None:
    """An order may be behind it."""
    for text in ('{"strange": 1}', "[]", '"text"'):
        bench.store.text = text
        with pytest.raises(StarVideosRecordError, match="can't be read"):
            bench.place()
    assert bench.billed == 0


def test_the_next_try_finds_the_video(bench: Bench) -> None:
    """Live or completed: the same one."""
    video_id = bench.place()
    assert bench.place() == video_id
    bench.emulator.finish(video_id)
    assert bench.place() == video_id
    assert bench.billed == 1


def test_a_failed_video_is_ordered_anew(bench: Bench) -> None:
    """That is what a retry is for; the new one is on record then."""
    first = bench.place()
    bench.emulator.finish(first, "failed")
    second = bench.place()
    assert second != first
    assert bench.place() == second
    assert bench.billed == 2


def test_another_request_is_another_order(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A changed prompt doesn't inherit the video, and the log names the one that isn't used. So for another host."""
    first = bench.place()
    second = bench.place("a grey wolf")
    assert second != first
    assert f"ordered something else (text to video, prompt 'a red fox', video {first})" in caplog.text
    request = build_request(prompt="a red fox")
    assert request.fingerprint("https://one/api") != request.fingerprint("https://two/api")
    assert bench.billed == 2


@pytest.mark.parametrize("status", [429, 503])
def test_withdrawn_while_it_waits_to_send_again(bench: Bench, status: int) -> None:
    """A process that is killed in the back-off hasn't ordered anything, and its record says so."""
    bench.emulator.add_fault(on="create", kind="status", status=status, times=2)
    bench.place()
    assert bench.hook.slept == [None, None]
    assert [step for step, _ in bench.store.steps] == [*["read", "intent", "delete"] * 2, "read", "intent", "id"]
    assert bench.billed == 1


def test_sent_again_though_it_could_not_be_withdrawn(bench: Bench) -> None:
    """What is on record then is this very order, and no other process's."""
    bench.emulator.add_fault(on="create", kind="status", status=503, times=2)
    deletions = []

    def second_deletion(step: str, value: Any) -> bool:
        deletions.extend([step] * (step == "delete"))
        return step == "delete" and len(deletions) == 2

    bench.store.refuses = second_deletion
    bench.place()
    assert len(deletions) == 2
    assert bench.billed == 1


@pytest.mark.parametrize("withdrawn", [True, False])
def test_another_process_has_ordered_during_the_back_off(
    withdrawn: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen process wakes up in its back-off, and its task has another one by now: it sends nothing more, and
    neither overwrites nor withdraws what that one has on record. (Variables, before Airflow 3.3, let it.) Also where
    it couldn't withdraw its own, and a person decided for the other one.
    """
    bench.store.refuses = lambda step, value: step == "delete" and not withdrawn
    bench.emulator.add_fault(on="create", kind="status", status=429, times=1)
    others: list[str] = []
    monkeypatch.setattr(bench.hook, "_transport", lambda: SyncClient(sleep=lambda _: others.append(another())))

    def another() -> str:
        monkeypatch.delattr(bench.hook, "_transport")
        bench.store.refuses = lambda step, value: False
        return bench.place(resubmit=True)

    with pytest.raises(StarVideosRecordError, match="Another run of this task has put an order on record"):
        bench.place()
    assert bench.billed == 1
    assert [bench.place()] == others
    assert bench.billed == 1


def test_a_back_off_that_is_broken_off_takes_no_other_record_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was withdrawn isn't withdrawn once more: by then it may be another try's."""
    bench.emulator.add_fault(on="create", kind="status", status=429, times=1)

    def broken_off(_: float) -> None:
        monkeypatch.delattr(bench.hook, "_transport")
        bench.place()
        raise StarVideosServerError("broken off", status_code=429)

    monkeypatch.setattr(bench.hook, "_transport", lambda: SyncClient(sleep=broken_off))
    with pytest.raises(StarVideosServerError, match="broken off"):
        bench.place()
    bench.place()
    assert bench.billed == 1


@pytest.mark.parametrize(("status", "error"), [(401, StarVideosAuthenticationError), (503, StarVideosServerError)])
def test_withdrawn_when_refused(bench: Bench, status: int, error: type[StarVideosError]) -> None:
    """Provably not accepted: the next try orders."""
    fault = bench.emulator.add_fault(on="create", kind="status", status=status)
    with pytest.raises(error):
        bench.place()
    assert bench.store.text is None
    steps = [step for step, _ in bench.store.steps]
    assert steps.count("delete") == steps.count("intent"), "once each: by then another try may have begun"
    bench.emulator.clear_faults(fault)
    bench.place()
    assert bench.billed == 1


def test_a_withdrawal_that_fails_hides_nothing(bench: Bench) -> None:
    """The API's refusal is what the user must see. The next try asks a person, rather than pay twice."""
    bench.emulator.add_fault(on="create", kind="status", status=401, times=1)
    bench.store.refuses = lambda step, value: step == "delete"
    with pytest.raises(StarVideosAuthenticationError):
        bench.place()
    bench.be_refused()


@pytest.mark.parametrize("failures", [1, WRITE_ATTEMPTS - 1])
def test_the_id_is_kept_at_last(bench: Bench, failures: int) -> None:
    """An id that was paid for is worth a few attempts."""
    left = [True] * failures
    bench.store.refuses = lambda step, value: step == "id" and bool(left) and left.pop()
    assert bench.place() == bench.place()
    assert bench.billed == 1


def test_the_id_cannot_be_kept(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The video is delivered all the same, the log names it, and a later try doesn't order it again."""
    bench.store.refuses = lambda step, value: step == "id"
    video_id = bench.place()
    assert caplog.text.count(f"{video_id} was ordered, but can't be put on record") == WRITE_ATTEMPTS
    assert "its log may name the video" in bench.be_refused()
    assert bench.billed == 1


def test_a_signal_while_the_id_is_kept(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """What ends the task there (its execution_timeout, say) goes on; the log names the video."""

    def interrupted(step: str, value: Any) -> bool:
        if step == "id":
            raise KeyboardInterrupt
        return False

    bench.store.refuses = interrupted
    with pytest.raises(KeyboardInterrupt):
        bench.place()
    assert f"{bench.emulator.orders[0].id} was ordered, but isn't on record" in caplog.text


class FakeTask:
    """What `forget_after_success` needs of an operator."""

    log = LOG
    on_success_callback: Any = None


class FakeInstance:
    """A running task instance, of which Airflow says a state."""

    dag_id, run_id, task_id = "dag", "run", "order"

    def __init__(self, state: str, map_index: int) -> None:
        self.state, self.map_index = state, map_index

    def get_task_states(self, **wanted: Any) -> dict[str, dict[str, str]]:
        mapped = self.map_index >= 0
        index = self.map_index if mapped else None
        assert wanted == {"dag_id": "dag", "map_index": index, "task_ids": ["order"], "run_ids": ["run"]}
        return {"run": {f"order_{self.map_index}" if mapped else "order": self.state}}


@pytest.mark.parametrize("map_index", [-1, 0, 7])
@pytest.mark.parametrize("given", [None, print, [print]])
def test_forgotten_once_the_success_is_recorded(bench: Bench, map_index: int, given: Any) -> None:
    """By a callback, which comes before the user's own."""
    bench.place()
    task = FakeTask()
    task.on_success_callback = given
    success.forget_after_success(task, bench.store.delete)
    forget, *rest = task.on_success_callback
    assert rest == ([print] if given else [])
    assert bench.store.text is not None
    forget({"ti": FakeInstance("success", map_index)})
    assert bench.store.text is None


@pytest.mark.parametrize("state", ["failed", "up_for_retry", "restarting", "running"])
def test_not_forgotten_where_airflow_refused_the_success(
    bench: Bench, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    """Airflow runs success callbacks then too; the task will run again and must find its video."""
    video_id = bench.place()
    task = FakeTask()
    success.forget_after_success(task, bench.store.delete)
    task.on_success_callback[0]({"ti": FakeInstance(state, -1)})
    assert "will find its video" in caplog.text
    assert bench.place() == video_id


def test_the_record_names_its_order_and_nothing_secret(bench: Bench) -> None:
    """It survives JSON, its reference too; the key isn't in it."""
    bench.lose_the_answer()
    record = bench.store.record
    assert record is not None
    assert OrderRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert bench.emulator.key not in json.dumps(record.to_json())
