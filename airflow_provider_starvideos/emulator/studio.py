"""Where videos are made: on threads, so that the event loop never waits, and each only once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from airflow_provider_starvideos.emulator.cache import DiskCache, TemporaryFolder
from airflow_provider_starvideos.emulator.libraries import require_libraries
from airflow_provider_starvideos.emulator.order import Order

_T = TypeVar("_T")

VIDEO_BYTES = 1 << 30
"""How much to keep of rendered videos and samples, bytes."""
REFERENCE_BYTES = 1 << 30
"""How much to keep of fetched references, bytes."""


class Studio:
    """Renders videos and samples, reads references, and keeps them all on disk.

    :param folder: where; it is removed by its owner.
    """

    def __init__(self, folder: TemporaryFolder) -> None:
        self._videos = DiskCache(folder, "videos", VIDEO_BYTES)
        self._references = DiskCache(folder, "references", REFERENCE_BYTES)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="starvideos-emulator")
        self._rendering: dict[str, asyncio.Task[bytes]] = {}

    async def video(self, order: Order) -> bytes:
        """Return an order's video, rendering it the first time.

        :param order: the order; its references are there.
        :returns: the MP4 file.
        :raises MissingLibraryError: PyAV or Pillow is not installed.
        """
        return await self._once(f"{order.id}.mp4", partial(self._render, order))

    async def sample_picture(self, name: str) -> bytes:
        """Return a PNG with a look of its own for every name."""
        require_libraries()
        from airflow_provider_starvideos.emulator import samples

        return await self._once(f"sample-{name}.png", partial(samples.picture, name))

    async def sample_clip(self, name: str, seconds: int, ratio: str) -> bytes:
        """Return an MP4 clip of so many seconds."""
        require_libraries()
        from airflow_provider_starvideos.emulator import samples

        key = f"sample-{name}-{seconds}-{ratio.replace(':', 'x')}.mp4"
        return await self._once(key, partial(samples.clip, name, seconds, ratio))

    async def store(self, data: bytes) -> str:
        """Keep a reference, and return the key that it is under."""
        key = hashlib.sha256(data).hexdigest()
        await self._run(partial(self._references.put, key, data))
        return key

    async def probe_clip(self, data: bytes) -> tuple[float, tuple[int, int]] | None:
        """Return a clip's seconds, and its width and height; None without PyAV.

        :raises NotMediaError: it is no video.
        """
        try:
            from airflow_provider_starvideos.emulator import media
        except ImportError:
            return None
        return await self._run(partial(media.probe_clip, data))

    async def check_picture(self, data: bytes) -> None:
        """Check that bytes are a picture.

        :raises NotMediaError: they are not.
        """
        try:
            from airflow_provider_starvideos.emulator import media
        except ImportError:
            return
        await self._run(partial(media.open_picture, data))

    def clear(self) -> None:
        """Remove everything."""
        self._videos.clear()
        self._references.clear()

    async def close(self) -> None:
        """Wait for renders under way, and end the threads."""
        await asyncio.gather(*self._rendering.values(), return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    def _render(self, order: Order) -> bytes:
        require_libraries()
        from airflow_provider_starvideos.emulator import render

        def read(key: str | None) -> bytes | None:
            return self._references.get(key) if key else None

        def pictures(*fields: str) -> list[tuple[str, bytes | None]]:
            found = (item for field in fields for item in order.inputs if item.field == field)
            return [(item.url, read(item.key)) for item in found]

        clip = order.clip
        job = render.Job(
            id=order.id,
            mode=order.accepted.mode.name,
            prompt=order.accepted.prompt,
            seconds=order.seconds,
            size=render.size_of(order.accepted.ratio or "9:16", clip.size if clip else None),
            pictures=pictures("referenceImages"),
            frames=pictures("first_image", "last_image"),
            clip=read(clip.key) if clip else None,
            clip_name=clip.url if clip else None,
        )
        return render.render(job)

    async def _once(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return what is cached under a key, or make it; many who ask at once share the work."""
        found = await self._run(partial(self._videos.get, key))
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
        await self._run(partial(self._videos.put, key, data))
        return data

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
