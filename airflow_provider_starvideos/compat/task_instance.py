"""What Airflow's database says now about the running task instance.

A process may be the last to know that it was given up: frozen, cut off, or killed by a signal that it hasn't got yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.compat import supervisor

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

RUNNING = "running"
SUCCESS = "success"


def task_state(context: Context) -> str | None:
    """Return the state of the running task instance as Airflow's database has it now. One call to the api-server.

    It is the state of whichever try is the latest: see ``is_current`` for whether that is this one.

    Relies on ``ti.get_task_states`` (3.0 and later), and on how it names mapped ones: ``order_3``.

    :param context: the task's context
    :return: ``running``, ``success``, …; None: the instance has no state (it was cleared), or this can't be told here
    :raises Exception: Airflow can't be asked now
    """
    ti: Any = context["ti"]
    ask = getattr(ti, "get_task_states", None)
    return None if ask is None else _state_of(ti, ask(**_query(ti)))


async def atask_state(ti: Any) -> str | None:
    """Return the state of a trigger's task instance as Airflow's database has it now; see ``task_state``.

    :param ti: the task instance, as the trigger has it
    :return: None: it has no state (it was cleared)
    :raises Exception: Airflow can't be asked now
    """
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
    """Return whether Airflow takes this very process for the one that runs the task instance. Two calls to Airflow.

    Both are needed, on every supported Airflow (3.0 to 3.3): the state, because a task that a user has marked, or that
    has failed for good, keeps its id; the id, because the state ``running`` may be that of the next try. Airflow gives
    a new id to each try and at each clear, also to a task that still runs.

    A caller that has just written to ``context["task_state_store"]`` (3.3) knows the id already: it is refused for an
    unknown one. For it ``task_state`` is enough, with one call.

    What it can't tell is what happens after it was asked. Two processes with one id can't both run: Airflow refuses the
    second one before its task begins.

    :param context: the task's context
    :return: None: this can't be told here, as in a test that calls ``execute`` itself
    :raises Exception: Airflow can't be asked now
    """
    state = task_state(context)
    if state not in (None, RUNNING):
        return False
    exists = supervisor.task_instance_exists(getattr(context["ti"], "id", None))
    if exists:
        return True if state == RUNNING else None
    return exists
