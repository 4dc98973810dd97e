"""The trigger that waits for the videos of a batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.triggers import events

ENDED = "ended"  # the wait has ended, for all videos or for now; any other status is an error's, as in ``events``
# The shortest wait. If an event comes before Airflow's scheduler has noted the deferral, it takes the resumed task for
# a dead one, and a try is lost.
SETTLE_SECONDS = 5.0


class BatchEvent(TriggerEvent):
    """The only event of a batch's wait. Its repr is short, because Airflow logs it."""

    def __repr__(self) -> str:
        """Return a line for the log."""
        outcomes = self.payload.get("outcomes") or {}
        return f"BatchEvent<{self.payload.get('status')}, {len(outcomes)} videos ended>"


class StarVideosBatchTrigger(BaseTrigger):
    """Waits for many videos until all have ended, or until a worker has something to do, and sends one event.

    Airflow stores its arguments as JSON in the metadata database: the connection's id, never the key.

    :param plan: as ``batch.poller.Plan.to_json`` writes it
    :param starvideos_conn_id: Airflow connection of type ``starvideos``
    :param carry: what the resumed task gets back with the event
    """

    def __init__(self, plan: dict[str, Any], starvideos_conn_id: str, carry: dict[str, Any] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.plan = plan
        self.starvideos_conn_id = starvideos_conn_id
        self.carry = carry or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, all of them JSON values."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"plan": self.plan, "starvideos_conn_id": self.starvideos_conn_id, "carry": self.carry},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and send the only event: how videos ended, or the error of the wait."""
        # Imported late, in a thread, for the reason in StarVideosTaskTrigger.run.
        engine_module = await asyncio.to_thread(import_module, "airflow_provider_starvideos.triggers.engine")
        poller_module = await asyncio.to_thread(import_module, "airflow_provider_starvideos.batch.poller")
        began, plan = time.monotonic(), Plan.from_json(self.plan)
        event: dict[str, Any] = {"status": ENDED, "carry": self.carry}
        outcomes: dict[str, Outcome] = {}
        try:
            async with AsyncExitStack() as stack:
                engine: Any = None
                for video_id in plan.videos:
                    engine = await stack.enter_async_context(engine_module.waiting(self.starvideos_conn_id, video_id))

                async def poll(video_id: str) -> VideoTask:
                    task: VideoTask = await engine.poll(video_id, plan.poll_interval, plan.videos[video_id])
                    return task

                wait = poller_module.BatchWait(plan, poll, self.log)
                outcomes = wait.outcomes
                await wait.run()
        except StarVideosError as error:
            event |= events.of_error("", error)
        event["outcomes"] = {video_id: outcome.to_json() for video_id, outcome in outcomes.items()}
        event["ends"] = {video_id: end for video_id, end in plan.videos.items() if video_id not in outcomes}
        await asyncio.sleep(max(0.0, SETTLE_SECONDS - (time.monotonic() - began)))
        yield BatchEvent(payload=event)

    async def on_kill(self) -> None:
        """Log that the videos go on: a user cleared or marked the task, or another triggerer has the wait now."""
        self.log.warning(
            "This triggerer no longer waits for the batch's StarVideos videos: the task was cleared or marked, or "
            "another triggerer waits for them now. The videos can't be stopped: they go on, and are billed."
        )


def read(event: Any) -> tuple[dict[str, Outcome], dict[str, float], dict[str, Any]]:
    """Return an event's parts: how videos ended by id, the deadlines of the other videos, and ``carry``.

    :raises StarVideosError: it can't be read
    """
    try:
        outcomes = {name: Outcome.from_json(one) for name, one in event["outcomes"].items()}
        return outcomes, dict(event["ends"]), dict(event["carry"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StarVideosError(f"The trigger sent an event that can't be read: {error!r}") from error


def error_of(event: Mapping[str, Any]) -> StarVideosError | None:
    """Return why the wait ended early; None: it didn't."""
    if event.get("status") == ENDED:
        return None
    try:
        events.read(event)
    except StarVideosError as error:
        return error
    return StarVideosError("The trigger sent an event that isn't a batch's.")
