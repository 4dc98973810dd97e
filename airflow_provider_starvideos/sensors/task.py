"""The sensor that waits for a video."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.polling import (
    BACKSTOP_SECONDS,
    DEFAULT_POLL_INTERVAL,
    DEFAULT_TIMEOUT,
    POLLS_OF_UNKNOWN,
    Wait,
)
from airflow_provider_starvideos.arguments import positive_seconds
from airflow_provider_starvideos.compat import reschedule, start_trigger
from airflow_provider_starvideos.compat.rendering import RendersOneByOne
from airflow_provider_starvideos.deferral import (
    defer,
    deferrable_or_default,
    of_an_earlier_try,
    push_result,
    usable_video_id,
)
from airflow_provider_starvideos.exceptions import AFTER_A_DEADLINE, StarVideosConfigurationError, StarVideosError
from airflow_provider_starvideos.failures import push_failure, sensor_failures
from airflow_provider_starvideos.triggers.templates import naming

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_starvideos.api.models import VideoTask

TRIGGER = "airflow_provider_starvideos.triggers.task.StarVideosTaskTrigger"


class StarVideosTaskSensor(RendersOneByOne, BaseSensorOperator):
    """Waits until a video is completed, without a worker.

    A failed video fails the task with the API's own message. It isn't retried, because a retry would wait for the same
    failed video. A failed poll doesn't fail the wait.

    The sensor also pushes the XComs ``video_url`` (temporary) and ``actual_duration`` (seconds).

    :param video_id: the API's id, for example ``create.output`` (templated). A mapped sensor whose id is None is
        skipped: the batch operator returns None for a row without a video
    :param starvideos_conn_id: Airflow connection of type ``starvideos`` (templated)
    :param deferrable: wait in the triggerer. Then ``mode``, ``exponential_backoff`` and ``max_wait`` don't apply,
        because a poll costs almost nothing there. None: as Airflow's ``[operators] default_deferrable`` says, and True
        where that isn't set
    :param start_from_trigger: start in the triggerer, so that the task needs no worker at all. Airflow 3.3+, not for
        mapped tasks. None: where it is safe. Then ``video_id`` is an id or another task's output, and nothing of the
        task needs a worker (outlets, callbacks, listeners, …). True: also with a template as ``video_id``. There the
        Dag's own macros aren't known, and ``ti.xcom_pull`` needs ``map_indexes=-1``
    :param poke_interval: seconds between two polls, more than 0; the vendor recommends 30 to 60 (page "Query Task")
    :param timeout: seconds until the sensor fails; the deadline survives restarts
    :param kwargs: every other option of ``BaseSensorOperator``: ``soft_fail``, ``mode``, … With ``silent_fail`` failed
        polls never end the wait. Without it, ten in a row over at least ten minutes do
    :return: the video's id
    :raises AirflowFailException: the video failed or is unknown, or the connection or the id can't be used
    :raises AirflowSensorTimeout: the video wasn't ready in time
    :raises ValueError: at Dag parse: ``poke_interval`` isn't a positive time
    """

    template_fields: Sequence[str] = ("video_id", "starvideos_conn_id")
    ui_color = "#e6f1f2"
    start_asked: bool | None = False  # until __init__ sets it: Airflow reads the next two attributes before that
    start_trigger_args = cast("Any", start_trigger.Computed(lambda sensor: sensor._start_args(), None))
    start_from_trigger = cast("Any", start_trigger.Computed(lambda sensor: sensor._start_args() is not None, False))

    def __init__(
        self,
        *,
        video_id: str,
        starvideos_conn_id: str = "starvideos_default",
        deferrable: bool | None = None,
        start_from_trigger: bool | None = None,
        poke_interval: timedelta | float = DEFAULT_POLL_INTERVAL,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=positive_seconds("poke_interval", poke_interval), timeout=timeout, **kwargs)
        self.video_id = video_id
        self.starvideos_conn_id = starvideos_conn_id
        self.deferrable = deferrable_or_default(deferrable)
        self._wait: Wait | None = None
        self._completed_id: str | None = None
        self.start_asked = start_from_trigger

    def execute(self, context: Context) -> Any:
        """Wait, in the triggerer or as ``mode`` says, and return the video's id."""
        if not self.deferrable:
            try:
                return super().execute(context)
            except AirflowSensorTimeout as error:
                push_failure(context, error)
                raise AirflowSensorTimeout(f"{error}\n{AFTER_A_DEADLINE}") from error
        with self._softened():
            found = self._first_poke(context)
        if isinstance(found, PokeReturnValue):
            return found.xcom_value
        return defer(
            self,
            context,
            self.video_id,
            poll_interval=self.poke_interval,
            timeout=self.timeout,
            end_task=True,
            silent_fail=self.silent_fail,
        )

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once. Return the video's id if it is completed, otherwise False."""
        with self._explained(), sensor_failures(self.starvideos_conn_id, context):
            task = self._poll(context)
        return PokeReturnValue(True, self._deliver(context, task)) if task else False

    def execute_complete(self, context: Context, event: Any = None, try_number: int | None = None) -> str:
        """Return the video's id after the trigger's event (``triggers.events``).

        :param try_number: of the try that began the wait
        """
        from airflow_provider_starvideos.triggers import events

        if of_an_earlier_try(context, try_number):
            return str(self.execute(context))
        with self._softened(), self._explained(), sensor_failures(self.starvideos_conn_id, context):
            task = events.read(event)
        return self._deliver(context, task)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the video at the API, for OpenLineage. With its listener a sensor always ends on a worker."""
        from airflow_provider_starvideos import lineage

        return lineage.of_wait(self._completed_id)

    @contextmanager
    def rendering(self, owner: Any, field: str) -> Iterator[None]:
        """Render a field of an object in this block, so that an error names the field."""
        with self._softened(), sensor_failures(self.starvideos_conn_id), naming(owner, field):
            yield

    def _start_args(self) -> StartTriggerArgs | None:
        """Return what the triggerer needs to start the sensor, or None if it must start on a worker."""
        if self.start_asked is False or not self.deferrable:
            return None
        source = self._start_source()
        timeout = timedelta(seconds=self.timeout + BACKSTOP_SECONDS)
        if source is None or not start_trigger.may_start_in_triggerer(self, timeout):
            return None
        kwargs = {
            **source,
            "starvideos_conn_id": self.starvideos_conn_id,
            "poll_interval": self.poke_interval,
            "timeout": self.timeout,
            "starts_task": True,
            "end_task": True,
            "silent_fail": self.silent_fail,
        }
        from airflow.triggers.base import StartTriggerArgs

        return StartTriggerArgs(TRIGGER, "execute_complete", kwargs, timeout=timeout)

    def _start_source(self) -> dict[str, Any] | None:
        """Return the trigger's arguments that say which video; None if only a worker can find out."""
        texts = [value for value in (self.video_id, self.starvideos_conn_id) if isinstance(value, str)]
        if any("{" in text for text in texts) and not self.start_asked:
            return None  # the author's template may need a worker to render
        if isinstance(self.video_id, str):
            return {"video_id": self.video_id} if start_trigger.can_be_rendered(self.video_id) else None
        xcom = start_trigger.xcom_of(self.video_id)
        return None if xcom is None else {"video_id": "", "xcom": xcom}

    def _first_poke(self, context: Context) -> bool | PokeReturnValue:
        """Poke, and a few times more while the API doesn't know the video, so that a wrong id is an error at once."""
        found = self.poke(context)
        for _ in range(POLLS_OF_UNKNOWN):
            if not (self._wait and self._wait.is_unknown):
                break
            time.sleep(retry.UNKNOWN_DELAY)
            found = self.poke(context)
        return found

    def _poll(self, context: Context) -> VideoTask | None:
        from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

        self.video_id = usable_video_id(self.video_id, context)
        is_first = self._wait is None and not context.get("task_reschedule_count")
        wait = self._wait = self._wait or self._new_wait(context)
        try:
            task = StarVideosHook(self.starvideos_conn_id).poll_video(self.video_id)
        except StarVideosError as error:
            if is_first and isinstance(error, StarVideosConfigurationError):
                raise  # a mistake in the Dag; later an edit may break the connection for a moment
            outcome: Sleep | VideoTask = wait.failed(error, time.time())
        else:
            outcome = wait.saw(task, time.time())  # raises for a failed video
        if not isinstance(outcome, Sleep):
            return outcome
        outcome.log_to(self.log)
        if self.reschedule and not self.deferrable and (memory := wait.memory()):
            reschedule.store(context, memory)
        return None

    def _new_wait(self, context: Context) -> Wait:
        memory = reschedule.stored(context) if self.reschedule and not self.deferrable else ""
        # BaseSensorOperator keeps the deadline, so this wait has none.
        return Wait(self.video_id, poll_interval=0, end_time=math.inf, chance=lambda: 0.0, memory=memory)

    def _deliver(self, context: Context, task: VideoTask) -> str:
        push_result(self, context, task)
        self._completed_id = task.id
        return task.id

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Log why a sensor is skipped: Airflow's own log line gives no reason."""
        try:
            yield
        except (AirflowException, StarVideosError) as error:
            if self.soft_fail or self.never_fail:
                self.log.warning("%s", error)
            raise

    @contextmanager
    def _softened(self) -> Iterator[None]:
        """Apply ``soft_fail`` and ``never_fail`` as BaseSensorOperator does, outside its loop."""
        try:
            yield
        except AirflowSkipException:
            raise
        except (AirflowException, StarVideosError) as error:
            if self.soft_fail and isinstance(error, AirflowException):
                raise AirflowSkipException("Skipping due to soft_fail is set to True.") from error
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise
