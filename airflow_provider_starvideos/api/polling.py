"""How to wait for a video: what each look at it means, and when to look again. Pure; used by every kind of wait.

A poll that fails doesn't fail the wait: the video goes on whether or not anybody can see it. Only so many failures in
a row, the deadline, or an error that no repetition can mend ends it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosRateLimitError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

DEFAULT_POLL_INTERVAL = 30.0
"""Seconds; the vendor recommends 30 to 60 and may limit faster polling (page "Query Task")."""
DEFAULT_TIMEOUT = 3600.0
"""Seconds; a generation takes minutes."""
BACKSTOP_SECONDS = 120.0
"""Airflow's own timeout of a deferral comes this much after the wait's deadline, should the trigger be gone."""
MAX_POLL_ERRORS_IN_A_ROW = 10
"""So many looks in a row must have failed, …"""
MIN_BLIND_SECONDS = 600.0
"""… and for so long, before they end a wait. The video goes on meanwhile, and an API that restarts comes back."""
MAX_PAUSE_SECONDS = 600.0
"""The longest pause between two looks that the API can ask for. Whatever asks for hours (a gateway with a quota of its
own, a date of another clock) would otherwise blind all waits until their deadlines; a look in ten minutes hurts nobody.
"""
POLL_JITTER = 0.2
"""Share of an interval that chance adds to it, so that polls spread; never less than the interval."""


@dataclass(frozen=True)
class Look:
    """Ask the API how the video is, once."""

    video_id: str


Watch: TypeAlias = Generator[Look | Sleep, VideoTask | None, VideoTask]
"""Is sent the ``VideoTask`` of each ``Look``, or thrown the ``StarVideosError`` in which it ended."""


def watch(
    video_id: str,
    *,
    poll_interval: float,
    end_time: float,
    chance: Callable[[], float] = random.random,
    now: Callable[[], float] = time.time,
) -> Watch:
    """Wait until a video is completed, as a flow (see ``flow``). The first look comes at once.

    :param video_id: the API's id
    :param poll_interval: seconds between two looks
    :param end_time: epoch seconds after which the wait has failed
    :param chance: gives random numbers from 0 to 1
    :param now: gives epoch seconds
    :return: the completed video
    :raises StarVideosVideoFailedError: the video failed
    :raises StarVideosWaitTimeoutError: the deadline has passed
    :raises StarVideosError: it can't be told, for that reason
    """
    wait = Wait(video_id, poll_interval=poll_interval, end_time=end_time, chance=chance)
    while True:
        try:
            task = yield Look(video_id)
            if task is None:
                raise TypeError("a look must be answered with a video")
        except StarVideosError as error:
            outcome: Sleep | VideoTask = wait.failed(error, now())
        else:
            outcome = wait.saw(task, now())
        if isinstance(outcome, VideoTask):
            return outcome
        yield outcome


class Wait:
    """One wait for one video. Tell it each look's outcome; it tells what to do.

    :param video_id: the API's id
    :param poll_interval: seconds between two looks
    :param end_time: epoch seconds after which the wait has failed
    :param chance: gives random numbers from 0 to 1
    """

    def __init__(self, video_id: str, *, poll_interval: float, end_time: float, chance: Callable[[], float]) -> None:
        self.video_id = video_id
        self.poll_interval = poll_interval
        self.end_time = end_time
        self._chance = chance
        self._errors = 0
        self._blind_since = 0.0
        self._paused = False
        self._status = ""
        self._warned = False

    def saw(self, task: VideoTask, now: float) -> Sleep | VideoTask:
        """Take a look's answer.

        :param task: the video as the API told it
        :param now: epoch seconds
        :return: the completed video, or when to look again
        :raises StarVideosVideoFailedError: the video failed
        :raises StarVideosWaitTimeoutError: the deadline has passed
        """
        self._errors = 0
        self._paused = False
        if task.is_completed:
            return task
        if task.is_failed:
            raise StarVideosVideoFailedError(self.video_id, task.error or "the API gave no reason")
        notice, warn = "", False
        if task.status != self._status:
            notice = f"StarVideos video {self.video_id} is {task.status}"
            if not task.has_known_status:
                notice += ", a status that isn't documented: waiting on, until the deadline"
                warn, self._warned = not self._warned, True
            self._status = task.status
        return self._again(max(0.0, self._interval() - task.age), now, notice, warn=warn)

    def failed(self, error: StarVideosError, now: float) -> Sleep:
        """Take a look that failed.

        :param error: how it failed
        :param now: epoch seconds
        :return: when to look again
        :raises StarVideosError: ``error`` itself where waiting on is pointless, or it was one too many in a row
        :raises StarVideosWaitTimeoutError: the deadline has passed
        """
        if isinstance(error, StarVideosRateLimitError):
            return self._rate_limited(error, now)
        self._errors += 1
        if self._errors == 1:
            self._blind_since = now
        delay = self._interval()
        # A key with which this wait has seen its video is being exchanged, or a gateway has a bad moment.
        passes = not error.permanent or (self._status != "" and isinstance(error, StarVideosAuthenticationError))
        too_many = self._errors >= MAX_POLL_ERRORS_IN_A_ROW and now - self._blind_since >= MIN_BLIND_SECONDS
        if not passes or too_many:
            raise error
        if isinstance(error, StarVideosAPIError) and error.retry_after:
            delay = max(delay, min(error.retry_after, MAX_PAUSE_SECONDS))
        notice = (
            f"Looking at StarVideos video {self.video_id} failed ({self._errors} in a row), the wait goes on: {error}"
        )
        return self._again(delay, now, notice, blind=f" The last look at it failed: {error}")

    def _rate_limited(self, error: StarVideosRateLimitError, now: float) -> Sleep:
        """The server works, and wants fewer polls: no failure, however often. Come back spread over an interval."""
        pause = max(min(error.retry_after or 0.0, MAX_PAUSE_SECONDS), self.poll_interval)
        notice = "" if self._paused else f"The wait for StarVideos video {self.video_id} slows down: {error}"
        self._paused = True
        return self._again(pause + self.poll_interval * self._chance(), now, notice)

    def _interval(self) -> float:
        return self.poll_interval * (1.0 + POLL_JITTER * self._chance())

    def _again(self, delay: float, now: float, notice: str, *, warn: bool = False, blind: str = "") -> Sleep:
        """Look again after ``delay``, but not later than at the deadline: the last look is there."""
        left = self.end_time - now
        if left <= 0:
            last = f"; it was {self._status} when last seen" if self._status else ""
            raise StarVideosWaitTimeoutError(
                f"StarVideos video {self.video_id} wasn't ready at the deadline{last}. It can't be stopped: it goes "
                f"on, and is billed. Wait for it again (its id stays valid) or raise the timeout.{blind}"
            )
        return Sleep(min(delay, left), notice, warn)


def completed_line(task: VideoTask) -> str:
    """Return the log line of a completed video."""
    length = f", {task.actual_duration:g} s long" if task.actual_duration is not None else ""
    took = f", {max(0.0, time.time() - task.created):.0f} s after its order" if task.created else ""
    return f"StarVideos video {task.id} is completed{length}{took}."
