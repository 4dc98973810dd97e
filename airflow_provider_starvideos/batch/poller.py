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
from typing import Any

from airflow_provider_starvideos.api.calls import query
from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.polling import Wait
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.batch.entries import RowState
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.clients.aio import AioClient
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

LOOKS_AT_ONCE = 20
ALONE_INTERVALS = 3
"""A video that can't be looked at, while another was within so many intervals, has a problem of its own."""
PROGRESS_SECONDS = 60.0


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
        self.outcomes: dict[str, Outcome] = {}
        self._failed_looks: Counter[str] = Counter()
        self._last_answer = 0.0
        self._statuses: dict[str, str] = {}
        self._first_completed: float | None = None
        self._changed = asyncio.Event()
        self._began = time.time()
        now = time.time()
        # Not at once: videos that were just ordered aren't ready, and a restart must not bring a burst.
        self._due = [(now + plan.poll_interval * random.random(), video_id) for video_id in plan.videos]
        heapq.heapify(self._due)
        self._waits = {video_id: self._new_wait(video_id) for video_id in plan.videos}

    def _new_wait(self, video_id: str) -> Wait:
        plan = self._plan
        return Wait(video_id, poll_interval=plan.poll_interval, end_time=plan.videos[video_id], chance=random.random)

    async def run(self) -> dict[str, Outcome]:
        """Wait as the plan says.

        :return: how videos ended, by id, as in ``outcomes``; those that aren't in it go on
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
        return self.outcomes

    def _over(self) -> bool:
        until = self._until()
        if until is not None and time.time() >= until:
            return True
        enough = len(self._waits) if self._plan.enough is None else min(self._plan.enough, len(self._waits))
        return self._plan.resume_at is None and len(self.outcomes) >= enough

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
                step = self._failed(video_id, wait, error)
            else:
                self._last_answer = time.time()
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

    def _failed(self, video_id: str, wait: Wait, error: StarVideosError) -> Sleep:
        self._failed_looks[str(error)] += 1
        try:
            return wait.failed(error, time.time())
        except StarVideosError as last:
            # One video that can't be looked at must not end the wait for all others: its deadline is for that.
            alone = time.time() - self._last_answer < ALONE_INTERVALS * self._plan.poll_interval
            if last is not error or error.permanent or not alone:
                raise
        self._waits[video_id] = self._new_wait(video_id)
        return Sleep(self._plan.poll_interval)

    def _again(self, video_id: str, step: Sleep) -> None:
        heapq.heappush(self._due, (time.time() + step.seconds, video_id))
        self._changed.set()

    def _end(self, video_id: str, outcome: Outcome) -> None:
        self.outcomes[video_id] = outcome
        self._statuses.pop(video_id, None)
        self._changed.set()

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._log.info("%s", self.progress())

    def progress(self) -> str:
        """Return where the batch stands, in one line."""
        ended = Counter(str(one.state) for one in self.outcomes.values())
        known = Counter(self._statuses.values())
        known["waiting"] = len(self._waits) - len(self.outcomes) - known.total()
        facts = [f"{number} {name}" for name, number in (ended + known).items()]
        minutes = max(time.time() - self._began, 1.0) / 60
        rate = len(self.outcomes) / minutes
        if self._failed_looks:
            error, times = self._failed_looks.most_common(1)[0]
            facts.append(f"{self._failed_looks.total()} looks failed meanwhile, {times} of them: {error}")
            self._failed_looks.clear()
        left = len(self._waits) - len(self.outcomes)
        end = time.strftime("%H:%M UTC", time.gmtime(time.time() + left / rate * 60)) if rate else "not known yet"
        done = self._plan.done + len(self.outcomes)
        return (
            f"StarVideos batch: {done} of {self._plan.rows} rows have ended; of those waited for now: "
            f"{', '.join(facts) or 'none'}; {rate:.1f} a minute, estimated end {end}."
        )


def wait_here(plan: Plan, endpoint: Endpoint, log: Any) -> tuple[Mapping[str, Outcome], StarVideosError | None]:
    """Wait on a worker.

    :param plan: what to wait for
    :param endpoint: the API's
    :param log: a logger
    :return: how videos ended, and why the wait ended early, if it did
    """

    async def wait() -> tuple[Mapping[str, Outcome], StarVideosError | None]:
        async with AioClient(notify=log.info) as transport:

            async def look(video_id: str) -> VideoTask:
                return await transport.run(query(endpoint, video_id, max_retries=0))

            batch_wait = BatchWait(plan, look, log)
            try:
                return await batch_wait.run(), None
            except StarVideosError as error:
                return batch_wait.outcomes, error

    return asyncio.run(wait())


def _first(errors: BaseException) -> BaseException:
    """Return one error of a group: all looks fail alike when the key or the path is wrong."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
