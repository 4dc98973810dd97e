"""What the waits of one triggerer share: polls, pauses, connections, and the lookup of the Airflow connection."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosConnectionError,
    StarVideosRateLimitError,
    StarVideosServerError,
)
from airflow_provider_starvideos.hooks import renewal
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.triggers import engine
from airflow_provider_starvideos.triggers.engine import MAX_POLLS_AT_ONCE, Engine, waiting

CONN = "starvideos_default"
LONG = 600.0


async def ordered(count: int) -> list[str]:
    """Order so many videos."""
    return [(await StarVideosHook().acreate_video(prompt=f"fox {number}")).id for number in range(count)]


class LookUps:
    """Counts lookups of the connection, and lets them fail when a test says so.

    :param monkeypatch: installs it
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.failure: Exception | None = None
        read = StarVideosHook.aget_conn

        async def aget_conn(hook: StarVideosHook) -> Any:
            self.count += 1
            await asyncio.sleep(0)
            if self.failure:
                raise self.failure
            return await read(hook)

        monkeypatch.setattr(StarVideosHook, "aget_conn", aget_conn)


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> LookUps:
    """Count lookups of the connection."""
    return LookUps(monkeypatch)


async def test_waits_over_one_connection_share_an_engine(emulator: Emulator) -> None:
    """One a connection, for as long as there is a wait; then nothing of it stays."""
    async with waiting(CONN, "video_1") as one:
        async with waiting(CONN, "video_2") as two, waiting("another", "video_1") as three:
            assert one is two
            assert one is not three
        assert set(engine._engines[asyncio.get_running_loop()]) == {CONN}
    assert not engine._engines[asyncio.get_running_loop()]
    async with waiting(CONN, "video_1") as later:
        assert later is not one


async def test_a_wait_that_is_cancelled_while_it_leaves_leaves_no_connection(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's triggerer cancels a trigger at each of its rounds, until it has ended."""
    (video_id,) = await ordered(1)
    polled, leaving = asyncio.Event(), asyncio.Event()
    transports = []

    async def slowly(shared: Engine) -> None:
        leaving.set()
        await asyncio.Event().wait()

    async def wait() -> None:
        async with waiting(CONN, video_id) as shared:
            await shared.ask(video_id, LONG)
            monkeypatch.setattr(Engine, "_count_polls", slowly)
            transports.append(shared._client)
            polled.set()
            await asyncio.Event().wait()

    trigger = asyncio.create_task(wait())
    await polled.wait()
    session = transports[0]._session
    assert session is not None
    assert not session.closed
    trigger.cancel()
    await leaving.wait()
    trigger.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trigger
    assert session.closed
    assert not engine._engines[asyncio.get_running_loop()]


async def test_polls_of_one_video_at_the_same_time_are_one_poll(emulator: Emulator) -> None:
    """Ten waits for a video ask the API once, and all get the answer."""
    (video_id,) = await ordered(1)
    async with waiting(CONN, video_id) as shared:
        tasks = await asyncio.gather(*(shared.ask(video_id, LONG) for _ in range(10)))
    assert {task.id for task in tasks} == {video_id}
    assert emulator.requests["query"] == 1
    assert min(task.age for task in tasks) == 0.0


async def test_an_answer_is_used_while_it_is_young_and_tells_its_age(emulator: Emulator) -> None:
    """And no longer."""
    (video_id,) = await ordered(1)
    async with waiting(CONN, video_id) as shared:
        first = await shared.ask(video_id, LONG)
        second = await shared.ask(video_id, LONG)
        assert (first.age, first.status) == (0.0, second.status)
        assert 0.0 < second.age < 10
        assert emulator.requests["query"] == 1
        emulator.finish(video_id)
        assert (await shared.ask(video_id, 0.0)).is_completed
        assert emulator.requests["query"] == 2


async def test_an_error_is_nobodys_answer(emulator: Emulator) -> None:
    """Only answers are shared: the next one asks for itself."""
    (video_id,) = await ordered(1)
    emulator.add_fault(on="query", kind="server_error", times=1)
    async with waiting(CONN, video_id) as shared:
        with pytest.raises(StarVideosServerError):
            await shared.ask(video_id, LONG)
        assert (await shared.ask(video_id, LONG)).id == video_id


async def test_what_nobody_waits_for_is_forgotten(emulator: Emulator) -> None:
    """A later wait for the same video asks again; memory doesn't grow with the videos of the past."""
    first, second = await ordered(2)
    async with waiting(CONN, first) as shared:
        async with waiting(CONN, second):
            await shared.ask(second, LONG)
        assert set(shared._videos) == {first}
        async with waiting(CONN, second):
            await shared.ask(second, LONG)
    assert emulator.requests["query"] == 2


async def test_many_polls_go_over_few_connections(emulator: Emulator) -> None:
    """One kept-alive connection is enough for polls that come one after the other."""
    videos = await ordered(5)
    before = emulator.connections
    async with waiting(CONN, videos[0]) as shared:
        for _ in range(10):
            for video_id in videos:
                await shared.ask(video_id, 0.0)
    assert emulator.requests["query"] == 50
    assert emulator.connections == before + 1


async def test_only_so_many_polls_are_under_way_at_once(emulator: Emulator) -> None:
    """A slow API isn't buried under requests; the others follow as slots get free."""
    fault = emulator.add_fault(on="query", kind="hang", release="answer")
    names = [f"video_{number}" for number in range(MAX_POLLS_AT_ONCE + 10)]
    async with waiting(CONN, names[0]) as shared:
        polls = [asyncio.create_task(shared.ask(name, LONG)) for name in names]
        while emulator.requests["query"] < MAX_POLLS_AT_ONCE:  # noqa: ASYNC110  the journal has no "so many"
            await asyncio.sleep(0.005)
        assert shared._slots.locked()
        assert emulator.requests["query"] == MAX_POLLS_AT_ONCE
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
        emulator.clear_faults(fault)
        assert not shared._slots.locked()


async def test_a_429_pauses_all_polls(emulator: Emulator) -> None:
    """No other wait asks before the API wants to be asked, and each knows how long that is."""
    emulator.add_fault(on="query", kind="rate_limit", times=1, retry_after=120)
    first, second = await ordered(2)
    async with waiting(CONN, first) as shared:
        with pytest.raises(StarVideosRateLimitError) as refused:
            await shared.ask(first, LONG)
        assert refused.value.retry_after == 120.0
        for video_id in (first, second):
            with pytest.raises(StarVideosRateLimitError, match="asked for a pause of all polls") as paused:
                await shared.ask(video_id, LONG)
            assert paused.value.retry_after is not None
            assert 100 < paused.value.retry_after <= 120
    assert emulator.requests["query"] == 1


class Clock:
    """A monotonic clock that doesn't move until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the engine a separate clock; the event loop keeps its."""
    clock = Clock()
    monkeypatch.setattr(engine, "time", clock)
    monkeypatch.setattr(renewal, "time", clock)
    return clock


async def test_a_429_that_asks_for_nothing_pauses_polls_for_half_a_minute(emulator: Emulator, clock: Clock) -> None:
    """To the end of it, and no longer."""
    emulator.add_fault(on="query", kind="rate_limit", times=1, retry_after=None)
    (video_id,) = await ordered(1)
    async with waiting(CONN, video_id) as shared:
        with pytest.raises(StarVideosRateLimitError):
            await shared.ask(video_id, LONG)
        clock.now += 29.5
        with pytest.raises(StarVideosRateLimitError) as paused:
            await shared.ask(video_id, LONG)
        assert paused.value.retry_after == 0.5
        clock.now += 0.5
        assert (await shared.ask(video_id, LONG)).id == video_id
    assert emulator.requests["query"] == 2


class SleepsOnTheClock:
    """asyncio, but that its sleep moves the clock, and takes no time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        self.clock.now += seconds


async def times_of_looks(waits: int, max_age: float, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let so many waits poll at the same time; return when each polled, in seconds since then."""
    monkeypatch.setattr(engine, "asyncio", SleepsOnTheClock(clock))
    names, polls, start = [f"video_{number}" for number in range(waits)], list[float](), clock.now
    async with AsyncExitStack() as stack:
        for name in names:
            shared = await stack.enter_async_context(waiting(CONN, name))

        async def poll(name: str) -> VideoTask:
            polls.append(clock.now - start)
            return VideoTask(name, "queued")

        monkeypatch.setattr(shared, "_poll", poll)
        await asyncio.gather(*(shared.ask(name, max_age) for name in names))
    return polls


@pytest.mark.parametrize(("interval", "spread"), [(20.0, 15.0), (60.0, 45.0), (3600.0, 60.0)])
async def test_a_crowds_polls_are_spread(
    interval: float, spread: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand waits that a restarted triggerer starts together don't poll in waves; nor do they take for ever."""
    polls = await times_of_looks(1000, interval, clock, monkeypatch)
    gaps = [later - before for before, later in pairwise(polls)]
    assert polls[-1] == pytest.approx(spread, abs=0.2)
    assert min(gaps[10:]) == pytest.approx(max(gaps[10:]))
    assert polls[0] == 0.0


@pytest.mark.parametrize(("waits", "max_age"), [(50, 30.0), (1000, 0.0)], ids=["few", "at their deadlines"])
async def test_polls_are_not_held_back_without_need(
    waits: int, max_age: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few waits poll when they like; and a last poll comes at once, however many there are."""
    assert set(await times_of_looks(waits, max_age, clock, monkeypatch)) == {0.0}


@pytest.mark.parametrize(("asked", "pause"), [(599, 599.0), (600, 600.0), (86_400, 600.0)])
async def test_a_429_that_asks_for_hours_pauses_polls_for_ten_minutes(
    asked: int, pause: float, emulator: Emulator, clock: Clock
) -> None:
    """One answer can't blind all waits until their deadlines: after that one poll tries again."""
    emulator.add_fault(on="query", kind="rate_limit", times=1, retry_after=asked)
    first, second = await ordered(2)
    async with waiting(CONN, first) as shared:
        with pytest.raises(StarVideosRateLimitError):
            await shared.ask(first, LONG)
        clock.now += pause - 0.5
        with pytest.raises(StarVideosRateLimitError) as paused:
            await shared.ask(second, LONG)
        assert paused.value.retry_after == 0.5
        clock.now += 0.5
        assert (await shared.ask(second, LONG)).id == second


async def test_a_changed_connection_is_picked_up_within_a_minute(
    emulator: Emulator, look_ups: LookUps, clock: Clock
) -> None:
    """Not with each poll, but sometimes."""
    (video_id,) = await ordered(1)
    look_ups.count = 0
    async with waiting(CONN, video_id) as shared:
        for seconds, expected in ((0, 1), (30, 1), (30, 2), (30, 2), (30, 3)):
            clock.now += seconds
            await shared.ask(video_id, 0.0)
            assert look_ups.count == expected


async def test_an_answer_grows_old(emulator: Emulator, clock: Clock) -> None:
    """Exactly as old as the caller allows is too old."""
    (video_id,) = await ordered(1)
    async with waiting(CONN, video_id) as shared:
        await shared.ask(video_id, 30.0)
        clock.now += 29.0
        assert (await shared.ask(video_id, 30.0)).age == 29.0
        clock.now += 1.0
        assert (await shared.ask(video_id, 30.0)).age == 0.0
    assert emulator.requests["query"] == 2


async def test_after_a_pause_polls_go_on(emulator: Emulator, clock: Clock) -> None:
    """A pause ends by itself; one of 0 seconds is our own."""
    emulator.add_fault(on="query", kind="rate_limit", times=1, retry_after=0)
    (video_id,) = await ordered(1)
    async with waiting(CONN, video_id) as shared:
        with pytest.raises(StarVideosRateLimitError):
            await shared.ask(video_id, LONG)
        clock.now += engine.PAUSE_SECONDS
        assert (await shared.ask(video_id, LONG)).id == video_id


async def test_the_connection_is_looked_up_once_for_many_looks(emulator: Emulator, look_ups: LookUps) -> None:
    """Each lookup is a call to the api-server."""
    videos = await ordered(5)
    look_ups.count = 0
    async with waiting(CONN, videos[0]) as shared:
        await asyncio.gather(*(shared.ask(video_id, 0.0) for video_id in videos))
        for video_id in videos:
            await shared.ask(video_id, 0.0)
    assert look_ups.count == 1


async def test_a_connection_that_becomes_unreadable_is_used_as_it_was(emulator: Emulator, look_ups: LookUps) -> None:
    """The api-server restarts, and the polls go on."""
    (video_id,) = await ordered(1)
    async with waiting(CONN, video_id) as shared:
        await shared.ask(video_id, 0.0)
        look_ups.failure = RuntimeError("the api-server is away")
        shared._renewal._good_until = 0.0
        before = look_ups.count
        for _ in range(3):
            assert (await shared.ask(video_id, 0.0)).id == video_id
        assert look_ups.count == before + 1


async def test_a_connection_that_was_never_readable_is_an_error_that_passes(look_ups: LookUps) -> None:
    """It isn't taken for a missing one."""
    look_ups.failure = RuntimeError("the api-server is away")
    async with waiting(CONN, "video_1") as shared:
        with pytest.raises(StarVideosConnectionError, match="the api-server is away") as caught:
            await shared.ask("video_1", LONG)
    assert not caught.value.permanent


def set_key(emulator: Emulator, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a key into the connection."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": key, "extra": {"max_retries": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))


async def test_a_rotated_key_is_picked_up_at_once(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused key is looked up again; waits survive the rotation, and a key that stays wrong is an error."""
    (video_id,) = await ordered(1)
    set_key(emulator, "sk-the-old-one", monkeypatch)
    async with waiting(CONN, video_id) as shared:
        with pytest.raises(StarVideosAuthenticationError):
            await shared.ask(video_id, LONG)
        assert emulator.requests["query"] == 1
        set_key(emulator, emulator.key, monkeypatch)
        assert (await shared.ask(video_id, LONG)).id == video_id
    assert emulator.requests["query"] == 3
