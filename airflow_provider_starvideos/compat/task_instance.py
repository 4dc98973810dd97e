"""The state of the running task instance in Airflow's database.

A frozen or disconnected process doesn't know that Airflow has given it up, so it has to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.compat import supervisor

RUNNING = "running"
SUCCESS = "success"


def task_state(context: Context) -> str | None:
    """Return the task instance's current state in Airflow's database. One call to the api-server.

    It is the state of the latest try, which may not be this one: see ``is_current``.

    Relies on ``ti.get_task_states`` (3.0+), and on its names for mapped ones: ``order_3``.

    :return: ``running``, ``success``, …; None: it was cleared, or there is no Airflow to ask
    :raises Exception: Airflow doesn't answer now
    """
    ti: Any = context["ti"]
    ask = getattr(ti, "get_task_states", None)
    return None if ask is None else _state_of(ti, ask(**_query(ti)))


async def atask_state(ti: Any) -> str | None:
    """Return the current state of a trigger's task instance; see ``task_state``."""
    return _state_of(ti, await supervisor.atask_states(**_query(ti)))


def _query(ti: Any) -> dict[str, Any]:
    return {"dag_id": ti.dag_id, "map_index": _index(ti), "task_ids": [ti.task_id], "run_ids": [ti.run_id]}


def _state_of(ti: Any, states: Mapping[str, Mapping[str, Any]]) -> str | None:
    index = _index(ti)
    state = states.get(ti.run_id, {}).get(ti.task_id if index is None else f"{ti.task_id}_{index}")
    return None if state is None else str(getattr(state, "value", state))


def _index(ti: Any) -> int | None:
    return ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None


def is_current(context: Context) -> bool | None:
    """Return whether this process is the one that runs the task instance for Airflow. Two calls to Airflow.

    Both the state and the id are needed, on Airflow 3.0 to 3.3. A task that a user has marked, or that has failed,
    keeps its id. The state ``running`` may be that of the next try. Each try and each clear gives a new id, also while
    the task runs. Two processes with one id can't both run: Airflow refuses the second one before its task begins.

    :return: None: unknown, for example in a test that calls ``execute``
    :raises Exception: Airflow doesn't answer now
    """
    state = task_state(context)
    if state not in (None, RUNNING):
        return False
    exists = supervisor.task_instance_exists(getattr(context["ti"], "id", None))
    if exists:
        return True if state == RUNNING else None
    return exists
