"""Reads and writes XComs in a trigger, as a worker would for a task that ends in the triggerer.

Relies on ``airflow.sdk.execution_time.xcom.XCom`` (``aget_one`` and ``aset``: 3.3+) and on the supervisor's
``DeleteXCom``, not on the XComs of a ``TaskSuccessEvent``: 3.3.2 stores those encoded twice. Without one of them the
functions raise, and the task ends on a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_starvideos.compat import supervisor

AIRFLOWS_OWN_BACKEND = "airflow.sdk.execution_time.xcom.BaseXCom"


def backend_is_airflows_own() -> bool:
    """Return whether the configuration names Airflow's own XCom backend: another one may block the loop.

    Relies on the default of ``[core] xcom_backend`` (3.0+). If the default is another, tasks start on workers.
    """
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.get("core", "xcom_backend", fallback=AIRFLOWS_OWN_BACKEND) == AIRFLOWS_OWN_BACKEND)


def backend_in_use_is_airflows_own() -> bool:
    """Return whether this process uses Airflow's own XCom backend. It may import one, so not on an event loop."""
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom

    return XCom is BaseXCom


async def read_xcom(ti: Any, task_id: str, key: str) -> Any:
    """Return an XCom of another task of the same run, None if there is none."""
    from airflow.sdk.execution_time.xcom import XCom

    return await XCom.aget_one(key=key, dag_id=ti.dag_id, task_id=task_id, run_id=ti.run_id, map_index=-1)


async def push_xcoms(ti: Any, values: Mapping[str, Any]) -> None:
    """Push XComs of the trigger's task instance, by key. None is a value."""
    from airflow.sdk.execution_time.xcom import XCom

    for key, value in values.items():
        await XCom.aset(key, value, **_task(ti))


async def delete_xcoms(ti: Any, keys: Iterable[str]) -> None:
    """Delete XComs of the trigger's task instance, where there are any."""
    for key in keys:
        await supervisor.adelete_xcom(key, **_task(ti))


def _task(ti: Any) -> dict[str, Any]:
    return {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
