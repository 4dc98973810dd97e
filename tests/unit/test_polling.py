"""Waiting for a video: what each poll means, when the next one comes, and what ends it."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_starvideos.api.flow import Sleep, drive
from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.api.polling import (
    MAX_POLL_ERRORS_IN_A_ROW,
    MIN_FAILING_SECONDS,
    Poll,
    Wait,
    watch,
)
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosRateLimitError,
    StarVideosRejectedError,
    StarVideosServerError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

START = 1_000_000.0
QUEUED = VideoTask("video_1", TaskStatus.QUEUED)
PROCESSING = VideoTask("video_1", TaskStatus.PROCESSING)
COMPLETED = VideoTask("video_1", TaskStatus.COMPLETED, video_url="https://files.example/v.mp4")
FAILED = VideoTask("video_1", TaskStatus.FAILED, error="content policy")
LOST = StarVideosConnectionError("reset", sent=True)


class World:
    """Answers polls one after the other, and lets the clock jump while the wait sleeps.

    :param outcomes: of each poll; the last one for ever
    :param seconds_per_poll: that each takes
    """

    def __init__(self, outcomes: Sequence[VideoTask | StarVideosError], seconds_per_poll: float = 0.0) -> None:
        self.outcomes = list(outcomes)
        self.seconds_per_poll = seconds_per_poll
        self.clock = START
        self.polled: list[float] = []
        self.sleeps: list[Sleep] = []

    def perform(self, step: Poll | Sleep) -> VideoTask | None:
        if isinstance(step, Sleep):
            self.sleeps.append(step)
            self.clock += step.seconds
            return None
        assert step.video_id == "video_1"
        self.polled.append(self.clock - START)
        self.clock += self.seconds_per_poll
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, StarVideosError):
            raise outcome
        return outcome

    def watch(self, *, poll_interval: float = 30.0, timeout: float = 3600.0, chance: float = 0.0) -> VideoTask:
        flow = watch(
            "video_1",
            poll_interval=poll_interval,
            end_time=START + timeout,
            chance=lambda: chance,
            now=lambda: self.clock,
        )
        return drive(flow, self.perform)

    @property
    def notices(self) -> list[str]:
        return [step.notice for step in self.sleeps if step.notice]


def test_the_first_poll_comes_at_once() -> None:
    """A video that is already there isn't waited for at all."""
    world = World([COMPLETED])
    assert world.watch() is COMPLETED
    assert world.polled == [0.0]
    assert world.sleeps == []


def test_a_video_is_polled_once_per_interval_until_it_is_completed() -> None:
    """Queued and processing wait on; each change of status is noticed once."""
    world = World([QUEUED, QUEUED, PROCESSING, PROCESSING, COMPLETED])
    assert world.watch() is COMPLETED
    assert world.polled == [0.0, 30.0, 60.0, 90.0, 120.0]
    assert world.notices == ["StarVideos video video_1 is queued", "StarVideos video video_1 is processing"]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 30.0), (0.5, 33.0), (1.0, 36.0)])
def test_intervals_vary_by_a_fifth_upwards(chance: float, seconds: float) -> None:
    """A thousand waits that began together don't poll together, and none polls more often than was asked for."""
    world = World([QUEUED, COMPLETED])
    world.watch(chance=chance)
    assert [step.seconds for step in world.sleeps] == [pytest.approx(seconds)]


def test_a_failed_video_ends_the_wait_with_the_apis_reason() -> None:
    """At once, with id and reason as attributes."""
    world = World([PROCESSING, FAILED])
    with pytest.raises(StarVideosVideoFailedError, match="video_1 failed: content policy") as caught:
        world.watch()
    assert (caught.value.video_id, caught.value.reason) == ("video_1", "content policy")
    assert len(world.polled) == 2


def test_a_failure_without_a_reason_says_so() -> None:
    """No "None" in a message."""
    with pytest.raises(StarVideosVideoFailedError, match="failed: the API gave no reason"):
        World([VideoTask("video_1", TaskStatus.FAILED)]).watch()


def test_an_unknown_status_is_waited_out_and_noticed_once() -> None:
    """It is neither success nor failure: the wait goes on, and says so once, until the status is another.

    It warns of the first only: the log has it by then.
    """
    paused, strange = VideoTask("video_1", "paused"), VideoTask("video_1", "missing (None)")
    world = World([paused, paused, paused, strange, PROCESSING, COMPLETED])
    assert world.watch() is COMPLETED
    assert world.notices == [
        "StarVideos video video_1 is paused, a status that isn't documented: waiting on, until the deadline",
        "StarVideos video video_1 is missing (None), a status that isn't documented: waiting on, until the deadline",
        "StarVideos video video_1 is processing",
    ]
    assert [step.warn for step in world.sleeps if step.notice] == [True, False, False]


def test_what_is_expected_is_information_and_a_failed_poll_a_warning() -> None:
    """A warning is for what a person may have to check."""
    world = World([QUEUED, LOST, PROCESSING, StarVideosRateLimitError("x", status_code=429), COMPLETED])
    world.watch()
    assert [step.warn for step in world.sleeps] == [False, True, False, False]


def test_a_notice_is_written_as_loudly_as_it_is_meant(caplog: pytest.LogCaptureFixture) -> None:
    """As information, or as a warning; and a sleep without a reason writes nothing."""
    caplog.set_level(logging.INFO)
    log = logging.getLogger("test")
    for sleep in (Sleep(1.0), Sleep(1.0, "100 % as usual"), Sleep(1.0, "odd", warn=True)):
        sleep.log_to(log)
    assert [(entry.levelname, entry.getMessage()) for entry in caplog.records] == [
        ("INFO", "100 % as usual"),
        ("WARNING", "odd"),
    ]


def test_an_unknown_status_that_comes_again_is_warned_of_once() -> None:
    """Also where a known one came between."""
    paused = VideoTask("video_1", "paused")
    world = World([QUEUED, paused, QUEUED, paused, COMPLETED])
    world.watch()
    assert [step.warn for step in world.sleeps] == [False, True, False, False]


def test_an_unknown_status_ends_at_the_deadline() -> None:
    """Not before, and never as success."""
    world = World([VideoTask("video_1", "paused")])
    with pytest.raises(StarVideosWaitTimeoutError, match="it was paused when last seen"):
        world.watch(timeout=100)
    assert world.polled == [0.0, 30.0, 60.0, 90.0, 100.0]


def test_the_last_poll_is_at_the_deadline() -> None:
    """A video that is completed in the last interval is delivered: no sleep goes beyond the end."""
    world = World([QUEUED, QUEUED, COMPLETED])
    assert world.watch(timeout=45) is COMPLETED
    assert world.polled == [0.0, 30.0, 45.0]


def test_at_the_deadline_the_wait_ends_and_says_what_becomes_of_the_video() -> None:
    """What happened, what it costs, and what to do; in a few words for a batch's row."""
    world = World([QUEUED, PROCESSING])
    with pytest.raises(StarVideosWaitTimeoutError, match="deadline; it was processing when last seen") as e:
        world.watch(timeout=40)
    for fact in (
        "Billed: once",
        "It can't be stopped: it goes on",
        "its id stays valid",
        "1. Clear this task",
        "2. If",
    ):
        assert fact in str(e.value)
    assert e.value.reason == (
        "wasn't ready at the deadline; it was processing when last seen. It can't be stopped: it goes on, and is "
        "billed once."
    )
    assert world.polled == [0.0, 30.0, 40.0]


@pytest.mark.parametrize("outcome", [COMPLETED, FAILED, QUEUED], ids=["completed", "failed", "queued"])
def test_a_wait_that_begins_after_its_deadline_polls_once(outcome: VideoTask) -> None:
    """A triggerer that was down for hours still finds the video that is there by then, and ends the wait if not."""
    world = World([outcome])
    if outcome is COMPLETED:
        assert world.watch(timeout=-500) is COMPLETED
    else:
        expected = StarVideosVideoFailedError if outcome is FAILED else StarVideosWaitTimeoutError
        with pytest.raises(expected):
            world.watch(timeout=-500)
    assert world.polled == [0.0]
    assert world.sleeps == []


def test_a_slow_poll_uses_up_its_time() -> None:
    """The deadline is a time of the clock, whatever the wait was spent on."""
    world = World([QUEUED], seconds_per_poll=50.0)
    with pytest.raises(StarVideosWaitTimeoutError):
        world.watch(timeout=100)
    assert world.polled == [0.0, 80.0]


PASSING = [
    LOST,
    StarVideosConnectionError("refused", sent=False),
    StarVideosServerError("x", status_code=502),
    StarVideosMalformedAnswerError("x", status_code=200),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_poll_that_fails_does_not_fail_the_wait(error: StarVideosError) -> None:
    """The video goes on whether or not it can be polled; the next poll comes after the usual interval."""
    world = World([error, PROCESSING, error, error, COMPLETED])
    assert world.watch() is COMPLETED
    assert world.polled == [0.0, 30.0, 60.0, 90.0, 120.0]
    assert f"failed (2 in a row), the wait goes on: {error}" in world.notices[-1]


@pytest.mark.parametrize(("interval", "count"), [(5.0, 121), (30.0, 21), (120.0, 10)])
def test_too_many_failures_in_a_row_end_the_wait(interval: float, count: int) -> None:
    """Ten, and for ten minutes, however short the interval is: an API that restarts costs no wait."""
    world = World([PROCESSING, LOST])
    with pytest.raises(
        StarVideosConnectionError, match=f"{count} polls in a row failed, over 1[0-9]+ minutes"
    ) as caught:
        world.watch(poll_interval=interval)
    assert caught.value.__cause__ is LOST
    assert not caught.value.permanent
    for fact in ("video_1", "reset", "Billed: once", "1. Check", "2. Clear this task"):
        assert fact in str(caught.value)
    assert len(world.polled) == 1 + count
    assert count >= MAX_POLL_ERRORS_IN_A_ROW == 10
    assert world.polled[-1] - world.polled[1] >= MIN_FAILING_SECONDS == 600


def test_a_deadline_without_sight_says_why() -> None:
    """The error says that the API couldn't be asked at the end."""
    world = World([PROCESSING, LOST])
    with pytest.raises(StarVideosWaitTimeoutError, match=r"(?s)processing.*The last poll failed: reset"):
        world.watch(timeout=100)


def test_only_failures_in_a_row_count() -> None:
    """One readable answer, and the count starts again."""
    twenty = [LOST] * 20
    world = World([*twenty, PROCESSING, *twenty, PROCESSING, *twenty, COMPLETED])
    assert world.watch() is COMPLETED
    assert len(world.polled) == 63


REFUSED = StarVideosAuthenticationError("x", status_code=401, from_api=True)
UNKNOWN = StarVideosNotFoundError("x", status_code=404, from_api=True)
UNKNOWN.names_video = True
UNUSABLE = StarVideosConfigurationError("x")
ENDS_AFTER: list[tuple[StarVideosError, int]] = [(UNKNOWN, 3), (UNUSABLE, 3), (REFUSED, 21)]


@pytest.mark.parametrize(("error", "polls"), ENDS_AFTER, ids=lambda value: type(value).__name__)
def test_what_the_api_says_itself_ends_a_wait_after_a_few_repeats(error: StarVideosError, polls: int) -> None:
    """Also one that has never seen its video; for good, and with the API's own words."""
    for before in ([], [PROCESSING]):
        world = World([*before, error])
        with pytest.raises(type(error)) as caught:
            world.watch()
        assert caught.value is error
        assert caught.value.permanent
        assert len(world.polled) == len(before) + polls


@pytest.mark.parametrize(("error", "polls"), ENDS_AFTER, ids=lambda value: type(value).__name__)
def test_fewer_repeats_end_no_wait(error: StarVideosError, polls: int) -> None:
    """A key is exchanged, an id is new, a connection is edited: one answer about the video, and all is forgotten."""
    few = [error] * (polls - 1)
    world = World([*few, PROCESSING, *few, PROCESSING, *few, COMPLETED])
    assert world.watch() is COMPLETED
    assert len(world.polled) == 3 * polls


def test_a_refusal_among_failed_polls_is_no_refusal_for_good() -> None:
    """Ten polls in a row failed, and one of them was refused: the wait ends, and a retry may help."""
    world = World([PROCESSING, *[LOST] * 20, REFUSED, LOST])
    with pytest.raises(StarVideosServerError, match="21 polls in a row failed") as caught:
        world.watch()
    assert not caught.value.permanent


@pytest.mark.parametrize("kind", [StarVideosNotFoundError, StarVideosAuthenticationError, StarVideosRejectedError])
def test_what_a_gateway_refuses_is_a_failed_poll(kind: type[StarVideosAPIError]) -> None:
    """C1: once costs nothing; ten times over ten minutes end the wait, and a retry may help."""
    gateways = kind("a page", status_code=404)
    world = World([gateways, PROCESSING, gateways, COMPLETED])
    assert world.watch() is COMPLETED
    world = World([PROCESSING, gateways])
    with pytest.raises(StarVideosServerError, match="polls in a row failed") as caught:
        world.watch()
    assert caught.value.status_code == 404
    assert world.polled[-1] - world.polled[1] == MIN_FAILING_SECONDS


WITHOUT_URL = VideoTask("video_1", TaskStatus.COMPLETED)


def test_a_completed_video_without_a_url_is_polled_a_few_times_more() -> None:
    """The URL may come later; with a warning each time."""
    world = World([WITHOUT_URL, WITHOUT_URL, LOST, WITHOUT_URL, COMPLETED])
    assert world.watch() is COMPLETED
    assert world.notices[0] == (
        "StarVideos video video_1 is completed, but the API gives no URL. Polling again (1 of 3)."
    )
    assert all(step.warn for step in world.sleeps)


def test_a_completed_video_that_never_gets_a_url_is_delivered_without() -> None:
    """It is completed: no deadline is waited for."""
    world = World([WITHOUT_URL])
    assert world.watch() is WITHOUT_URL
    assert world.polled == [0.0, 30.0, 60.0, 90.0]
    world = World([PROCESSING, WITHOUT_URL])
    assert world.watch(timeout=40) is WITHOUT_URL, "at the deadline too"


@pytest.mark.parametrize(("outcome", "polls"), [*ENDS_AFTER, (LOST, 21), (WITHOUT_URL, 4)], ids=str)
def test_a_wait_goes_on_in_another_process_where_the_last_one_left_it(
    outcome: StarVideosError | VideoTask, polls: int
) -> None:
    """C18: each poke of a rescheduling sensor is a separate process."""
    memory, clock, done = "", START, 0
    while done < 100:
        wait = Wait("video_1", poll_interval=0, end_time=math.inf, chance=lambda: 0.0, memory=memory)
        done += 1
        try:
            step = wait.failed(outcome, clock) if isinstance(outcome, StarVideosError) else wait.saw(outcome, clock)
        except StarVideosError:
            break
        if isinstance(step, VideoTask):
            break
        memory, clock = wait.memory(), clock + 30.0
        assert re.fullmatch(r"[\w-]{1,100}", memory), "it goes into an XCom's key"
    assert done == polls


def test_nothing_is_remembered_of_a_good_poll() -> None:
    """So that a poke that went well writes nothing."""
    wait = Wait("video_1", poll_interval=0, end_time=math.inf, chance=lambda: 0.0, memory="failed-9-1000000_x-1-2__é")
    assert wait.memory() == "failed-9-1000000"
    wait.saw(PROCESSING, START)
    assert wait.memory() == ""


def test_a_poll_that_was_shared_counts_from_when_the_api_was_asked() -> None:
    """Two waits for one video take turns: who is told what another has just seen comes back an interval after that."""
    world = World([replace(QUEUED, age=12.0), COMPLETED])
    world.watch()
    assert world.polled == [0.0, 18.0]


def test_rate_limits_never_end_a_wait_and_are_noticed_once_in_a_row() -> None:
    """The server works and wants fewer polls: that is no failure, however often it says so."""
    limited = StarVideosRateLimitError("x", status_code=429)
    world = World([*[limited] * 50, QUEUED, limited, COMPLETED])
    assert world.watch() is COMPLETED
    assert len([notice for notice in world.notices if "slows down" in notice]) == 2


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 90.0), (1.0, 120.0)])
def test_after_a_pause_waits_come_back_spread(chance: float, seconds: float) -> None:
    """Not before the pause is over, and over an interval, not all at once."""
    world = World([StarVideosRateLimitError("x", status_code=429, retry_after=90.0), COMPLETED])
    world.watch(chance=chance)
    assert world.sleeps[-1].seconds == seconds


@pytest.mark.parametrize(
    ("asked", "seconds"), [(5.0, 30.0), (90.0, 90.0), (600.0, 600.0), (90_000.0, 600.0), (None, 30.0)]
)
def test_the_wait_that_the_server_asks_for_is_kept(asked: float | None, seconds: float) -> None:
    """A poll sooner would only be refused; but hours would blind the wait, so ten minutes are the most."""
    for kind, status in ((StarVideosRateLimitError, 429), (StarVideosServerError, 503)):
        world = World([QUEUED, kind("x", status_code=status, retry_after=asked), COMPLETED])
        assert world.watch() is COMPLETED
        assert world.sleeps[-1].seconds == seconds


def test_no_pause_goes_beyond_the_deadline() -> None:
    """The last poll is at the deadline, whatever the server asks for."""
    world = World([QUEUED, StarVideosRateLimitError("x", status_code=429, retry_after=300.0), COMPLETED])
    assert world.watch(timeout=100) is COMPLETED
    assert world.polled == [0.0, 30.0, 100.0]


def test_a_failing_poll_at_the_deadline_is_a_timeout() -> None:
    """The error names the deadline, with the status that was seen last."""
    with pytest.raises(StarVideosWaitTimeoutError, match="processing when last seen"):
        World([PROCESSING, LOST]).watch(timeout=20)


def test_a_video_never_seen_has_no_last_status() -> None:
    """The message doesn't invent one."""
    with pytest.raises(StarVideosWaitTimeoutError) as caught:
        World([LOST]).watch(timeout=20)
    assert "when last seen" not in str(caught.value)


def test_a_short_wait_uses_its_time() -> None:
    """Half a second is no deadline that has passed."""
    world = World([QUEUED, COMPLETED])
    assert world.watch(timeout=0.5) is COMPLETED
    assert world.polled == [0.0, 0.5]


def test_a_wait_without_a_deadline_never_times_out() -> None:
    """As the sensor's poke uses it, whose deadline is the sensor's business."""
    wait = Wait("video_1", poll_interval=0, end_time=float("inf"), chance=lambda: 0.0)
    assert wait.saw(QUEUED, 1e12) == Sleep(0.0, "StarVideos video video_1 is queued")
    assert wait.saw(COMPLETED, 1e13) is COMPLETED


def test_a_driver_that_answers_a_poll_with_nothing_is_an_error() -> None:
    """A mistake in a driver is a TypeError, not a video."""
    flow: Any = watch("video_1", poll_interval=1, end_time=2, now=lambda: 0.0)
    assert next(flow) == Poll("video_1")
    with pytest.raises(TypeError, match="must be answered with a video"):
        flow.send(None)
