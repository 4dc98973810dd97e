"""May a task end in the triggerer, without a worker? Everything that decides it stands here.

A task that ends there never runs on a worker again, and what only a worker does is left out: asset events of outlets,
callbacks, ``post_execute``, listeners (OpenLineage) and custom XCom backends. So only where none of them is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

if TYPE_CHECKING:
    from airflow_provider_starvideos.api.models import VideoTask

WANTS_A_WORKER = (
    "outlets",
    "on_success_callback",
    "on_execute_callback",
    "_pre_execute_hook",
    "_post_execute_hook",
    "multiple_outputs",
    "overwrite_rtif_after_execution",
)
OVERRIDABLE = ("pre_execute", "post_execute")


def task_may_end_in_triggerer(operator: BaseOperator) -> bool:
    """Tell whether nothing of this task needs a worker once its video is completed. Airflow 3.3+ only."""
    return (
        AIRFLOW_V_3_3_PLUS
        and bool(operator.do_xcom_push)
        and not any(getattr(operator, name, None) for name in WANTS_A_WORKER)
        and all(getattr(type(operator), name) is getattr(BaseOperator, name) for name in OVERRIDABLE)
    )


def process_may_end_tasks() -> bool:
    """Tell whether this Airflow has neither listeners nor an XCom backend of its own."""
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.listener import get_listener_manager

    return XCom is BaseXCom and not get_listener_manager().has_listeners


async def push_result(ti: Any, task: VideoTask) -> None:
    """Push what a worker would have pushed for a completed video.

    Not with the event that ends the task: its XComs are stored encoded twice (Airflow 3.3.2).

    :param ti: the task instance, as the trigger has it
    """
    from airflow.sdk.execution_time.xcom import XCom

    where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
    values = {"return_value": task.id, "video_url": task.video_url, "actual_duration": task.actual_duration}
    for key, value in values.items():
        await XCom.aset(key, value, **where)
