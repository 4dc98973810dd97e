"""The tables of Airflow's metadata database that the pages about videos read. They write nothing.

Relies on the models below and on the columns in ``COLUMNS`` (3.0 to 3.3). Without one of them the pages answer 500.
Tasks, waits and files don't depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

try:
    from airflow.models.hitl import HITLDetail
except ImportError:  # Airflow 3.0
    HITLDetail = None  # type: ignore[assignment,misc]

__all__ = [
    "DagRun",
    "RenderedTaskInstanceFields",
    "TaskInstance",
    "Variable",
    "XComModel",
    "asking",
    "create_session",
    "declared",
    "declared_tasks",
    "times_of",
]

TASK = ("dag_id", "run_id", "task_id", "map_index")
COLUMNS: Mapping[Any, tuple[str, ...]] = {  # that are read; of ``Variable`` only ``key`` and ``val`` are
    DagRun: ("id", "dag_id", "run_id", "state", "run_after"),
    TaskInstance: (
        *TASK,
        *("id", "operator", "custom_operator_name", "state", "try_number", "max_tries"),
        *("start_date", "end_date", "trigger_timeout", "trigger_id"),
    ),
    RenderedTaskInstanceFields: (*TASK, "rendered_fields"),
    XComModel: (*TASK, "key", "value", "timestamp"),
}
TIMES = {"start_date": "started_at", "end_date": "ended_at", "max_tries": "max_tries", "trigger_timeout": "backstop"}
MAY_ASK = ("awaiting_input", "deferred")  # states of a task that may wait for a person
KEPT_DAGS = 16
_lock = Lock()
_declared: dict[tuple[str, str], Mapping[str, Mapping[str, Any]]] = {}


def declared(session: Session, dag_id: str, task_id: str, name: str) -> Any:
    """Return an argument of a task as the Dag's file has it, for a task without rendered fields.

    Relies on the form of a serialized Dag (3.0 to 3.3). If that has changed, None.

    :return: None: there is no such Dag, task or argument
    """
    arguments = declared_tasks(session, dag_id).get(task_id, {})
    return arguments.get(name, arguments.get("partial_kwargs", {}).get(name))


def declared_tasks(session: Session, dag_id: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the arguments of a Dag's tasks by task id, as its file has them now.

    Relies on how a Dag is serialized, ``downstream_task_ids`` among its tasks' arguments, and on ``dag_hash`` (3.0 to
    3.3). If that has changed, there are none.
    """
    latest = (SerializedDagModel.created_at.desc(),)
    here = SerializedDagModel.dag_id == dag_id
    dag_hash = session.scalar(select(SerializedDagModel.dag_hash).where(here).order_by(*latest).limit(1))
    if dag_hash is None:
        return {}
    key = (dag_id, str(dag_hash))
    known = _declared.get(key)
    if known is None:
        dag = session.scalar(select(SerializedDagModel).where(here).order_by(*latest).limit(1))
        tasks = dag.data.get("dag", {}).get("tasks", ()) if dag is not None and dag.data else ()
        known = {one["task_id"]: one for task in tasks if "task_id" in (one := task.get("__var", task))}
        with _lock:
            _declared[key] = known
            while len(_declared) > KEPT_DAGS:
                _declared.pop(next(iter(_declared)))
    return known


def asking(session: Session, dag_id: str, run_id: str) -> set[tuple[str, int]]:
    """Return the task instances of a run that wait for a person's answer: task id and map index.

    Relies on ``HITLDetail`` (3.1 and later). If it is gone, there are none.
    """
    if HITLDetail is None:
        return set()
    query = select(TaskInstance.task_id, TaskInstance.map_index).join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
    here = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.state.in_(MAY_ASK))
    found = session.execute(query.where(*here, HITLDetail.responded_at.is_(None)))
    return {(task_id, map_index) for task_id, map_index in found}


def times_of(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
    """Return when a task instance's latest try began and ended, and what its trigger waits for.

    Relies on ``Trigger.kwargs`` (3.0 to 3.3) for ``end_time``, epoch seconds, and ``poll_interval``, seconds.

    :return: ``started_at``, ``ended_at``, ``max_tries``, ``backstop`` (Airflow's own end of the deferral), and of a
        deferred task ``end_time`` and ``poll_interval``
    """
    columns = {name: getattr(TaskInstance, name) for name in (*TIMES, "trigger_id")}
    here = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
    row = session.execute(select(*columns.values()).where(*here, TaskInstance.map_index == map_index)).first()
    if row is None:
        return {}
    found = dict(zip(columns, row, strict=True))
    trigger = session.get(Trigger, found["trigger_id"]) if found["trigger_id"] is not None else None
    kwargs = trigger.kwargs if trigger else {}
    kwargs = (kwargs["plan"] | kwargs) if isinstance(kwargs.get("plan"), dict) else kwargs  # of a batch
    waits = {name: kwargs.get(name) for name in ("end_time", "poll_interval")}
    return {name: found[column] for column, name in TIMES.items()} | waits
