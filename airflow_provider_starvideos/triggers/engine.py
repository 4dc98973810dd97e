"""What all waits of one triggerer share per Airflow connection, so that a thousand waits are cheap.

They share a pool of kept-alive connections, one read of the Airflow connection, a limiter of polls and the pause after
a 429. Two waits for one video share its polls. Everything is closed with the last wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from weakref import WeakKeyDictionary

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.polling import LAST_POLL_SECONDS, MAX_PAUSE_SECONDS
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.clients.aio import AioClient
from airflow_provider_starvideos.exceptions import StarVideosConnectionError, StarVideosRateLimitError
from airflow_provider_starvideos.hooks.renewal import Renewal
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

log = logging.getLogger(__name__)

MAX_POLLS_AT_ONCE = 20
PAUSE_SECONDS = 30.0  # after a 429 without Retry-After
# Waits above this number take turns. Otherwise a thousand waits of a restarted triggerer would poll all together, again
# and again. Chance moves each poll by only a few percent of the interval.
WAITS_WITHOUT_TURNS = 50
SPREAD = 0.75  # share of an interval that polls with turns are spread over, …
MAX_SPREAD_SECONDS = 60.0  # … up to this time
TURN_SLACK_SECONDS = 0.1  # turns missed for so long are made up: a loop doesn't wake to the millisecond


class _Video:
    """The last answer about a video. Waits that ask during a poll wait for its lock, and share that poll's answer."""

    __slots__ = ("answer", "answered_at", "lock", "waits")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.answer: VideoTask | None = None
        self.answered_at = 0.0
        self.waits = 0


class Engine:
    """Polls for all waits over one Airflow connection, on one event loop."""

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._client = AioClient()
        self._renewal = Renewal(conn_id, log)
        self._reading = asyncio.Lock()
        self._slots = asyncio.Semaphore(MAX_POLLS_AT_ONCE)
        self._turns = asyncio.Lock()
        self._last_turn = 0.0
        self._paused_until = 0.0
        self._videos: dict[str, _Video] = {}
        self._polls = 0

    async def poll(self, video_id: str, poll_interval: float, end_time: float) -> VideoTask:
        """Return a video's status from the API, or from another wait's poll within the interval.

        :param poll_interval: seconds between two polls of this wait
        :param end_time: epoch seconds; from then on only a new answer counts, within ``LAST_POLL_SECONDS``
        :return: the video; ``age`` is the time since the API's answer
        :raises StarVideosError: how the poll failed
        """
        left = end_time - time.time()
        try:
            async with asyncio.timeout(max(0.0, left) + LAST_POLL_SECONDS):
                return await self.ask(video_id, poll_interval if left > 0 else 0.0)
        except TimeoutError as error:
            raise StarVideosConnectionError("The API didn't answer by the deadline.", sent=True) from error

    async def ask(self, video_id: str, max_age: float) -> VideoTask:
        """Return a video's status as ``poll`` does, from the API or from a poll within the last ``max_age`` seconds."""
        video = self._videos.get(video_id) or _Video()
        async with video.lock:
            if video.answer and (age := time.monotonic() - video.answered_at) < max_age:
                return replace(video.answer, age=age)
            if max_age and len(self._videos) > WAITS_WITHOUT_TURNS:
                await self._turn(max_age)
            async with self._slots:
                task = await self._poll(video_id)
            video.answer, video.answered_at = task, time.monotonic()
            return task

    def enter(self, video_id: str) -> None:
        """Add a wait."""
        self._videos.setdefault(video_id, _Video()).waits += 1

    def leave(self, video_id: str) -> bool:
        """Remove a wait, and its video after the video's last wait. Return whether no wait is left at all."""
        video = self._videos[video_id]
        video.waits -= 1
        if not video.waits:
            del self._videos[video_id]
        return not self._videos

    async def close(self) -> None:
        """Close all connections."""
        await self._client.__aexit__(None, None, None)  # first: a triggerer may cancel a trigger twice
        await self._count_polls()

    async def _turn(self, interval: float) -> None:
        """Wait for a turn: the polls come at little more than the rate of evenly spread ones."""
        async with self._turns:
            now = time.monotonic()
            gap = min(interval * SPREAD, MAX_SPREAD_SECONDS) / len(self._videos)
            self._last_turn = max(self._last_turn + gap, now - TURN_SLACK_SECONDS)
            if self._last_turn > now:
                await asyncio.sleep(self._last_turn - now)

    async def _poll(self, video_id: str) -> VideoTask:
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            message = f"The API asked for a pause of all polls: {pause:.0f} s are left."
            raise StarVideosRateLimitError(message, status_code=429, retry_after=pause)
        self._polls += 1
        try:
            return await self._renewal.apoll(self._client.run, video_id, self._read_connection)
        except StarVideosRateLimitError as error:
            self._pause(error.retry_after)
            raise

    async def _count_polls(self) -> None:
        """Add the new polls to the metrics. In a thread, because the first metric reads files."""
        polls, self._polls = self._polls, 0
        if polls:
            await asyncio.to_thread(metrics.count, "polls", self._conn_id, polls)

    def _pause(self, asked: float | None) -> None:
        metrics.count("rate_limit_pauses", self._conn_id)
        seconds = min(asked or PAUSE_SECONDS, MAX_PAUSE_SECONDS)
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
        log.warning("The StarVideos API says 429: all polls over %r pause for %.0f s.", self._conn_id, seconds)

    async def _read_connection(self) -> Endpoint:
        async with self._reading:
            if endpoint := self._renewal.fresh():  # another poll has read it meanwhile
                return endpoint
            await self._count_polls()
            return await self._renewal.aread(StarVideosHook(self._conn_id).aget_conn)


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Engine]] = WeakKeyDictionary()


@asynccontextmanager
async def waiting(conn_id: str, video_id: str) -> AsyncIterator[Engine]:
    """Give a wait for a video the running loop's engine for a connection. The last wait's end closes the engine."""
    loop = asyncio.get_running_loop()
    engines = _engines.setdefault(loop, {})
    engine = engines.get(conn_id) or engines.setdefault(conn_id, Engine(conn_id))
    engine.enter(video_id)
    try:
        yield engine
    finally:
        if engine.leave(video_id):
            del engines[conn_id]
            await engine.close()
