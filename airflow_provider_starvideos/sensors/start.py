"""Starting a sensor in the triggerer, so that it needs no worker at all. When that is safe is decided here.

Airflow then never runs the sensor's ``execute``: it hands the trigger's arguments over as they stand in the Dag, and
renders those that are templates. Macros of the Dag's own aren't known there, and an XComArg isn't resolved: the
trigger is told which XCom it is, and reads it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import XComArg
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.waits import BACKSTOP_SECONDS

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

TRIGGER = "airflow_provider_starvideos.triggers.task.StarVideosTaskTrigger"


def start_trigger_args(sensor: StarVideosTaskSensor, asked: bool | None) -> StartTriggerArgs | None:
    """Return what the triggerer needs to start the sensor, or None if it must start on a worker.

    :param asked: what the Dag's author wants; None: whatever is safe
    """
    if asked is False or not AIRFLOW_V_3_3_PLUS or not sensor.deferrable or _is_mapped(sensor):
        return None
    source = _source(sensor.video_id)
    given = (sensor.video_id, sensor.starvideos_conn_id)
    templated = any(isinstance(value, str) and "{" in value for value in given)
    if source is None or (templated and not asked):
        return None  # a template of the author's own may need a worker to render
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_starvideos.triggers.ending import task_may_end_in_triggerer

    if not task_may_end_in_triggerer(sensor):
        return None
    kwargs: dict[str, Any] = {
        **source,
        "starvideos_conn_id": sensor.starvideos_conn_id,
        "poll_interval": sensor.poke_interval,
        "timeout": sensor.timeout,
        "end_task": True,
        "silent_fail": sensor.silent_fail,
    }
    return StartTriggerArgs(
        trigger_cls=TRIGGER,
        trigger_kwargs=kwargs,
        next_method="execute_complete",
        timeout=timedelta(seconds=sensor.timeout + BACKSTOP_SECONDS),
    )


def _is_mapped(sensor: StarVideosTaskSensor) -> bool:
    return next(iter(sensor.iter_mapped_task_groups()), None) is not None


def _source(video_id: Any) -> dict[str, Any] | None:
    """Return the trigger's arguments that say which video; None if only a worker can tell."""
    if isinstance(video_id, str):
        # Without map_indexes, Airflow's triggerer is asked for something that it doesn't answer.
        return None if "xcom_pull" in video_id and "map_indexes" not in video_id else {"video_id": video_id}
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    from airflow_provider_starvideos.triggers.ending import xcoms_may_be_read_in_triggerer

    if not isinstance(video_id, XComArg) or not isinstance(video_id, PlainXComArg) or video_id.operator.is_mapped:
        return None
    if not xcoms_may_be_read_in_triggerer():
        return None
    return {"video_id": "", "xcom": [video_id.operator.task_id, video_id.key]}
