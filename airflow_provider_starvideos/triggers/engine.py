"""What all waits of one triggerer share, per Airflow connection: everything that makes a thousand waits cheap.

One pool of kept-alive connections to the API, one look-up of the Airflow connection, one bound on polls at once, one
pause when the API says "too many", and one poll where two waits want the same video. Nothing of it stays when the last
wait has left.
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
CROWD = 50
"""So many waits poll when they like. More than that take turns: a thousand that a restarted triggerer starts together
would else poll together again and again, for chance spreads them by only a few percent of an interval each time."""
SPREAD = 0.75  # a crowd's polls, should all come at once, are spread over that share of their interval, …
MAX_SPREAD_SECONDS = 60.0  # … and over no more than this
TURN_SLACK_SECONDS = 0.1  # turns missed for so long may be made up for: a loop doesn't wake to the millisecond


class _Video:
    """What is known of a video that is waited for.

    Its lock makes polls of it one: who comes meanwhile takes the answer of the one that is under way.
    """

    __slots__ = ("answer", "answered_at", "lock", "waits")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.answer: VideoTask | None = None
        self.answered_at = 0.0
        self.waits = 0


class Engine:
    """Polls for all waits over one Airflow connection, on one event loop.

    :param conn_id: Airflow connection of type ``starvideos``
    """

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
        """Return how a video is: from the API, or from another wait's poll within the interval.

        :param video_id: the API's id
        :param poll_interval: seconds between two polls of this wait
        :param end_time: epoch seconds at which this wait ends. Then only what the API says at that moment counts, and
            it must say so within ``api.polling.LAST_POLL_SECONDS``
        :return: the video; its ``age`` says how long ago the API said so
        :raises StarVideosError: it can't be told, for that reason
        """
        left = end_time - time.time()
        try:
            async with asyncio.timeout(max(0.0, left) + LAST_POLL_SECONDS):
                return await self.ask(video_id, poll_interval if left > 0 else 0.0)
        except TimeoutError as error:
            raise StarVideosConnectionError("The API didn't answer by the deadline.", sent=True) from error

    async def ask(self, video_id: str, max_age: float) -> VideoTask:
        """Return how a video is: from the API, or from another wait's poll that is younger than ``max_age`` seconds.

        :return: the video; its ``age`` says how long ago the API said so
        :raises StarVideosError: it can't be told, for that reason
        """
        video = self._videos.get(video_id) or _Video()
        async with video.lock:
            if video.answer and (age := time.monotonic() - video.answered_at) < max_age:
                return replace(video.answer, age=age)
            if max_age and len(self._videos) > CROWD:
                await self._turn(max_age)
            async with self._slots:
                task = await self._poll(video_id)
            video.answer, video.answered_at = task, time.monotonic()
            return task

    def enter(self, video_id: str) -> None:
        """Count a wait in."""
        self._videos.setdefault(video_id, _Video()).waits += 1

    def leave(self, video_id: str) -> bool:
        """Count a wait out, drop what is known of a video that nobody waits for, and tell whether it was the last."""
        video = self._videos[video_id]
        video.waits -= 1
        if not video.waits:
            del self._videos[video_id]
        return not self._videos

    async def close(self) -> None:
        """Close all connections. First, for a triggerer may cancel a trigger again while it is still leaving."""
        await self._client.__aexit__(None, None, None)
        await self._tell_polls()

    async def _turn(self, interval: float) -> None:
        """Let a crowd's polls through at little more than the rate that they would have, were they spread evenly."""
        async with self._turns:
            now = time.monotonic()
            gap = min(interval * SPREAD, MAX_SPREAD_SECONDS) / len(self._videos)
            self._last_turn = max(self._last_turn + gap, now - TURN_SLACK_SECONDS)
            if self._last_turn > now:
                await asyncio.sleep(self._last_turn - now)

    async def _poll(self, video_id: str) -> VideoTask:
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            message = f"The API asked for a pause of all polls, {pause:.0f} s are left."
            raise StarVideosRateLimitError(message, status_code=429, retry_after=pause)
        self._polls += 1
        try:
            return await self._renewal.apoll(self._client, video_id, self._read_connection)
        except StarVideosRateLimitError as error:
            self._pause(error.retry_after)
            raise

    async def _tell_polls(self) -> None:
        """Tell the metrics of the polls since the last time. In a thread: the first one reads files."""
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
            await self._tell_polls()
            return await self._renewal.aread(StarVideosHook(self._conn_id).aget_conn)


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Engine]] = WeakKeyDictionary()


@asynccontextmanager
async def waiting(conn_id: str, video_id: str) -> AsyncIterator[Engine]:
    """Give the running loop's engine for a connection, for as long as a wait lasts; the last one to leave closes it.

    :param conn_id: Airflow connection of type ``starvideos``
    :param video_id: what is waited for
    """
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
