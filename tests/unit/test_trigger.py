"""The trigger: its arguments in the database, and the one event that it sends, whatever happens to the wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosNotFoundError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.spending import Spending
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers import engine, events
from airflow_provider_starvideos.triggers import task as module
from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger
from tests.unit.waits import error_of, event_of
from tests.versions import deserialize, serialize

needs_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 no task starts in the triggerer")
SHORT = 0.02  # seconds between two polls, so that a test of many takes none


def trigger(video_id: str, *, seconds: float = 30.0, poll_interval: float = SHORT) -> StarVideosTaskTrigger:
    """Return a trigger with a deadline that many seconds away."""
    return StarVideosTaskTrigger(video_id, time.time() + seconds, poll_interval=poll_interval)


async def ordered() -> str:
    """Order a video, and return its id."""
    return (await StarVideosHook().acreate_video(prompt="a red fox")).id


STORED: dict[str, Callable[[Any], Any]] = {
    "JSON": lambda kwargs: json.loads(json.dumps(kwargs)),
    "Airflow's encoding": lambda kwargs: deserialize(json.loads(json.dumps(serialize(kwargs)))),
    "the database's column": lambda kwargs: Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(kwargs)),
}


@pytest.mark.parametrize("store", STORED.values(), ids=STORED)
def test_a_trigger_comes_back_from_the_database_as_it_was(store: Callable[[Any], Any]) -> None:
    """Class path and arguments are all that a triggerer gets, perhaps after a restart."""
    spending = Spending(orders=1, seconds_ordered=5).to_json()
    before = StarVideosTaskTrigger(
        "video_1", 1_800_000_000.25, "mine", 12.5, end_task=True, timeout=77.5, spending=spending
    )
    path, kwargs = before.serialize()
    assert path == "airflow_provider_starvideos.triggers.task.StarVideosTaskTrigger"
    after = StarVideosTaskTrigger(**store(kwargs))
    assert after.serialize() == before.serialize()
    assert vars(after).keys() == vars(before).keys()
    assert (after.video_id, after.end_time, after.starvideos_conn_id) == ("video_1", 1_800_000_000.25, "mine")
    assert (after.poll_interval, after.end_task, after.timeout, after.spending) == (12.5, True, 77.5, spending)


def test_no_key_is_among_the_arguments(emulator: Emulator) -> None:
    """They are plain JSON in the metadata database: the connection's id is there, its content isn't."""
    path, kwargs = trigger("video_1").serialize()
    times = {"end_time", "poll_interval", "timeout"}
    names = {"video_id", "xcom", "starvideos_conn_id", "starts_task", "end_task", "settled", "silent_fail", "spending"}
    assert set(kwargs) == names | times
    assert emulator.key not in json.dumps([path, kwargs])
    assert all(type(value) in (str, float, int, bool, type(None), list) for value in kwargs.values())


async def test_a_completed_video_is_one_event(emulator: Emulator) -> None:
    """With what the task needs; the trigger polled while the video wasn't ready, and not once more."""
    video_id = await ordered()
    waiting = asyncio.create_task(event_of(trigger(video_id)))
    await emulator.async_wait_for("answered", kind="query", id=video_id)
    emulator.finish(video_id)
    video = events.read(await waiting)
    assert video.id == video_id
    assert video.is_completed
    assert video.video_url is not None
    assert video.video_url.startswith(emulator.url)
    assert video.actual_duration == 3.0
    assert emulator.billed.videos == 1


async def test_a_failed_video_is_one_event_with_its_reason(emulator: Emulator) -> None:
    """Failure is reported as failure, in the API's words."""
    video_id = await ordered()
    emulator.finish(video_id, "failed", "content policy")
    error = await error_of(trigger(video_id))
    assert isinstance(error, StarVideosVideoFailedError)
    assert error.reason == "content policy"


async def test_the_deadline_is_one_event(emulator: Emulator) -> None:
    """A video that isn't ready in time is a timeout, at about that time, and goes on."""
    video_id = await ordered()
    started = time.monotonic()
    error = await error_of(trigger(video_id, seconds=0.3))
    assert isinstance(error, StarVideosWaitTimeoutError)
    assert 0.25 < time.monotonic() - started < 10
    assert emulator.order(video_id).status in ("queued", "processing")


async def test_a_video_that_is_completed_in_the_last_interval_is_delivered(emulator: Emulator) -> None:
    """The last poll, at the deadline, asks the API: it isn't content with what this wait saw before."""
    video_id = await ordered()
    waiting = asyncio.create_task(event_of(trigger(video_id, seconds=1.0, poll_interval=600)))
    await emulator.async_wait_for("answered", kind="query", id=video_id)
    emulator.finish(video_id)
    assert events.read(await waiting).id == video_id


async def test_a_poll_that_hangs_does_not_hold_up_the_deadline(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the API hangs, polls queue up behind each other; the wait still ends, as what it is."""
    monkeypatch.setattr(engine, "LAST_POLL_SECONDS", 0.1)
    emulator.add_fault(on="query", kind="hang")
    started = time.monotonic()
    error = await error_of(trigger("video_1", seconds=0.1))
    assert isinstance(error, StarVideosWaitTimeoutError)
    assert time.monotonic() - started < 5


@needs_3_3
@pytest.mark.parametrize("left", [30.0, -30.0], ids=["to come", "past"])
async def test_the_deadline_of_a_task_that_starts_here_outlives_the_triggerer(emulator: Emulator, left: float) -> None:
    """A trigger that is created again doesn't count from then, but back from Airflow's own timeout of the deferral."""
    video_id = await ordered()
    started = StarVideosTaskSensor(task_id="wait", video_id=video_id, poke_interval=SHORT, timeout=60)
    begun = datetime.now(UTC) - timedelta(seconds=60 - left)
    for _ in range(2):
        waiting = StarVideosTaskTrigger(**started.start_trigger_args.trigger_kwargs)
        waiting.timeout_after = begun + started.start_trigger_args.timeout  # as Airflow does
        assert waiting._end_time() == pytest.approx(time.time() + left, abs=10)
    if left < 0:
        assert isinstance(await error_of(waiting), StarVideosWaitTimeoutError)
        assert emulator.requests["query"] == 1, "the last look, at once"


async def test_a_deadline_that_is_long_past_still_finds_a_completed_video(emulator: Emulator) -> None:
    """As after a triggerer that was down for hours."""
    video_id = await ordered()
    emulator.finish(video_id)
    assert events.read(await event_of(trigger(video_id, seconds=-10_000))).id == video_id


async def test_an_unknown_video_is_one_event(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked for a few times, in case that it was just ordered; then that is permanent."""
    monkeypatch.setattr("airflow_provider_starvideos.api.retry.UNKNOWN_DELAY", 0.01)
    error = await error_of(trigger("video_nobody_has"))
    assert isinstance(error, StarVideosNotFoundError)
    assert error.permanent
    assert emulator.requests["query"] == 3


@pytest.mark.usefixtures("impatient")
async def test_a_refused_key_is_one_event(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten polls over ten minutes, for a key may be being exchanged; and the event doesn't show the key."""
    wrong = "sk-a-key-that-is-wrong"
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": wrong}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
    payload = await event_of(trigger("video_1"))
    assert wrong not in json.dumps(payload)
    with pytest.raises(StarVideosAuthenticationError):
        events.read(payload)


@pytest.mark.parametrize("connection", [None, '{"conn_type": "starvideos"}'], ids=["missing", "without a key"])
async def test_a_connection_that_can_not_be_used_is_one_event(
    connection: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permanent error: waiting doesn't help."""
    monkeypatch.delenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", raising=False)
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", connection)
    error = await error_of(trigger("video_1"))
    assert type(error) is StarVideosConfigurationError
    assert "'starvideos_default'" in str(error)


def unreadable(times: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the connection be unreadable so many times; None: always."""
    read, failures = StarVideosHook.aget_conn, iter(range(times)) if times is not None else None

    async def aget_conn(hook: StarVideosHook) -> Any:
        if failures is None or next(failures, None) is not None:
            raise RuntimeError("the api-server is away")
        return await read(hook)

    monkeypatch.setattr(StarVideosHook, "aget_conn", aget_conn)


async def test_a_connection_that_can_not_be_read_for_a_while_is_waited_for(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The api-server restarts, and no wait is lost for it."""
    video_id = await ordered()
    emulator.finish(video_id)
    unreadable(9, monkeypatch)
    assert events.read(await event_of(trigger(video_id))).id == video_id


@pytest.mark.usefixtures("impatient")
async def test_a_connection_that_stays_unreadable_is_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten times in a row; the task may be retried."""
    unreadable(None, monkeypatch)
    error = await error_of(trigger("video_1"))
    assert isinstance(error, StarVideosConnectionError)
    assert "10 polls in a row failed" in str(error)
    assert "Can't read the connection 'starvideos_default': RuntimeError: the api-server is away" in str(error)


async def test_polls_that_fail_do_not_end_the_wait(emulator: Emulator) -> None:
    """A bad minute of the API, and the video is still delivered."""
    video_id = await ordered()
    emulator.finish(video_id)
    for kind in ("server_error", "bad_gateway_html", "reset", "half_body", "html", "empty", "unknown_status"):
        emulator.add_fault(on="query", kind=kind, times=1)
    assert events.read(await event_of(trigger(video_id))).id == video_id
    assert emulator.requests["query"] == 8


async def test_a_cancelled_wait_sends_nothing_and_leaves_nothing(emulator: Emulator) -> None:
    """A triggerer that shuts down cancels its triggers: no event, and no open connection."""
    video_id = await ordered()
    waiting = asyncio.create_task(event_of(trigger(video_id, poll_interval=600)))
    await emulator.async_wait_for("answered", kind="query", id=video_id)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not any(engine._engines.values())


async def test_what_a_user_kills_is_told_to_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """The API has no way to stop a video, so the log says what is paid for.

    Airflow calls it also where another triggerer has the wait now, so it doesn't say that no task waits.
    """
    await trigger("video_1").on_kill()
    (told,) = caplog.messages
    assert told == (
        "This triggerer no longer waits for StarVideos video video_1: the task was cleared or marked, or another "
        "triggerer waits for it now. The video can't be stopped: it goes on, and is billed."
    )


@pytest.mark.parametrize("states", [["deferred", "success"], ["deferred", "deferred", None, "running"]], ids=str)
async def test_the_journal_ends_with_the_recorded_success(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, states: list[str | None]
) -> None:
    """Not with the event: a user may clear or mark the task before Airflow has handled it."""
    deleted: list[str] = []
    slept: list[int] = []
    left = iter(states)

    async def state(_: Any) -> str | None:
        return next(left)

    async def delete(name: str) -> None:
        deleted.append(name)

    monkeypatch.setattr(module, "atask_state", state)
    monkeypatch.setattr(module, "adelete_variable", delete)

    async def at_once(_: float) -> None:
        slept.append(len(slept))

    monkeypatch.setattr(module, "SETTLE_ATTEMPTS", len(states))
    monkeypatch.setattr(module.asyncio, "sleep", at_once)
    ended = StarVideosTaskTrigger("video_1", settled=["starvideos_order_a_1"])
    await ended._settle()
    assert deleted == (["starvideos_order_a_1"] if "success" in states else [])
    assert len(slept) >= len(states) - 1


async def test_the_journal_ends_also_where_airflow_ends_the_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so as soon as it has handled the event."""
    deleted: list[str] = []

    async def state(_: Any) -> str:
        return "success"

    async def delete(name: str) -> None:
        deleted.append(name)

    monkeypatch.setattr(module, "atask_state", state)
    monkeypatch.setattr(module, "adelete_variable", delete)
    settling = asyncio.create_task(StarVideosTaskTrigger("video_1", settled=["a", "b"])._settle())
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert deleted == ["a", "b"]
