"""Where videos are made: on threads, so that the event loop never waits, and each only once."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from airflow_provider_starvideos.emulator.libraries import require_libraries
from airflow_provider_starvideos.emulator.order import Order

_T = TypeVar("_T")

VIDEO_BYTES = 256 * 1024**2  # most that is kept of rendered videos and samples
REFERENCE_BYTES = 256 * 1024**2  # most that is kept of fetched references


class Cache:
    """Keeps byte strings by key in memory, up to a total size. The least recently used are dropped.

    :param most: how much to keep, bytes. The newest is kept even if it alone is larger.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str | None) -> bytes | None:
        """Return what was put under a key, or None if there is nothing (any more)."""
        if key is None or key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key."""
        self._kept[key] = data
        self._kept.move_to_end(key)
        while sum(map(len, self._kept.values())) > self._most and len(self._kept) > 1:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Drop everything."""
        self._kept.clear()


class Studio:
    """Renders videos and samples, reads references, and keeps them all in memory. Lives on the event loop."""

    def __init__(self) -> None:
        self._videos = Cache(VIDEO_BYTES)
        self._references = Cache(REFERENCE_BYTES)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="starvideos-emulator")
        self._rendering: dict[str, asyncio.Task[bytes]] = {}

    async def video(self, order: Order) -> bytes:
        """Return an order's video, rendering it the first time.

        :param order: the order; its references are there.
        :returns: the MP4 file.
        :raises MissingLibraryError: PyAV or Pillow is not installed.
        """
        require_libraries()
        from airflow_provider_starvideos.emulator import render

        clip, pictures = order.clip, [item for item in order.inputs if item is not order.clip]
        job = render.Job(
            id=order.id,
            mode=order.accepted.mode.name,
            prompt=order.accepted.prompt,
            seconds=order.seconds,
            size=render.size_of(order.accepted.ratio or "9:16", clip.size if clip else None),
            pictures=[(item.url, self._references.get(item.key)) for item in pictures],
            clip=(clip.url, self._references.get(clip.key)) if clip else None,
        )
        return await self._once(order.id, partial(render.render, job))

    async def sample(self, name: str, seconds: int = 0, ratio: str = "") -> bytes:
        """Return a PNG, or an MP4 clip of so many seconds; another one for every name.

        :raises MissingLibraryError: PyAV or Pillow is not installed.
        """
        require_libraries()
        from airflow_provider_starvideos.emulator import render

        make = partial(render.sample_clip, name, seconds, ratio) if seconds else partial(render.sample_picture, name)
        return await self._once(f"sample {name} {seconds} {ratio}", make)

    async def store(self, data: bytes) -> str:
        """Keep a reference, and return the key that it is under."""
        key = await self._run(lambda: hashlib.sha256(data).hexdigest())
        self._references.put(key, data)
        return key

    async def probe(self, data: bytes, *, is_clip: bool) -> Any:
        """Check that bytes are a picture or a clip. Without PyAV nothing is checked.

        :returns: a clip's seconds, and its width and height; None if there is no PyAV.
        :raises NotMediaError: they are not.
        """
        try:
            from airflow_provider_starvideos.emulator import codecs
        except ImportError:
            return None
        return await self._run(partial(codecs.probe_clip if is_clip else codecs.open_picture, data))

    def clear(self) -> None:
        """Drop everything that is kept."""
        self._videos.clear()
        self._references.clear()

    async def close(self) -> None:
        """Wait for running renders, and end the threads."""
        await asyncio.gather(*self._rendering.values(), return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    async def _once(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return what is cached under a key, or make it. Requests at the same time share the work."""
        found = self._videos.get(key)
        if found is not None:
            return found
        task = self._rendering.get(key)
        if task is None:
            task = self._rendering[key] = asyncio.create_task(self._make(key, make))
            task.add_done_callback(lambda _: self._rendering.pop(key, None))
        # A client that leaves must not end the work that others wait for.
        return await asyncio.shield(task)

    async def _make(self, key: str, make: Callable[[], bytes]) -> bytes:
        data = await self._run(make)
        self._videos.put(key, data)
        return data

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
