"""Starting a sensor in the triggerer, so that it needs no worker at all. When that is safe is decided here.

Airflow then never runs the sensor's ``execute``: it hands the trigger's arguments over as they stand in the Dag, and
renders those that are templates. Macros of the Dag's own render to nothing there, and an XComArg isn't resolved, so
it is handed over as the template that it stands for.
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
    video_id = _as_template(sensor.video_id)
    given = (sensor.video_id, sensor.starvideos_conn_id)
    templated = any(isinstance(value, str) and "{" in value for value in given)
    if video_id is None or (templated and not asked):
        return None  # a template of the author's own may need a worker to render
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_starvideos.triggers.ending import task_may_end_in_triggerer

    if not task_may_end_in_triggerer(sensor):
        return None
    kwargs: dict[str, Any] = {
        "video_id": video_id,
        "starvideos_conn_id": sensor.starvideos_conn_id,
        "poll_interval": sensor.poke_interval,
        "timeout": sensor.timeout,
        "end_task": True,
    }
    return StartTriggerArgs(
        trigger_cls=TRIGGER,
        trigger_kwargs=kwargs,
        next_method="execute_complete",
        timeout=timedelta(seconds=sensor.timeout + BACKSTOP_SECONDS),
    )


def _is_mapped(sensor: StarVideosTaskSensor) -> bool:
    return next(iter(sensor.iter_mapped_task_groups()), None) is not None


def _as_template(video_id: Any) -> str | None:
    """Return a text that renders to the id in the triggerer; None if there is none."""
    if isinstance(video_id, str):
        return video_id
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    if not isinstance(video_id, XComArg) or not isinstance(video_id, PlainXComArg) or video_id.operator.is_mapped:
        return None
    # map_indexes, or the triggerer would hang; default, or a missing XCom would be the id "None".
    task_id, key = video_id.operator.task_id, video_id.key
    return f"{{{{ ti.xcom_pull(task_ids={task_id!r}, key={key!r}, map_indexes=-1, default='') }}}}"
