"""Starting a sensor in the triggerer, so that it needs no worker at all. When that is safe is decided here.

Airflow then never runs the sensor's ``execute``: it hands the trigger's arguments over as they stand in the Dag, and
renders those that are templates. Macros of the Dag's own aren't known there, and an XComArg isn't resolved: the
trigger is told which XCom it is, and reads it.

All of it is worked out when Airflow reads it, which is after the Dag's author and the cluster's policies have had their
last word: a callback that is set on the finished task wants a worker, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, XComArg
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.api.polling import BACKSTOP_SECONDS

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

TRIGGER = "airflow_provider_starvideos.triggers.task.StarVideosTaskTrigger"


class WorkedOut:
    """An attribute of a sensor that is worked out each time it is read. What is set on the sensor itself goes first.

    :param of: works it out
    :param of_class: its value for the class, which is what mapped sensors have
    """

    def __init__(self, of: Callable[[StarVideosTaskSensor], Any], of_class: Any) -> None:
        self._of = of
        self._of_class = of_class

    def __get__(self, sensor: StarVideosTaskSensor | None, owner: Any = None) -> Any:
        """Return the attribute's value for a sensor, or for the class."""
        return self._of_class if sensor is None else self._of(sensor)


def starts_in_triggerer(sensor: StarVideosTaskSensor) -> bool:
    """Tell whether the sensor starts in the triggerer."""
    return start_trigger_args(sensor) is not None


def start_trigger_args(sensor: StarVideosTaskSensor) -> StartTriggerArgs | None:
    """Return what the triggerer needs to start the sensor, or None if it must start on a worker."""
    asked = sensor.start_asked
    if asked is False or not AIRFLOW_V_3_3_PLUS or not sensor.deferrable or _is_mapped(sensor):
        return None
    timeout = timedelta(seconds=sensor.timeout + BACKSTOP_SECONDS)
    if sensor.execution_timeout is not None and sensor.execution_timeout < timeout:
        return None  # it would end the whole wait, not the moments on a worker, and with an error that names no video
    if _is_limited(sensor):
        return None
    source = _source(sensor.video_id)
    given = (sensor.video_id, sensor.starvideos_conn_id)
    templated = any(isinstance(value, str) and "{" in value for value in given)
    if source is None or (templated and not asked):
        return None  # a template of the author's own may need a worker to render
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_starvideos.triggers.ending import task_may_end_in_triggerer, xcoms_may_be_used_in_triggerer

    if not task_may_end_in_triggerer(sensor) or not xcoms_may_be_used_in_triggerer():
        return None
    kwargs: dict[str, Any] = {
        **source,
        "starvideos_conn_id": sensor.starvideos_conn_id,
        "poll_interval": sensor.poke_interval,
        "timeout": sensor.timeout,
        "starts_task": True,
        "end_task": True,
        "silent_fail": sensor.silent_fail,
    }
    return StartTriggerArgs(
        trigger_cls=TRIGGER,
        trigger_kwargs=kwargs,
        next_method="execute_complete",
        timeout=timeout,
    )


def _is_mapped(operator: Any) -> bool:
    return bool(operator.is_mapped) or next(iter(operator.iter_mapped_task_groups()), None) is not None


def _is_limited(sensor: StarVideosTaskSensor) -> bool:
    """Tell whether its author bounds how many run at once: Airflow counts only what starts on a worker."""
    limits = (sensor.max_active_tis_per_dag, sensor.max_active_tis_per_dagrun)
    return sensor.pool != BaseOperator.pool or any(limit is not None for limit in limits)


def _source(video_id: Any) -> dict[str, Any] | None:
    """Return the trigger's arguments that say which video; None if only a worker can tell."""
    if isinstance(video_id, str):
        # Without map_indexes, Airflow's triggerer is asked for something that it doesn't answer.
        return None if "xcom_pull" in video_id and "map_indexes" not in video_id else {"video_id": video_id}
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    if not isinstance(video_id, XComArg) or not isinstance(video_id, PlainXComArg) or _is_mapped(video_id.operator):
        return None
    return {"video_id": "", "xcom": [video_id.operator.task_id, video_id.key]}
