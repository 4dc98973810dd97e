"""Fetching the references of an order. Decides when, how much, and what a reference that can't be fetched means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp

from airflow_provider_starvideos.emulator.event_log import Journal
from airflow_provider_starvideos.emulator.libraries import NotMediaError
from airflow_provider_starvideos.emulator.order import Input, Order
from airflow_provider_starvideos.emulator.orders import Orders
from airflow_provider_starvideos.emulator.settings import Settings
from airflow_provider_starvideos.emulator.studio import Studio

CLIP_SECONDS: Final = (3.0, 10.0)  # how long a reference clip may be
SLACK_SECONDS = 0.05  # how far a clip may be off those: containers count a frame more or less
FETCH_SECONDS = 20.0  # longest time that fetching one reference may take
FETCH_BYTES = 50_000_000  # largest reference
CONCURRENCY = 32


class FetchError(Exception):
    """A reference can't be fetched. The message says why."""


class References:
    """Fetches references with a separate session, without an API key.

    :param orders: learns when an order's references are there.
    :param studio: keeps and reads them.
    :param journal: gets an entry for every fetch.
    :param settings: returns the settings as of now.
    """

    def __init__(self, orders: Orders, studio: Studio, journal: Journal, settings: Callable[[], Settings]) -> None:
        self._orders = orders
        self._studio = studio
        self._journal = journal
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "starvideos-emulator"}, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        """Stop all fetching."""
        tasks = list(self._tasks.values())
        self.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def clear(self) -> None:
        """Stop all fetching, without waiting for that."""
        for task in self._tasks.values():
            task.cancel()

    def start(self, order: Order) -> None:
        """Fetch an order's references in the background.

        A clip decides on the length, and a missing reference may fail the order: then its end waits for them.
        """
        settings = self._settings()
        if not order.inputs or settings.references == "off":
            return
        order.waiting = order.clip is not None or settings.references == "required"
        task = asyncio.create_task(self._gather(order, settings))
        self._tasks[order.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(order.id, None))

    async def settled(self, order: Order) -> None:
        """Wait until all of an order's references are there, or given up."""
        task = self._tasks.get(order.id)
        if task is not None:
            await asyncio.wait([task])

    async def _gather(self, order: Order, settings: Settings) -> None:
        await asyncio.gather(*(self._fetch(order, item, settings) for item in order.inputs))
        failure = None
        for item in order.inputs:
            if item.error and settings.references == "required":
                failure = failure or f"{item.field}: {item.error}: {_shown(item.url)}"
        clip, (least, most) = order.clip, CLIP_SECONDS
        if clip and clip.seconds and not least - SLACK_SECONDS <= clip.seconds <= most + SLACK_SECONDS:
            failure = (
                f"referenceVideos: the clip must be 3 to 10 seconds long (got {clip.seconds:.1f}): {_shown(clip.url)}"
            )
        self._orders.settle(order, failure)

    async def _fetch(self, order: Order, item: Input, settings: Settings) -> None:
        try:
            async with self._slots, asyncio.timeout(FETCH_SECONDS):
                data = await self._download(item.url)
            item.key = await self._studio.store(data)
            if item.field == "referenceVideos":
                item.seconds, item.size = await self._studio.probe(data, is_clip=True) or (None, None)
            elif settings.references == "required":
                await self._studio.probe(data, is_clip=False)
        except TimeoutError:
            item.error = f"no answer in {FETCH_SECONDS:g} seconds"
        except (aiohttp.ClientError, FetchError, NotMediaError, ValueError, OSError) as exc:
            item.error = f"{exc}" or type(exc).__name__
        if item.error:
            item.key = None
        self._journal.add("fetched", id=order.id, prompt=order.accepted.prompt, url=_shown(item.url), error=item.error)

    async def _download(self, url: str) -> bytes:
        assert self._session is not None  # noqa: S101 - open() has made it
        data = bytearray()
        async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=None, connect=5)) as response:
            if response.status != 200:
                raise FetchError(f"HTTP {response.status}")
            async for chunk in response.content.iter_chunked(1 << 16):
                data += chunk
                if len(data) > FETCH_BYTES:
                    raise FetchError(f"larger than {FETCH_BYTES} bytes")
        return bytes(data)


def _shown(url: str) -> str:
    """Return a URL without its query, where signatures are."""
    return url.partition("?")[0]
