"""Waiting for many videos at once: one poll per video and interval, spread over it, and one result for all.

No answer about one video ends the wait for the others: one that can't be polled while others can is waited for until
its deadline. What ends a wait is decided in ``api.polling``. Used by the trigger, with the triggerer's shared engine,
and by a worker that waits itself.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoTask, amount_text
from airflow_provider_starvideos.api.polling import LAST_POLL_SECONDS, Wait
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.clients.aio import AioClient
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.hooks.renewal import Renewal
from airflow_provider_starvideos.orders.states import OrderState

POLLS_AT_ONCE = 20
PROGRESS_SECONDS = 60.0
LATE_SPREAD_SECONDS = 30.0  # polls whose deadline has passed are spread over so long; less than LAST_POLL_SECONDS

ENDS: Mapping[type[StarVideosError], OrderState] = {
    StarVideosVideoFailedError: OrderState.FAILED,
    StarVideosWaitTimeoutError: OrderState.TIMED_OUT,
    StarVideosNotFoundError: OrderState.UNKNOWN,
}
"""Errors that end the wait for one video. Any other concerns all of them, or is a failed poll."""


class BatchWait:
    """One wait for the videos of a plan."""

    def __init__(self, plan: Plan, poll: Callable[[str], Awaitable[VideoTask]], log: Any) -> None:
        self._plan = plan
        self._poll = poll
        self._log = log
        self.outcomes: dict[str, Outcome] = {}
        self._failed_polls: Counter[str] = Counter()
        self._last_answer = 0.0
        self._odd: set[str] = set()  # couldn't be polled while others could
        self._odd_statuses: set[str] = set()  # statuses that aren't documented
        self._statuses: dict[str, str] = {}
        self._first_completed: float | None = None
        self._polls: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._began = now = time.time()
        self._last_end = max((now, *plan.videos.values())) + LAST_POLL_SECONDS
        # Not at once: videos that were just ordered aren't ready, and a restart must not bring a burst.
        self._due = [(self._first_poll(now, end_time), video_id) for video_id, end_time in plan.videos.items()]
        heapq.heapify(self._due)
        self._waits = {video_id: self._new_wait(video_id) for video_id in plan.videos}

    def _first_poll(self, now: float, end_time: float) -> float:
        return now + random.random() * min(self._plan.poll_interval, max(end_time - now, LATE_SPREAD_SECONDS))

    def _new_wait(self, video_id: str) -> Wait:
        plan = self._plan
        return Wait(video_id, poll_interval=plan.poll_interval, end_time=plan.videos[video_id], chance=random.random)

    async def run(self) -> dict[str, Outcome]:
        """Wait as the plan says.

        :return: how videos ended, by id, as in ``outcomes``; those that aren't in it are still made
        :raises StarVideosError: no video can be polled, for a reason that concerns all of them
        """
        try:
            async with asyncio.TaskGroup() as group:
                progress = group.create_task(self._log_progress())
                while not self._over():
                    if len(self.outcomes) < len(self._waits) and time.time() >= self._last_end:
                        self._end_the_late()
                    elif not await self._idle():
                        _, video_id = heapq.heappop(self._due)
                        poll = group.create_task(self._poll_one(video_id))
                        self._polls.add(poll)
                        poll.add_done_callback(self._has_ended)
                for task in (progress, *self._polls):
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return self.outcomes

    def _has_ended(self, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        self._changed.set()  # there is a free slot

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

    def _end_the_late(self) -> None:
        """End the wait for videos about which the API didn't answer by the end of the last deadline."""
        self._due.clear()
        for video_id in self._waits.keys() - self.outcomes.keys():
            error = StarVideosWaitTimeoutError.of(video_id, self._statuses.get(video_id, ""))
            self._end(video_id, Outcome(OrderState.TIMED_OUT, error.reason, None, time.time()))

    async def _idle(self) -> bool:
        """Sleep until there is something to do; return whether to check the clock again first."""
        now, until = time.time(), self._until()
        due = self._due[0][0] if self._due and len(self._polls) < POLLS_AT_ONCE else None
        if due is not None and due <= now:
            return False
        last = self._last_end if len(self.outcomes) < len(self._waits) else None
        pause = min((one for one in (until, due, last) if one is not None), default=None)
        pause = None if pause is None else max(0.0, pause - now)
        self._changed.clear()
        try:
            async with asyncio.timeout(pause):
                await self._changed.wait()
        except TimeoutError:
            pass
        return True

    async def _poll_one(self, video_id: str) -> None:
        wait = self._waits[video_id]
        task: VideoTask | None = None
        try:
            try:
                task = await self._poll(video_id)
            except StarVideosError as error:
                self._again(video_id, self._failed(video_id, wait, error))
                return
            self._last_answer = time.time()
            self._odd.discard(video_id)
            self._statuses[video_id] = task.status
            self._warn_of(task)
            outcome = wait.saw(task, time.time())
        except tuple(ENDS) as error:
            reason = getattr(error, "reason", None) or str(error)
            self._end(video_id, Outcome(ENDS[type(error)], reason, None, time.time(), _amount(task)))
            return
        if isinstance(outcome, Sleep):
            self._again(video_id, outcome)
            return
        if outcome.video_url is None:
            self._log.warning("The API gives no URL for the completed StarVideos video %s.", video_id)
        self._first_completed = self._first_completed or time.time()
        self._end(video_id, Outcome(OrderState.COMPLETED, None, outcome.actual_duration, time.time(), _amount(outcome)))

    def _failed(self, video_id: str, wait: Wait, error: StarVideosError) -> Sleep:
        """Return when to poll again after a poll that failed.

        :raises StarVideosError: it ends the wait for this video (``ENDS``), or for all of them
        """
        self._failed_polls[str(error)] += 1
        failing_since = wait.failing_since
        try:
            return wait.failed(error, time.time())
        except tuple(ENDS):
            raise
        except StarVideosError:
            if failing_since is not None and self._last_answer > failing_since:
                self._odd.add(video_id)
            elif len(self._waits) - len(self.outcomes) > 1:
                self._odd.discard(video_id)  # no other was answered meanwhile: it concerns all of them by now
            if video_id not in self._odd:
                raise
        self._waits[video_id] = self._new_wait(video_id)
        return Sleep(self._plan.poll_interval)

    def _warn_of(self, task: VideoTask) -> None:
        """Warn of a status that isn't documented, once per wait, however many videos have it."""
        if not task.has_known_status and task.status not in self._odd_statuses:
            self._odd_statuses.add(task.status)
            what = "StarVideos video %s is %s, a status that isn't documented: waiting on, until the deadline."
            self._log.warning(what, task.id, task.status)

    def _again(self, video_id: str, step: Sleep) -> None:
        if video_id in self.outcomes:
            return
        heapq.heappush(self._due, (time.time() + step.seconds, video_id))
        self._changed.set()

    def _end(self, video_id: str, outcome: Outcome) -> None:
        self.outcomes[video_id] = outcome
        self._statuses.pop(video_id, None)
        self._changed.set()

    async def _log_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._log.info("%s", self.progress())

    def progress(self) -> str:
        """Return how far the batch is, in one line."""
        ended = Counter(str(one.state) for one in self.outcomes.values())
        known = Counter(self._statuses.values())
        known["waiting"] = len(self._waits) - len(self.outcomes) - known.total()
        facts = [f"{number} {name}" for name, number in (ended + known).items()]
        minutes = max(time.time() - self._began, 1.0) / 60
        rate = len(self.outcomes) / minutes
        if self._failed_polls:
            error, times = self._failed_polls.most_common(1)[0]
            facts.append(f"{self._failed_polls.total()} polls failed meanwhile, {times} of them: {error}")
            self._failed_polls.clear()
        left = len(self._waits) - len(self.outcomes)
        end = time.strftime("%H:%M UTC", time.gmtime(time.time() + left / rate * 60)) if rate else "not known yet"
        done = self._plan.done + len(self.outcomes)
        return (
            f"StarVideos batch: {done} of {self._plan.rows} rows have ended; of those waited for now: "
            f"{', '.join(facts) or 'none'}; {rate:.1f} a minute, estimated end {end}."
        )


def wait_here(
    plan: Plan, conn_id: str, get_conn: Callable[[], Endpoint], log: Any
) -> tuple[Mapping[str, Outcome], StarVideosError | None]:
    """Wait on a worker.

    :param conn_id: Airflow connection of type ``starvideos``
    :param get_conn: reads the connection; called on this thread, again and again, so that an exchanged key is picked up
    :return: how videos ended, and why the wait ended early, if it did
    """
    renewal = Renewal(conn_id, log)

    async def read() -> Endpoint:  # blocks for a moment: only the task's own thread may ask Airflow
        return renewal.fresh() or renewal.read(get_conn)

    async def wait() -> tuple[Mapping[str, Outcome], StarVideosError | None]:
        async with AioClient(log=log) as client:

            async def poll(video_id: str) -> VideoTask:
                return await renewal.apoll(client.run, video_id, read)

            batch_wait = BatchWait(plan, poll, log)
            try:
                return await batch_wait.run(), None
            except StarVideosError as error:
                return batch_wait.outcomes, error

    return asyncio.run(wait())


def _amount(task: VideoTask | None) -> str | None:
    return None if task is None or task.amount is None else amount_text(task.amount)


def _first(errors: BaseException) -> BaseException:
    """Return one error of a group: all polls fail alike when the API refuses the key, or is gone."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
