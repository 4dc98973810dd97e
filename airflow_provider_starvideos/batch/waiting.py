"""Waiting for many videos at once: one look per video and interval, spread over it, and one result for all.

Used by the trigger, with the triggerer's shared engine, and by a worker that waits itself.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.waiting import Wait
from airflow_provider_starvideos.batch.entries import RowState
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

LOOKS_AT_ONCE = 20
PROGRESS_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """What to wait for, and until when. All values are plain JSON.

    :param videos: the API's ids, each with the epoch seconds at which its wait has failed
    :param poll_interval: seconds between two looks at a video
    :param enough: number of videos whose end ends the wait: there is something to do then; None: all of them
    :param resume_at: epoch seconds at which the wait ends, and not before: orders can go on then
    :param save_after: seconds after the first completed video at which the wait ends, for the saving of what is there
    :param rows: of the batch in all, for the progress in the log
    :param done: of them that had ended before
    """

    videos: dict[str, float]
    poll_interval: float
    enough: int | None = None
    resume_at: float | None = None
    save_after: float | None = None
    rows: int = 0
    done: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """How one video ended. Holds no URL: it is asked for anew when the video is saved.

    :param state: ``completed``, ``failed``, ``timed_out`` or ``unknown``
    :param error: why, if it isn't completed
    :param duration: seconds of the completed video
    :param seen_at: epoch seconds
    """

    state: RowState
    error: str | None = None
    duration: float | None = None
    seen_at: float | None = None

    def to_json(self) -> list[Any]:
        """Return the outcome as a short JSON list: a thousand of them cross the database."""
        return [str(self.state), self.error, self.duration, self.seen_at]

    @classmethod
    def from_json(cls, value: Any) -> Outcome:
        """Read an outcome.

        :raises ValueError: it isn't one
        """
        state, error, duration, seen_at = value
        return cls(RowState(state), error, duration, seen_at)


ENDS: Mapping[type[StarVideosError], RowState] = {
    StarVideosVideoFailedError: RowState.FAILED,
    StarVideosWaitTimeoutError: RowState.TIMED_OUT,
    StarVideosNotFoundError: RowState.UNKNOWN,
}
"""Errors that end the wait for one video. Any other concerns all of them."""


class BatchWait:
    """One wait for the videos of a plan.

    :param plan: what to wait for
    :param look: asks how a video is
    :param log: a logger
    """

    def __init__(self, plan: Plan, look: Callable[[str], Awaitable[VideoTask]], log: Any) -> None:
        self._plan = plan
        self._look = look
        self._log = log
        self._outcomes: dict[str, Outcome] = {}
        self._statuses: dict[str, str] = {}
        self._first_completed: float | None = None
        self._changed = asyncio.Event()
        self._began = time.time()
        now = time.time()
        # Not at once: videos that were just ordered aren't ready, and a restart must not bring a burst.
        self._due = [(now + plan.poll_interval * random.random(), video_id) for video_id in plan.videos]
        heapq.heapify(self._due)
        self._waits = {
            video_id: Wait(video_id, poll_interval=plan.poll_interval, end_time=end_time, chance=random.random)
            for video_id, end_time in plan.videos.items()
        }

    async def run(self) -> dict[str, Outcome]:
        """Wait as the plan says.

        :return: how videos ended, by id; those that aren't in it go on
        :raises StarVideosError: it can't be told, for a reason that concerns all of them
        """
        places = asyncio.Semaphore(LOOKS_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                progress = group.create_task(self._tell_progress())
                looks: set[asyncio.Task[None]] = set()
                while not self._over():
                    if await self._idle():
                        continue
                    await places.acquire()
                    _, video_id = heapq.heappop(self._due)
                    look = group.create_task(self._look_at(video_id))
                    looks.add(look)
                    look.add_done_callback(looks.discard)
                    look.add_done_callback(lambda _: places.release())
                for task in (progress, *looks):
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return self._outcomes

    def _over(self) -> bool:
        until = self._until()
        if until is not None and time.time() >= until:
            return True
        enough = len(self._waits) if self._plan.enough is None else min(self._plan.enough, len(self._waits))
        return self._plan.resume_at is None and len(self._outcomes) >= enough

    def _until(self) -> float | None:
        """When the wait ends whatever comes; None: never."""
        times = [self._plan.resume_at]
        if self._plan.save_after is not None and self._first_completed is not None:
            times.append(self._first_completed + self._plan.save_after)
        return min((one for one in times if one is not None), default=None)

    async def _idle(self) -> bool:
        """Sleep until there is something to do; tell whether to look at the clock again first."""
        now, until = time.time(), self._until()
        due = self._due[0][0] if self._due else None
        if due is not None and due <= now:
            return False
        pause = min((one for one in (until, due) if one is not None), default=None)
        pause = None if pause is None else max(0.0, pause - now)
        self._changed.clear()
        try:
            async with asyncio.timeout(pause):
                await self._changed.wait()
        except TimeoutError:
            pass
        return True

    async def _look_at(self, video_id: str) -> None:
        wait, step = self._waits[video_id], None
        try:
            try:
                task = await self._look(video_id)
            except StarVideosError as error:
                if isinstance(error, StarVideosNotFoundError) and error.names_video:
                    raise
                step = wait.failed(error, time.time())
            else:
                self._statuses[video_id] = task.status
                outcome = wait.saw(task, time.time())
                if isinstance(outcome, VideoTask):
                    self._first_completed = self._first_completed or time.time()
                    self._end(video_id, Outcome(RowState.COMPLETED, None, task.actual_duration, time.time()))
                else:
                    step = outcome
        except tuple(ENDS) as error:
            if isinstance(error, StarVideosNotFoundError) and not error.names_video:
                raise  # the path is wrong, for all of them
            reason = error.reason if isinstance(error, StarVideosVideoFailedError) else str(error)
            self._end(video_id, Outcome(ENDS[type(error)], reason, None, time.time()))
        if step is not None:
            self._again(video_id, step)

    def _again(self, video_id: str, step: Sleep) -> None:
        heapq.heappush(self._due, (time.time() + step.seconds, video_id))
        self._changed.set()

    def _end(self, video_id: str, outcome: Outcome) -> None:
        self._outcomes[video_id] = outcome
        self._statuses.pop(video_id, None)
        self._changed.set()

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._log.info("%s", self.progress())

    def progress(self) -> str:
        """Return where the batch stands, in one line."""
        ended = Counter(str(one.state) for one in self._outcomes.values())
        known = Counter(self._statuses.values())
        known["waiting"] = len(self._waits) - len(self._outcomes) - known.total()
        facts = [f"{number} {name}" for name, number in (ended + known).items()]
        minutes = max(time.time() - self._began, 1.0) / 60
        rate = len(self._outcomes) / minutes
        left = len(self._waits) - len(self._outcomes)
        end = time.strftime("%H:%M UTC", time.gmtime(time.time() + left / rate * 60)) if rate else "not known yet"
        done = self._plan.done + len(self._outcomes)
        return (
            f"StarVideos batch: {done} of {self._plan.rows} rows have ended; of those waited for now: "
            f"{', '.join(facts) or 'none'}; {rate:.1f} a minute, estimated end {end}."
        )


def _first(errors: BaseException) -> BaseException:
    """Return one error of a group: all looks fail alike when the key or the path is wrong."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
