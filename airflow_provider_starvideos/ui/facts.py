"""What is read from Airflow's metadata database: tasks of a run, their XComs and rendered fields. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

KEYS = ("return_value", "video_id", "actual_duration", "size_bytes", "sha256", "counts", "manifest")
URL_KEY = "video_url"
"""Its value is a secret for as long as the URL lives, so only the time at which it was pushed is read."""


class Kind(StrEnum):
    """What a task does."""

    ORDER = "order"
    WAIT = "wait"
    SAVE = "save"
    BATCH = "batch"


KINDS = (("Batch", Kind.BATCH), ("Sensor", Kind.WAIT), ("Download", Kind.SAVE))
"""A part of the operator's class name → its kind; any other StarVideos operator orders."""


@dataclass(frozen=True)
class Pushed:
    """An XCom: its value and when it was pushed."""

    value: Any
    at: datetime


@dataclass
class Task:
    """A task instance of an operator of this provider.

    :param task_id: and ``map_index``: which one of its run; -1: not mapped
    :param kind: what it does
    :param state: Airflow's
    :param ended_at: when its last try ended
    :param xcoms: by key
    :param rendered: its rendered template fields, once asked for; empty where Airflow no longer has them
    :param record: of a batch that has told nothing yet: the objects of its record, by name, as text
    """

    task_id: str
    map_index: int
    kind: Kind
    state: str | None
    ended_at: datetime | None
    xcoms: dict[str, Pushed] = field(default_factory=dict)
    rendered: Mapping[str, Any] = field(default_factory=dict)
    record: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """Which task instance of its run it is."""
        return self.task_id, self.map_index

    def value(self, key: str) -> Any:
        """Return an XCom's value, or None."""
        pushed = self.xcoms.get(key)
        return pushed.value if pushed else None


def ours() -> Any:
    """Return the condition for a task instance to be of an operator of this provider, or of one derived from it."""
    return or_(
        TaskInstance.operator.contains("StarVideos", autoescape=True),
        TaskInstance.custom_operator_name.contains("starvideos", autoescape=True),
    )


def run_state(session: Session, dag_id: str, run_id: str) -> str | None:
    """Return the state of a run; None if there is no such run."""
    found = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    return str(found) if found else None


def tasks_of(session: Session, dag_id: str, run_id: str) -> list[Task]:
    """Return the run's tasks that have to do with videos, with their XComs."""
    columns = (
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.operator,
        TaskInstance.state,
        TaskInstance.end_date,
    )
    rows = session.execute(
        select(*columns).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, ours())
    ).all()
    tasks = {
        (task_id, map_index): Task(task_id, map_index, _kind(operator or ""), str(state) if state else None, ended)
        for task_id, map_index, operator, state, ended in rows
    }
    _add_xcoms(session, dag_id, run_id, tasks)
    return sorted(tasks.values(), key=lambda task: task.key)


def _kind(operator: str) -> Kind:
    return next((kind for part, kind in KINDS if part in operator), Kind.ORDER)


def _add_xcoms(session: Session, dag_id: str, run_id: str, tasks: Mapping[tuple[str, int], Task]) -> None:
    if not tasks:
        return
    where = and_(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.task_id.in_({task_id for task_id, _ in tasks}),
    )
    at = (XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.timestamp)
    for task_id, map_index, key, when, value in session.execute(
        select(*at, XComModel.value).where(where, XComModel.key.in_(KEYS))
    ):
        if (task_id, map_index) in tasks:
            tasks[task_id, map_index].xcoms[key] = Pushed(_plain(value), when)
    for task_id, map_index, key, when in session.execute(select(*at).where(where, XComModel.key == URL_KEY)):
        if (task_id, map_index) in tasks:
            tasks[task_id, map_index].xcoms[key] = Pushed(None, when)


def _plain(value: Any) -> Any:
    """Return an XCom's value as it was pushed: the table has JSON, or its text, or, after an edit, that twice."""
    for _ in range(3):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except ValueError:
            break
    return value


def add_rendered(session: Session, dag_id: str, run_id: str, tasks: Iterable[Task]) -> None:
    """Look up the rendered template fields of tasks; a task that started in the triggerer has none."""
    wanted = {task.key: task for task in tasks if not task.rendered}
    if not wanted:
        return
    few = {map_index for _, map_index in wanted}
    query = select(Rendered.task_id, Rendered.map_index, Rendered.rendered_fields).where(
        Rendered.dag_id == dag_id,
        Rendered.run_id == run_id,
        Rendered.task_id.in_({task_id for task_id, _ in wanted}),
    )
    if len(few) <= 200:
        query = query.where(Rendered.map_index.in_(few))
    for task_id, map_index, fields in session.execute(query):
        if (task_id, map_index) in wanted and isinstance(fields, dict):
            wanted[task_id, map_index].rendered = fields


def add_records(session: Session, dag_id: str, run_id: str, tasks: Iterable[Task], prefix: str) -> None:
    """Look up what tasks keep on record; nothing before Airflow 3.3, see ``progress``.

    :param prefix: of the names of what is wanted; ``Task.record`` has it without
    """
    wanted = {task.key: task for task in tasks}
    if not wanted or not AIRFLOW_V_3_3_PLUS:
        return
    from airflow.models.task_state_store import TaskStateStoreModel as Store

    query = select(Store.task_id, Store.map_index, Store.key, Store.value).where(
        Store.dag_id == dag_id,
        Store.run_id == run_id,
        Store.task_id.in_({task_id for task_id, _ in wanted}),
        Store.key.startswith(prefix, autoescape=True),
    )
    for task_id, map_index, key, value in session.execute(query):
        if (task_id, map_index) in wanted:
            wanted[task_id, map_index].record[key.removeprefix(prefix)] = value


def declared(session: Session, dag_id: str, task_id: str, name: str) -> Any:
    """Return an argument of a task as the Dag's file has it; for a task that has no rendered fields."""
    dag = SerializedDagModel.get(dag_id, session=session)
    if dag is None or not dag.data:
        return None
    for task in dag.data.get("dag", {}).get("tasks", ()):
        arguments = task.get("__var", task)
        if arguments.get("task_id") == task_id:
            return arguments.get(name, arguments.get("partial_kwargs", {}).get(name))
    return None
