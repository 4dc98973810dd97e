"""The trigger that waits for one video."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_starvideos.api.flow import Sleep, adrive
from airflow_provider_starvideos.api.waiting import DEFAULT_POLL_INTERVAL, Look, watch
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.triggers import events

if TYPE_CHECKING:
    from airflow_provider_starvideos.api.models import VideoTask


class StarVideosTaskTrigger(BaseTrigger):
    """Waits until a video is completed or failed, and sends exactly one event (see ``triggers.events``).

    Its arguments are stored as plain JSON in the metadata database: the connection's id, never the key.

    :param video_id: the API's id of the video
    :param end_time: epoch seconds at which the wait has failed; absolute, so that it outlives a triggerer's restart
    :param starvideos_conn_id: Airflow connection of type ``starvideos``
    :param poll_interval: seconds between two looks; the vendor recommends 30 to 60 (page "Query Task")
    """

    def __init__(
        self,
        video_id: str,
        end_time: float,
        starvideos_conn_id: str = "starvideos_default",
        poll_interval: float = DEFAULT_POLL_INTERVAL,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.video_id = video_id
        self.end_time = end_time
        self.starvideos_conn_id = starvideos_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, all of them plain JSON values."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "video_id": self.video_id,
                "end_time": self.end_time,
                "starvideos_conn_id": self.starvideos_conn_id,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and send the one event: the completed video, or why there is none."""
        # Imported late: a worker that defers needs no HTTP client. In a thread: it takes a moment, and this is the
        # loop of every trigger.
        name = "airflow_provider_starvideos.triggers.engine"
        module = sys.modules.get(name)
        if module is None:
            module = await asyncio.to_thread(import_module, name)
        try:
            task = await self._wait(module)
        except StarVideosError as error:
            yield events.WaitEvent(payload=events.of_error(self.video_id, error))
        else:
            yield events.WaitEvent(payload=events.of_video(task))

    async def on_kill(self) -> None:
        """Say that the video goes on: a user cleared or marked the task while it waited (Airflow 3.3+)."""
        self.log.warning(
            "StarVideos video %s is no longer waited for. It can't be stopped: it goes on, and is billed.",
            self.video_id,
        )

    async def _wait(self, module: ModuleType) -> VideoTask:
        async def perform(step: Look | Sleep) -> VideoTask | None:
            if isinstance(step, Look):
                task: VideoTask = await engine.look(step.video_id, self.poll_interval)
                return task
            if step.notice:
                self.log.info(step.notice)
            await asyncio.sleep(step.seconds)
            return None

        flow = watch(self.video_id, poll_interval=self.poll_interval, end_time=self.end_time)
        async with module.waiting(self.starvideos_conn_id, self.video_id) as engine:
            return await adrive(flow, perform)
