"""May a task end in the triggerer, without a worker? Everything that decides it stands here.

A task that ends there never runs on a worker again, and what only a worker does is left out: asset events of outlets,
callbacks, ``post_execute``, listeners (OpenLineage) and custom XCom backends. So only where none of them is wanted.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.polling import completed_line

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
    "returns_dag_result",
)
OVERRIDABLE = (
    "pre_execute",
    "execute",
    "poke",
    "execute_complete",
    "post_execute",
    "resume_execution",
    "render_template_fields",
)
"""Methods that a user's own class may have, and only a worker calls."""
OURS = ("airflow", "airflow_provider_starvideos")
RESULT_KEYS = ("return_value", "video_url", "actual_duration")
"""The XComs that tell of a completed video."""
AIRFLOWS_OWN_XCOM = "airflow.sdk.execution_time.xcom.BaseXCom"

_loading_plugins = threading.Lock()


def task_may_end_in_triggerer(operator: BaseOperator, map_index: int | None = None) -> bool:
    """Tell whether nothing of this task needs a worker once its video is completed. Airflow 3.3+ only.

    :param map_index: of the task instance; None or negative: not a mapped one
    """
    return (
        AIRFLOW_V_3_3_PLUS
        and bool(operator.do_xcom_push)
        and not any(getattr(operator, name, None) for name in WANTS_A_WORKER)
        and all(_is_ours(type(operator), name) for name in OVERRIDABLE)
        and not _is_mapped_over_in_vain(operator, map_index)
    )


def _is_mapped_over_in_vain(operator: BaseOperator, map_index: int | None) -> bool:
    """One id can't be mapped over, and only a worker says so: the task downstream would fail without a word."""
    is_mapped = map_index is not None and map_index >= 0
    return not is_mapped and operator.get_dag() is not None and any(True for _ in operator.iter_mapped_dependants())


def _is_ours(kind: type, method: str) -> bool:
    """Tell whether a method is Airflow's or this provider's; also where there is none."""
    owner = next((one for one in kind.__mro__ if method in vars(one)), BaseOperator)
    return owner.__module__.split(".")[0] in OURS


def xcoms_may_be_used_in_triggerer() -> bool:
    """Tell whether this Airflow has no XCom backend of its own: such a one may block the loop of every trigger."""
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.get("core", "xcom_backend", fallback=AIRFLOWS_OWN_XCOM) == AIRFLOWS_OWN_XCOM)


def process_may_end_tasks() -> bool:
    """Tell whether this Airflow has neither listeners nor an XCom backend of its own.

    Not to be called on an event loop: it may have to load all plugins.
    """
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.listener import get_listener_manager

    with _loading_plugins:  # once, also where many waits end at once
        return XCom is BaseXCom and not get_listener_manager().has_listeners


def tell_result(conn_id: str, task: VideoTask, log: Any) -> None:
    """Tell the log and the metrics of a completed video.

    Not to be called on an event loop: the first metric reads files.
    """
    log.info(completed_line(task))
    metrics.completed(conn_id, task.created)
    if task.video_url is None:
        log.warning("The API gave no URL for the completed video %s; ask for it again later.", task.id)


async def read_xcom(ti: Any, task_id: str, key: str) -> Any:
    """Return an XCom of another task of the same run, None if there is none.

    :param ti: the task instance, as the trigger has it
    """
    from airflow.sdk.execution_time.xcom import XCom

    return await XCom.aget_one(key=key, dag_id=ti.dag_id, task_id=task_id, run_id=ti.run_id, map_index=-1)


async def push_result(ti: Any, task: VideoTask) -> None:
    """Push what a worker would have pushed for a completed video.

    Not with the event that ends the task: its XComs are stored encoded twice (Airflow 3.3.2).

    :param ti: the task instance, as the trigger has it
    """
    from airflow.sdk.execution_time.xcom import XCom

    for key, value in zip(RESULT_KEYS, (task.id, task.video_url, task.actual_duration), strict=True):
        await XCom.aset(key, value, **_place(ti))


async def forget_result(ti: Any, log: Any) -> None:
    """Delete the XComs of a task's earlier tries, as a worker does: they tell of another video, or of none.

    :param ti: the task instance, as the trigger has it
    :param log: where to tell that it can't be done, which doesn't keep a wait from beginning
    """
    from airflow.sdk.execution_time.comms import DeleteXCom
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    try:
        for key in RESULT_KEYS:
            await SUPERVISOR_COMMS.asend(DeleteXCom(key=key, **_place(ti)))
    except Exception as error:  # noqa: BLE001
        log.warning("Can't delete the XComs of this task's earlier tries: %s", error)


def _place(ti: Any) -> dict[str, Any]:
    return {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
