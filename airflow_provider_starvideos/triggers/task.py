"""The trigger that waits for one video."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_starvideos.api.flow import Sleep, adrive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.polling import (
    BACKSTOP_SECONDS,
    DEFAULT_POLL_INTERVAL,
    DEFAULT_TIMEOUT,
    Poll,
    watch,
)
from airflow_provider_starvideos.api.protocol import check_video_id
from airflow_provider_starvideos.compat import xcoms
from airflow_provider_starvideos.compat.rendering import render_field
from airflow_provider_starvideos.compat.start_trigger import deferral_ends_at
from airflow_provider_starvideos.compat.supervisor import adelete_variable
from airflow_provider_starvideos.compat.task_instance import SUCCESS, atask_state
from airflow_provider_starvideos.compat.worker_needs import process_needs_worker
from airflow_provider_starvideos.exceptions import (
    StarVideosConnectionError,
    StarVideosError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.triggers import events
from airflow_provider_starvideos.triggers.results import RESULT_KEYS, log_result, result_xcoms, spending_xcom
from airflow_provider_starvideos.triggers.templates import naming

VIDEO_OR_WAIT_IS_OVER = (StarVideosVideoFailedError, StarVideosWaitTimeoutError)
NOT_ON_A_WORKER = " in the triggerer (start_from_trigger=False has it rendered on a worker)"
SETTLE_ATTEMPTS = 60  # a second each
RENDER_SECONDS = 60.0  # how long rendering may take: some requests of a triggerer to Airflow get no answer at all

# One logger for all triggers: BaseTrigger's own would be a sixth of each trigger's objects. Airflow's triggerer finds
# the task of a log line by its context.
log = logging.getLogger(__name__)


class StarVideosTaskTrigger(BaseTrigger):
    """Waits until a video is completed or failed, and sends exactly one event (see ``triggers.events``).

    Airflow stores its arguments as JSON in the metadata database: the connection's id, never the key.

    :param video_id: the API's id of the video
    :param end_time: epoch seconds when the wait fails; absolute, so that it survives a triggerer's restart
    :param starvideos_conn_id: Airflow connection of type ``starvideos``
    :param poll_interval: seconds between two polls, more than 0; the vendor recommends 30 to 60 (page "Query Task")
    :param end_task: end the task in the triggerer when the video is completed, if nothing of it needs a worker
    :param settled: Airflow Variables of the task's orders; deleted after a success in the triggerer
    :param timeout: seconds that the wait may last, where there is no ``end_time``
    :param silent_fail: go on, however many polls fail in a row
    :param starts_task: the task starts in the triggerer, without a worker. Then its deadline is
        ``api.polling.BACKSTOP_SECONDS`` before Airflow's own timeout of the deferral
    :param xcom: for such a task: task id and key of the XCom that has the id, in place of ``video_id``
    :param spending: of a task that orders, before its video is completed; pushed where the task ends in the triggerer
    """

    def __init__(
        self,
        video_id: str,
        end_time: float | None = None,
        starvideos_conn_id: str = "starvideos_default",
        poll_interval: float = DEFAULT_POLL_INTERVAL,
        *,
        end_task: bool = False,
        settled: Sequence[str] = (),
        timeout: float = DEFAULT_TIMEOUT,
        silent_fail: bool = False,
        starts_task: bool = False,
        xcom: Sequence[str] | None = None,
        spending: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.video_id = video_id
        self.end_time = end_time
        self.starvideos_conn_id = starvideos_conn_id
        self.poll_interval = poll_interval
        self.end_task = end_task
        self.settled = list(settled)
        self.timeout = timeout
        self.silent_fail = silent_fail
        self.starts_task = starts_task
        self.xcom = xcom
        self.spending = spending
        self._template_context: Any = None
        self._has_deleted_xcoms = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, all of them JSON values."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Leave rendering to ``run``, which can report an error to the task and stop after ``RENDER_SECONDS``."""
        self._template_context = context

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and send the only event: the task's end, the completed video, or why there is none."""
        # Imported late, because a worker that defers needs no HTTP client. In a thread, because all triggers share this
        # loop. Not from sys.modules, where another trigger's thread may have imported half of it.
        module = await asyncio.to_thread(import_module, "airflow_provider_starvideos.triggers.engine")
        try:
            if self.starts_task:
                await self._begin_task()
            task = await self._wait(module)
        except StarVideosError as error:
            await self._delete_earlier_xcoms()
            yield events.WaitEvent(payload=events.of_error(str(self.video_id), error))
        else:
            ended = self.end_task and await self._end(task)
            if not ended:
                await self._delete_earlier_xcoms()
            yield TaskSuccessEvent() if ended else events.WaitEvent(payload=events.of_video(task))
            if ended and self.settled:
                await self._settle()

    async def _settle(self) -> None:
        """Delete the journal of the task's orders after Airflow has recorded its success, never before.

        Airflow handles the event within two seconds, and then cancels this trigger.
        """
        try:
            for _ in range(SETTLE_ATTEMPTS):
                await asyncio.sleep(1.0)
                if await self._has_settled():
                    return
        except asyncio.CancelledError:
            await self._has_settled()
            raise

    async def _has_settled(self) -> bool:
        try:
            if await atask_state(self.task_instance) != SUCCESS:
                return False
            for name in self.settled:
                await adelete_variable(name)
        except Exception as error:  # noqa: BLE001  the task has succeeded
            log.warning("The orders stay in the journal, so this task, run again, resumes their videos: %s", error)
        return True

    async def on_kill(self) -> None:
        """Log that the video goes on: a user cleared or marked the task, or another triggerer has the wait (3.3+)."""
        log.warning(
            "This triggerer no longer waits for StarVideos video %s: the task was cleared or marked, or another "
            "triggerer waits for it now. The video can't be stopped: it goes on, and is billed.",
            self.video_id,
        )

    async def _wait(self, module: ModuleType) -> VideoTask:
        async def perform(step: Poll | Sleep) -> VideoTask | None:
            if isinstance(step, Poll):
                task: VideoTask = await engine.poll(step.video_id, self.poll_interval, end_time)
                if not task.is_completed:
                    await self._delete_earlier_xcoms()
                return task
            step.log_to(log)
            await asyncio.sleep(step.seconds)
            return None

        video_id = check_video_id(self.video_id)  # no worker has checked it if the task starts here
        end_time = self._end_time()
        async with module.waiting(self.starvideos_conn_id, video_id) as engine:
            while True:
                flow = watch(video_id, poll_interval=self.poll_interval, end_time=end_time)
                try:
                    return await adrive(flow, perform)
                except StarVideosError as error:
                    if not self.silent_fail or error.permanent or isinstance(error, VIDEO_OR_WAIT_IS_OVER):
                        raise
                    log.warning("%s The wait goes on, because of silent_fail.", error)
                await asyncio.sleep(min(self.poll_interval, max(0.0, end_time - time.time())))

    async def _delete_earlier_xcoms(self) -> None:
        """Delete the XComs of earlier tries of a task that starts here, as a worker does when a try begins.

        This happens after a poll has shown that the video isn't completed. Airflow may have given this wait to a second
        triggerer after the first was silent, and the first may just have pushed the result.
        """
        if not self.starts_task or self._has_deleted_xcoms:
            return
        self._has_deleted_xcoms = True
        if getattr(self.task_instance, "try_number", 0) > 1:
            try:
                await xcoms.delete_xcoms(self.task_instance, RESULT_KEYS)
            except Exception as error:  # noqa: BLE001  a wait can begin all the same
                log.warning("Can't delete the XComs of this task's earlier tries: %s", error)

    async def _begin_task(self) -> None:
        """Render what a worker would have rendered."""
        try:
            async with asyncio.timeout(RENDER_SECONDS):
                await self._render_fields(self._template_context)
        except TimeoutError as error:
            what = f"video_id wasn't rendered within {RENDER_SECONDS:.0f} s{NOT_ON_A_WORKER}."
            raise StarVideosConnectionError(what, sent=False) from error
        except StarVideosError:
            raise
        except Exception as error:  # the api-server can't be reached, say
            what = f"video_id can't be rendered{NOT_ON_A_WORKER}: {type(error).__name__}: {error}"
            raise StarVideosConnectionError(what, sent=False) from error

    async def _render_fields(self, context: Any) -> None:
        if context is not None:
            for name in self.template_fields:
                with naming(self, name, NOT_ON_A_WORKER):
                    render_field(self, name, context)
        if self.xcom:
            self.video_id = await xcoms.read_xcom(self.task_instance, *self.xcom)

    def _end_time(self) -> float:
        if self.end_time is not None:
            return self.end_time
        backstop = deferral_ends_at(self) if self.starts_task else None
        return time.time() + self.timeout if backstop is None else backstop - BACKSTOP_SECONDS

    async def _end(self, task: VideoTask) -> bool:
        """Do what a worker would do for a completed video. Return whether that was possible."""
        if self.starts_task and self._template_context is None:
            return False  # the Dag was changed after the task had started here: it may need a worker now
        if self.task_instance is None or await asyncio.to_thread(process_needs_worker):
            return False
        try:
            await xcoms.push_xcoms(self.task_instance, result_xcoms(task) | spending_xcom(self.spending, task))
        except Exception as error:  # noqa: BLE001  a worker can do it instead
            log.warning("Can't end the task in the triggerer. A worker ends it: %s", error)
            return False
        await asyncio.to_thread(log_result, self.starvideos_conn_id, task, log)
        return True
