"""How to wait for a video: what each poll means, when to poll again, and what ends a wait. Every wait uses it.

The video is paid for, so after an order only the API itself or a deadline ends a wait. Any answer of a gateway or a
proxy is a failed poll, and so is no answer.

=========================================  =================================================  ========================
the poll's answer                          the wait                                           why
=========================================  =================================================  ========================
completed, with a URL                      ends: the video                                    the API says so
failed                                     ends: ``StarVideosVideoFailedError``               the API says so
completed, no URL                          goes on ``POLLS_FOR_URL`` times, then ends:        the URL may come later;
                                           the video, without a URL                           the video is there
queued, processing, any other word         goes on; an unknown word is logged once            it isn't an end
the API's own: it doesn't know the video   ends at the ``UNKNOWN`` limit: permanent           a new id may need a moment
the API's own: it refuses the key          ends at the ``REFUSED`` limit: permanent           the key may be exchanged
the connection can't be used               ends at the ``UNUSABLE`` limit: permanent          it may be edited just now
429, from any server                       goes on, with the pause asked for                  the server works
anything else: a gateway's 4xx or 5xx,     ends at the ``FAILED`` limit; a retry of the task  the API may come back
HTML, a redirect, no answer, …             goes on with the same video
the deadline has passed                    ends: ``StarVideosWaitTimeoutError``               nothing hangs
=========================================  =================================================  ========================

A limit (``limit``) is a number of such polls since the API's last status, and a time that they must span.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosRateLimitError,
    StarVideosServerError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

DEFAULT_POLL_INTERVAL = 30.0  # seconds; the vendor recommends 30 to 60 and may limit faster polling ("Query Task")
DEFAULT_TIMEOUT = 3600.0  # seconds; a generation takes minutes
BACKSTOP_SECONDS = 120.0  # Airflow's own timeout of a deferral comes so long after the wait's deadline
LAST_POLL_SECONDS = 60.0  # how long the last poll may take, after the deadline; less than the backstop

MAX_POLL_ERRORS_IN_A_ROW = 10  # polls that must have failed, …
MIN_FAILING_SECONDS = 600.0  # … and the seconds that they must span: an API that restarts comes back
POLLS_OF_UNKNOWN = 3  # answers "unknown video" that end a wait; see ``retry.UNKNOWN_DELAY``
POLLS_OF_UNUSABLE = 3  # polls over an unusable connection that end a wait: an edit may delete it for a moment
POLLS_FOR_URL = 3  # more polls of a completed video whose answer had no URL

MAX_PAUSE_SECONDS = 600.0  # that a server can ask for; a gateway's quota or a wrong clock may ask for hours
POLL_JITTER = 0.2  # share of an interval that chance adds to it, so that polls spread; never less than the interval


class Failure(StrEnum):
    """Kinds of polls that say nothing about the video's status."""

    UNKNOWN = "unknown"
    REFUSED = "refused"
    UNUSABLE = "unusable"
    FAILED = "failed"


FAILURES = frozenset(Failure)


def failure_kind(error: StarVideosError) -> Failure:
    """Return the kind of a failed poll, by the table in this module's docstring."""
    from_api = isinstance(error, StarVideosAPIError) and error.from_api
    if isinstance(error, StarVideosNotFoundError) and from_api and error.names_video:
        return Failure.UNKNOWN
    if isinstance(error, StarVideosAuthenticationError) and from_api:
        return Failure.REFUSED
    return Failure.UNUSABLE if isinstance(error, StarVideosConfigurationError) else Failure.FAILED


def limit(kind: Failure) -> tuple[int, float]:
    """Return how many polls of a kind end a wait, and the seconds that they must span."""
    if kind is Failure.UNKNOWN:
        return POLLS_OF_UNKNOWN, retry.UNKNOWN_DELAY * (POLLS_OF_UNKNOWN - 1)
    if kind is Failure.UNUSABLE:
        return POLLS_OF_UNUSABLE, 0.0
    return MAX_POLL_ERRORS_IN_A_ROW, MIN_FAILING_SECONDS


@dataclass(frozen=True)
class Poll:
    """Ask the API for the video's status, once."""

    video_id: str


Watch: TypeAlias = Generator[Poll | Sleep, VideoTask | None, VideoTask]


def watch(
    video_id: str,
    *,
    poll_interval: float,
    end_time: float,
    chance: Callable[[], float] = random.random,
    now: Callable[[], float] = time.time,
) -> Watch:
    """Wait until a video is completed, as a flow (see ``flow``). The first poll comes at once.

    :param poll_interval: seconds between two polls
    :param end_time: epoch seconds; after that the wait has failed
    :return: the completed video
    :raises StarVideosVideoFailedError: the video failed
    :raises StarVideosWaitTimeoutError: the deadline has passed
    :raises StarVideosError: the API gave no status for too long, or refuses to
    """
    wait = Wait(video_id, poll_interval=poll_interval, end_time=end_time, chance=chance)
    while True:
        try:
            task = yield Poll(video_id)
            if task is None:
                raise TypeError("a poll must be answered with a video")
        except StarVideosError as error:
            outcome: Sleep | VideoTask = wait.failed(error, now())
        else:
            outcome = wait.saw(task, now())
        if isinstance(outcome, VideoTask):
            return outcome
        yield outcome


@dataclass
class Streak:
    """Polls of one kind since the API's last status of the video."""

    times: int = 0
    since: float = 0.0  # epoch seconds of the first

    def count(self, now: float) -> None:
        """Count one more."""
        self.times, self.since = self.times + 1, self.since if self.times else now

    def has_reached(self, kind: Failure, now: float) -> bool:
        """Return whether there were enough of them, for long enough."""
        times, seconds = limit(kind)
        return self.times >= times and now - self.since >= seconds


class Wait:
    """One wait for one video. Give it each poll's outcome; it returns what to do. Parameters: see ``watch``.

    :param memory: what ``memory`` returned in an earlier process of the same wait
    """

    def __init__(
        self, video_id: str, *, poll_interval: float, end_time: float, chance: Callable[[], float], memory: str = ""
    ) -> None:
        self.video_id = video_id
        self.poll_interval = poll_interval
        self.end_time = end_time
        self._chance = chance
        self._failures: dict[Failure, Streak] = {}  # FAILED counts all of them, each other kind only its own
        self._without_url = 0
        self._paused = False
        self._status = ""
        self._warned = False
        self._recall(memory)

    @property
    def failing_since(self) -> float | None:
        """Epoch seconds of the first of the failed polls in a row; None: the last poll gave a status."""
        failed = self._failures.get(Failure.FAILED)
        return failed.since if failed else None

    @property
    def is_unknown(self) -> bool:
        """The API has said that it doesn't know the video, and has given no status since."""
        return Failure.UNKNOWN in self._failures

    def memory(self) -> str:
        """Return what a later process of this wait must know, in letters, digits, ``-`` and ``_``; empty: nothing."""
        facts = [f"{kind}-{one.times}-{int(one.since)}" for kind, one in self._failures.items()]
        facts += [f"url-{self._without_url}-0"] * bool(self._without_url) + ["warned-1-0"] * self._warned
        return "_".join(facts)

    def _recall(self, memory: str) -> None:
        for name, times, since in re.findall(r"([a-z]+)-(\d+)-(\d+)", memory):
            if name == "url":
                self._without_url = int(times)
            elif name == "warned":
                self._warned = True
            elif name in FAILURES:
                self._failures[Failure(name)] = Streak(int(times), float(since))

    def saw(self, task: VideoTask, now: float) -> Sleep | VideoTask:
        """Return the completed video, or when to poll again, after a poll that gave a status.

        :raises StarVideosVideoFailedError: the video failed
        :raises StarVideosWaitTimeoutError: the deadline has passed
        """
        self._failures.clear()
        self._paused = False
        if task.is_failed:
            raise StarVideosVideoFailedError(self.video_id, task.error or "the API gave no reason")
        pause = max(0.0, self._interval() - task.age)
        if task.is_completed:
            return self._completed(task, now, pause)
        self._without_url = 0
        notice, warn = "", False
        if task.status != self._status:
            notice = f"StarVideos video {self.video_id} is {task.status}"
            if not task.has_known_status:
                notice += ", a status that isn't documented: waiting on, until the deadline"
                warn, self._warned = not self._warned, True
            self._status = task.status
        return self._again(pause, now, notice, warn=warn)

    def _completed(self, task: VideoTask, now: float, pause: float) -> Sleep | VideoTask:
        if task.video_url or self._without_url >= POLLS_FOR_URL or now >= self.end_time:
            return task
        self._without_url += 1
        notice = (
            f"StarVideos video {self.video_id} is completed, but the API gives no URL. "
            f"Polling again ({self._without_url} of {POLLS_FOR_URL})."
        )
        return self._again(pause, now, notice, warn=True)

    def failed(self, error: StarVideosError, now: float) -> Sleep:
        """Return when to poll again after a poll that failed.

        :raises StarVideosError: the wait ends: the API gave no status for too long, or refuses to
        :raises StarVideosWaitTimeoutError: the deadline has passed
        """
        if isinstance(error, StarVideosRateLimitError):
            return self._rate_limited(error, now)
        kind = failure_kind(error)
        for counted in {kind, Failure.FAILED}:
            self._failures.setdefault(counted, Streak()).count(now)
        failed = self._failures[Failure.FAILED]
        if kind is not Failure.FAILED and self._failures[kind].has_reached(kind, now):
            raise error
        if failed.has_reached(Failure.FAILED, now):
            raise no_status_error(self.video_id, error, failed, now) from error
        delay = self._interval()
        if kind is Failure.UNKNOWN and not self._status:
            delay = min(delay, retry.UNKNOWN_DELAY)  # just ordered, or a wrong id
        if isinstance(error, StarVideosAPIError) and error.retry_after:
            delay = max(delay, min(error.retry_after, MAX_PAUSE_SECONDS))
        notice = f"Poll of StarVideos video {self.video_id} failed ({failed.times} in a row), the wait goes on: {error}"
        return self._again(delay, now, notice, warn=True, last=f"\nThe last poll failed: {error}")

    def _rate_limited(self, error: StarVideosRateLimitError, now: float) -> Sleep:
        """The server works and asks for fewer polls, so this is no failure. Poll again, spread over an interval."""
        pause = max(min(error.retry_after or 0.0, MAX_PAUSE_SECONDS), self.poll_interval)
        notice = "" if self._paused else f"The wait for StarVideos video {self.video_id} slows down: {error}"
        self._paused = True
        return self._again(pause + self.poll_interval * self._chance(), now, notice)

    def _interval(self) -> float:
        return self.poll_interval * (1.0 + POLL_JITTER * self._chance())

    def _again(self, delay: float, now: float, notice: str, *, warn: bool = False, last: str = "") -> Sleep:
        """Poll again after ``delay`` seconds, at the latest at the deadline: that is the last poll."""
        left = self.end_time - now
        if left <= 0:
            raise StarVideosWaitTimeoutError.of(self.video_id, self._status, last)
        return Sleep(min(delay, left), notice, warn)


def no_status_error(video_id: str, error: StarVideosError, failed: Streak, now: float) -> StarVideosError:
    """Return the error of a wait without a status for too long. A retry may help, whatever the last poll's error."""
    message = (
        f"The StarVideos API couldn't be asked about video {video_id}: {failed.times} polls in a row failed, over "
        f"{(now - failed.since) / 60:.0f} minutes. The last one: {error}\n"
        "Billed: once, when it was ordered. The video isn't lost: it goes on, and its id stays valid.\n"
        "1. Check that the connection's host can be reached from here, and what answers there.\n"
        "2. Clear this task, or let its retries do so: it waits for the same video, and orders nothing new (an order "
        "with durable=False does)."
    )
    if not isinstance(error, StarVideosAPIError):
        return StarVideosConnectionError(message, sent=True)
    # An answer of a gateway isn't the API's refusal, so it isn't permanent.
    kind = StarVideosServerError if error.permanent else type(error)
    return kind(message, status_code=error.status_code, body=error.body, request_id=error.request_id)
