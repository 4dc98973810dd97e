"""Waiting for many videos at once: no more polls than one per video and interval, and one result for all."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.polling import BACKSTOP_SECONDS, LAST_POLL_SECONDS
from airflow_provider_starvideos.batch import poller
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.batch.poller import LATE_SPREAD_SECONDS, BatchWait
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosServerError,
)
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.triggers.batch import StarVideosBatchTrigger, read
from tests.batch.desk import LOG, Desk, prompts

INTERVAL = 0.1


class Api:
    """Answers polls, and notes them.

    :param status: what is said of a video, by its id and the number of the poll
    :param seconds: that an answer takes
    """

    def __init__(self, status: Callable[[str, int], str | StarVideosError], seconds: float = 0.005) -> None:
        self.status, self.seconds = status, seconds
        self.polled: dict[str, list[float]] = {}
        self.out = Counter[str]()
        self.most = 0

    async def poll(self, video_id: str) -> VideoTask:
        self.polled.setdefault(video_id, []).append(time.monotonic())
        self.out[video_id] += 1
        assert self.out[video_id] == 1, "two polls at once"
        self.most = max(self.most, self.out.total())
        await asyncio.sleep(self.seconds)
        self.out[video_id] -= 1
        said = self.status(video_id, len(self.polled[video_id]))
        if isinstance(said, StarVideosError):
            raise said
        if said != "completed":
            return VideoTask(video_id, said)
        return VideoTask(video_id, said, actual_duration=3.0, video_url="https://files.example/v.mp4")


def plan(count: int, seconds: float = 60, **fields: Any) -> Plan:
    """Return a plan for so many videos: ``v0``, ``v1``, …"""
    return Plan({f"v{number}": time.time() + seconds for number in range(count)}, INTERVAL, **fields)


async def waited(api: Api, of: Plan) -> dict[str, Outcome]:
    """Wait, and leave nothing behind."""
    outcomes = await BatchWait(of, api.poll, LOG).run()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return outcomes


def completed_at_poll(number: int) -> Callable[[str, int], str]:
    """Say that a video is completed at that poll."""
    return lambda video_id, poll: "completed" if poll >= number else "processing"


async def test_no_more_polls_than_one_per_interval() -> None:
    """Each video for itself, spread from the beginning on."""
    api = Api(completed_at_poll(5))
    began = time.monotonic()
    outcomes = await waited(api, plan(60))
    wall = time.monotonic() - began
    assert {one.state for one in outcomes.values()} == {OrderState.COMPLETED}
    assert len(outcomes) == 60
    for times in api.polled.values():
        assert len(times) <= wall / INTERVAL + 1
        assert min(after - before for before, after in pairwise(times)) >= INTERVAL * 0.99
    firsts = sorted(times[0] - began for times in api.polled.values())
    assert firsts[6] < INTERVAL * 0.5 < firsts[54]


async def test_a_slow_server_is_not_asked_many_things_at_once() -> None:
    """However many videos are due."""
    api = Api(completed_at_poll(1), seconds=0.05)
    assert len(await waited(api, plan(100))) == 100
    assert 10 < api.most <= 20


async def test_each_end_is_its_video_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completed, failed, unknown and late, side by side."""
    monkeypatch.setattr(retry, "UNKNOWN_DELAY", 0.05)
    unknown = StarVideosNotFoundError("no such video", status_code=404, from_api=True)
    unknown.names_video = True
    said: dict[str, Any] = {"v0": "completed", "v1": "failed", "v2": unknown, "v3": "processing"}
    outcomes = await waited(Api(lambda video_id, poll: said[video_id]), plan(4, seconds=0.4))
    assert {name: str(one.state) for name, one in outcomes.items()} == {
        "v0": "completed",
        "v1": "failed",
        "v2": "unknown",
        "v3": "timed_out",
    }
    assert outcomes["v0"].duration == 3.0
    assert outcomes["v3"].error == (
        "wasn't ready at the deadline; it was processing when last seen. It can't be stopped: it goes on, and is "
        "billed once."
    )
    for one in outcomes.values():
        assert Outcome.from_json(json.loads(json.dumps(one.to_json()))) == one


async def test_enough() -> None:
    """Ends with the wanted number of ended videos; the others go on."""
    api = Api(lambda video_id, poll: "completed" if int(video_id[1:]) < 10 else "processing")
    outcomes = await waited(api, plan(50, enough=5))
    assert 5 <= len(outcomes) <= 10


async def test_resume_at() -> None:
    """Not a moment before, though all have ended; and also where there is nothing to wait for."""
    for count in (0, 3):
        until = time.time() + 0.3
        outcomes = await waited(Api(completed_at_poll(1)), plan(count, resume_at=until))
        assert until <= time.time() < until + 0.3
        assert len(outcomes) == count


async def test_save_after() -> None:
    """So long after the first completed video, though others aren't ready."""
    began = time.monotonic()
    api = Api(lambda video_id, poll: "completed" if video_id == "v0" else "processing")
    assert set(await waited(api, plan(5, save_after=0.3))) == {"v0"}
    assert 0.3 <= time.monotonic() - began < 1.0


REFUSED = StarVideosAuthenticationError("the key", status_code=401, from_api=True)


@pytest.mark.usefixtures("impatient")
async def test_an_error_that_concerns_all() -> None:
    """A key that stays refused for all ends the wait; what was known by then stays known."""
    api = Api(lambda video_id, poll: "completed" if video_id == "v7" and poll == 1 else REFUSED)
    wait = BatchWait(plan(50), api.poll, LOG)
    with pytest.raises(StarVideosAuthenticationError) as caught:
        await wait.run()
    assert caught.value is REFUSED
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.usefixtures("impatient")
async def test_an_error_that_concerns_all_after_a_late_answer() -> None:
    """Each of the others has failed already when one is answered: that doesn't make all of them odd for good."""
    api = Api(lambda video_id, poll: "processing" if video_id == "v7" and poll == 3 else REFUSED)
    wait = BatchWait(plan(20), api.poll, LOG)
    with pytest.raises(StarVideosAuthenticationError):
        await asyncio.wait_for(wait.run(), 30)


async def test_c2_one_401_while_a_key_is_exchanged_ends_nothing() -> None:
    """Also where the refused video was never seen before."""
    api = Api(
        lambda video_id, poll: REFUSED if video_id == "v1" and poll == 1 else completed_at_poll(2)(video_id, poll)
    )
    assert {one.state for one in (await waited(api, plan(3))).values()} == {OrderState.COMPLETED}


GATEWAYS = StarVideosNotFoundError("no path", status_code=404)
ODD = [GATEWAYS, REFUSED, StarVideosServerError("down", status_code=500), StarVideosConfigurationError("gone")]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_no_answer_about_one_video_ends_the_wait_for_the_others(error: StarVideosError) -> None:
    """It ends at its deadline, as late; also where the others have ended long before."""
    api = Api(lambda video_id, poll: error if video_id == "v0" else "completed" if poll > 5 else "processing")
    outcomes = await waited(api, Plan({f"v{number}": time.time() + 1.2 for number in range(3)}, 0.05))
    assert {name: one.state for name, one in outcomes.items()} == {
        "v0": OrderState.TIMED_OUT,
        "v1": OrderState.COMPLETED,
        "v2": OrderState.COMPLETED,
    }
    assert len(api.polled["v0"]) > 10


@pytest.mark.usefixtures("impatient")
async def test_what_a_gateway_says_of_all_is_a_failed_poll() -> None:
    """Ten times in a row they end the wait, and a retry may help."""
    with pytest.raises(StarVideosServerError, match="10 polls in a row failed") as caught:
        await waited(Api(lambda video_id, poll: GATEWAYS), plan(5))
    assert not caught.value.permanent


async def test_an_unknown_status_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """However many videos have it."""
    await waited(Api(lambda video_id, poll: "dreaming" if poll < 3 else "completed"), plan(5))
    (warning,) = [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"]
    assert "is dreaming, a status that isn't documented" in warning


async def test_c4_deadlines_that_have_passed_still_get_a_poll() -> None:
    """Saving took longer than they lasted: what is completed by then is delivered, and the rest ends."""
    of = Plan({"v0": time.time() - 500, "v1": time.time() - 5}, 600.0)
    with_one = Api(lambda video_id, poll: "completed" if video_id == "v0" else "processing")
    wait = BatchWait(of, with_one.poll, LOG)
    wait._due = [(0.0, video_id) for _, video_id in wait._due]  # not spread over half a minute
    outcomes = await wait.run()
    assert {name: one.state for name, one in outcomes.items()} == {
        "v0": OrderState.COMPLETED,
        "v1": OrderState.TIMED_OUT,
    }


async def test_c4_polls_after_the_last_deadline_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time that Airflow leaves them, however long the interval; a poll that hangs doesn't hold them up."""
    of = Plan({f"v{number}": time.time() - 5 for number in range(200)}, 6000.0)
    first = [due for due, _ in BatchWait(of, Api(completed_at_poll(1)).poll, LOG)._due]
    assert max(first) <= time.time() + LATE_SPREAD_SECONDS
    assert LATE_SPREAD_SECONDS < LAST_POLL_SECONDS < BACKSTOP_SECONDS
    monkeypatch.setattr(poller, "LAST_POLL_SECONDS", 0.3)
    monkeypatch.setattr(poller, "LATE_SPREAD_SECONDS", 0.05)
    hanging = Api(lambda video_id, poll: "processing", seconds=3600)
    outcomes = await waited(hanging, of)
    assert {one.state for one in outcomes.values()} == {OrderState.TIMED_OUT}
    assert len(outcomes) == 200


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_is_gone_ends_the_wait() -> None:
    """After ten polls in a row without an answer, as for a single video."""
    api = Api(lambda video_id, poll: StarVideosServerError("down", status_code=502))
    with pytest.raises(StarVideosServerError):
        await waited(api, plan(5))
    assert max(len(times) for times in api.polled.values()) == 10


async def test_progress() -> None:
    """How many are where, the rate and the estimated end, in one line, now and then."""
    api = Api(
        lambda video_id, poll: {
            "v0": "completed",
            "v1": StarVideosServerError("down", status_code=502),
            "v2": "paused",
        }.get(video_id, "processing")
    )
    wait = BatchWait(plan(5, rows=10, done=4, save_after=0.25), api.poll, LOG)
    await wait.run()
    line = wait.progress()
    assert "5 of 10 rows have ended" in line
    for fact in (
        "1 completed",
        "1 paused",
        "2 processing",
        "polls failed meanwhile",
        "down",
        "a minute, estimated end",
    ):
        assert fact in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "ids", [lambda n: f"video_{n:08d}-ab12-4cd3-9ef4-{n * 7919 % 16**12:012x}", lambda n: f"v_{n}"]
)
def test_a_plan_survives_the_database_and_is_small(ids: Callable[[int], str]) -> None:
    """MySQL keeps 64 KB of a trigger's arguments, and Airflow's encryption makes four bytes of three."""
    videos = {ids(number): time.time() + number * 0.37 for number in range(1000)}
    before = Plan(videos, 30.0, 250, None, 600.0, 4000, 17)
    text = json.dumps(before.to_json())
    after = Plan.from_json(json.loads(text))
    assert after.videos.keys() == videos.keys()
    assert all(0 <= after.videos[name] - end <= 1 for name, end in videos.items()), "never earlier"
    assert (after.enough, after.resume_at, after.save_after, after.rows, after.done) == (250, None, 600.0, 4000, 17)
    assert len(text) * 4 / 3 < 64 * 1024


def test_a_thousand_videos_cross_the_database(desk: Desk) -> None:
    """Both ways; the event holds no address of a result."""
    deferred = desk.first_leg(prompts(1000))
    event = desk.event_of(deferred)
    outcomes, ends, carry = read(event)
    assert len(outcomes) == 1000
    assert ends == {}
    assert carry["try_number"] == 1
    assert "http" not in json.dumps(event)
    assert desk.sent_sizes[0] < 48 * 1024
    assert desk.event_sizes[0] < 110 * 1024
    print(desk.sent_sizes, desk.event_sizes)


async def test_a_trigger_that_is_cancelled_leaves_nothing(desk: Desk) -> None:
    """A triggerer that ends, or gives the trigger away: no poll goes on, no connection stays."""
    from airflow_provider_starvideos.triggers import engine

    desk.emulator.update(seconds="hold")
    ids = await asyncio.to_thread(lambda: [one.id for one in _ordered(desk, 20)])
    of = Plan(dict.fromkeys(ids, time.time() + 60), 0.05)
    trigger = StarVideosBatchTrigger(of.to_json(), "starvideos_default")
    waits = asyncio.create_task(anext(trigger.run()))
    await desk.emulator.async_wait_for("answered", kind="query")
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert not engine._engines.get(asyncio.get_running_loop())
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def _ordered(desk: Desk, count: int) -> Any:
    desk.begin(prompts(count)).order()
    return desk.emulator.orders


@pytest.mark.usefixtures("impatient")
def test_an_error_event_keeps_what_was_known(desk: Desk, tmp_path: Path) -> None:
    """The key is refused in mid-wait: the task fails for good. The ends that were seen are on record, and in XComs."""
    desk.emulator.update(seconds="hold")
    deferred = desk.first_leg(prompts(10), library=f"{tmp_path}/")
    for order in desk.emulator.orders[:4]:
        desk.emulator.finish(order.id)
    desk.emulator.add_fault(on="query", kind="status", status=401, skip=30)
    with pytest.raises(Exception, match="the API refused the key") as caught:
        desk.resume(deferred)
    assert type(caught.value).__name__ == "AirflowFailException"
    assert desk.variables.states() == {"completed": 4, "ordered": 6}
    assert desk.ti.xcoms["counts"] == {"rows": 10, "completed": 4, "ordered": 6}
    assert (desk.ti.xcoms["uris"], desk.ti.xcoms["spending"]["orders"]) == ([None] * 10, 10)


def test_deadlines(desk: Desk) -> None:
    """A video that isn't ready in time is named in the error. It goes on, and the next try waits for it."""
    desk.emulator.update(seconds="hold")
    with pytest.raises(Exception, match="3 timed_out") as caught:
        desk.run(prompts(3), timeout=0.3)
    assert type(caught.value).__name__ == "StarVideosBatchError"
    assert desk.variables.states() == {"timed_out": 3}
    assert not [order.completed_at for order in desk.variables.orders() if order.completed_at]
    for order in desk.emulator.orders:
        desk.emulator.finish(order.id)
    desk.next_try()
    assert len(set(desk.run(prompts(3)))) == 3
    assert desk.billed == 3


@pytest.mark.parametrize(
    "event", [None, "ended", {}, {"status": "ended"}, {"status": "ended", "outcomes": {"a": ["odd"]}}]
)
def test_an_event_that_cannot_be_read(desk: Desk, event: Any) -> None:
    """Fails; a retry goes on."""
    desk.first_leg(prompts(2))
    operator = desk.make()
    with pytest.raises(StarVideosError, match="event that can't be read"):
        operator.execute_complete(desk.context, event)


def test_an_event_of_an_unknown_status_is_no_success(desk: Desk) -> None:
    """Whatever it holds."""
    event = desk.event_of(desk.first_leg(prompts(2))) | {"status": "fine"}
    with pytest.raises(StarVideosError):
        desk.make().execute_complete(desk.context, event)


def test_c4_a_deferral_has_time_ahead_after_a_long_saving(desk: Desk) -> None:
    """The deadline of what isn't ready yet passes while the rest is saved."""
    batch = desk.begin(prompts(1))
    desk.emulator.update(seconds="hold")
    batch.order()
    batch._ends = {name: time.time() - 5000 for name in batch._ends}
    assert desk.operator is not None
    plan = batch.plan()
    assert plan is not None
    with pytest.raises(TaskDeferred) as caught:
        desk.operator._defer(desk.context, plan, batch)
    assert caught.value.timeout is not None
    assert timedelta(seconds=BACKSTOP_SECONDS) <= caught.value.timeout < timedelta(seconds=BACKSTOP_SECONDS + 10)


def test_c3_a_blocking_batch_reads_its_connection_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its waits, and for the orders and the saving after them."""
    connection = json.loads(os.environ["AIRFLOW_CONN_STARVIDEOS_DEFAULT"])
    wait = BatchWait.run

    async def edited(batch_wait: BatchWait) -> Any:
        outcomes = await wait(batch_wait)
        connection["extra"]["timeout"] = 7
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
        return outcomes

    monkeypatch.setattr(BatchWait, "run", edited)
    assert len(set(desk.run(prompts(4), deferrable=False, max_in_flight=2))) == 4
    assert desk.billed == 4
    assert desk.operator is not None
    assert desk.operator._fixed.get_conn().timeout == 7
