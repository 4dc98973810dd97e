"""Queries to Airflow's metadata database: tasks of a run, their XComs, rendered fields and journals. They only read.

A run may have thousands of tasks, and its gallery is refreshed while it runs. So of all tasks only that is read which
decides the state of their videos (``tasks_of``), and the rest for those that are shown (``add_details``): plain
columns, no objects, and values as text, which the database's driver needn't convert.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Text, and_, case, cast, or_, select, true
from sqlalchemy.orm import Session

from airflow_provider_starvideos.compat.ui_tables import (
    MAY_ASK,
    DagRun,
    TaskInstance,
    Variable,
    XComModel,
    asking,
    declared_tasks,
    times_of,
)
from airflow_provider_starvideos.compat.ui_tables import RenderedTaskInstanceFields as Rendered
from airflow_provider_starvideos.failures import FAILURE_KEY
from airflow_provider_starvideos.orders.store import journal_name

KEYS = ("return_value", "video_id", "manifest", "counts", "spending", FAILURE_KEY)
DETAIL_KEYS = ("actual_duration", "size_bytes", "sha256")
URL_KEY = "video_url"
"""Its value is a secret for as long as the URL lives, so only whether and when it was pushed is read."""
MAX_NAMED = 900  # values that a query names one by one: an old SQLite takes 999
JSON_BEGINS = frozenset('"[{-0123456789tfnNI \t\r\n')  # most ids begin otherwise, and a decoder that fails is slow
DECODE = json.JSONDecoder().raw_decode
MAX_TRIES = 50  # of a task that orders, whose journals are read
UNSUCCESSFUL = frozenset({"failed", "up_for_retry", "skipped"})
INSTANCES, XCOMS = TaskInstance.__table__.c, XComModel.__table__.c


class Kind(StrEnum):
    """What a task does."""

    ORDER = "order"
    WAIT = "wait"
    SAVE = "save"
    BATCH = "batch"


KINDS = (("Batch", Kind.BATCH), ("Sensor", Kind.WAIT), ("Download", Kind.SAVE))
"""A part of the operator's class name → its kind; any other StarVideos operator orders."""


@dataclass(slots=True)
class Task:
    """A task instance of an operator of this provider."""

    task_id: str  # and ``map_index``: which one of its run; -1: not mapped
    map_index: int
    kind: Kind  # what it does
    state: str | None  # Airflow's
    ended_at: datetime | None  # of a batch: when its last try ended; of any task once ``add_times`` was called
    try_number: int = 1  # of the latest try; 0: it hasn't run yet
    is_asking: bool = False  # it waits for a person's answer
    # their values by key, those of ``DETAIL_KEYS`` after ``add_details``; that of the URL is never read
    xcoms: dict[str, Any] = field(default_factory=dict)
    pushed: dict[str, datetime] = field(default_factory=dict)  # when they were pushed, after ``add_details``
    # its rendered template fields, after ``add_details``; empty where Airflow no longer has them
    rendered: Mapping[str, Any] = field(default_factory=dict)
    # the Variables of its journal, by name, as text; only where the XComs don't say enough
    journal: dict[str, str] = field(default_factory=dict)
    # its arguments as the Dag's file has them, where they are needed
    declared: Mapping[str, Any] = field(default_factory=dict)
    video_id: str | None = None  # its video's, once found
    times: Mapping[str, Any] = field(default_factory=dict)  # when it began, and the like, after ``add_times``

    @property
    def key(self) -> tuple[str, int]:
        """Which task instance of its run it is."""
        return self.task_id, self.map_index

    @property
    def label(self) -> str:
        """Its name, for people."""
        return self.task_id + (f" [{self.map_index}]" if self.map_index >= 0 else "")

    @property
    def failure(self) -> Mapping[str, Any]:
        """Why the latest try failed, as the operator said; empty: it has not failed, or said nothing."""
        found = self.xcoms.get(FAILURE_KEY)
        if not isinstance(found, dict) or found.get("try_number") != self.try_number:
            return {}
        return found if self.state in UNSUCCESSFUL else {}

    def value(self, key: str) -> Any:
        """Return an XCom's value, or None."""
        return self.xcoms.get(key)


def ours() -> Any:
    """Return the condition for a task instance to be of an operator of this provider, or of one derived from it."""
    return or_(
        INSTANCES.operator.contains("StarVideos", autoescape=True),
        INSTANCES.custom_operator_name.contains("starvideos", autoescape=True),
    )


def run_state(session: Session, dag_id: str, run_id: str) -> str | None:
    """Return the state of a run; None if there is no such run."""
    found = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    return str(found) if found else None


def tasks_of(session: Session, dag_id: str, run_id: str) -> list[Task]:
    """Return the run's tasks that have to do with videos, with the XComs that decide their states."""
    ended = case((INSTANCES.operator.contains("Batch"), INSTANCES.end_date))  # of thousands, times cost most to read
    columns = (INSTANCES.task_id, INSTANCES.map_index, INSTANCES.operator, INSTANCES.state, ended, INSTANCES.try_number)
    rows = session.execute(select(*columns).where(INSTANCES.dag_id == dag_id, INSTANCES.run_id == run_id, ours()))
    kinds: dict[str | None, Kind] = {}
    tasks = {}
    for task_id, map_index, operator, state, ended_at, try_number in rows.all():
        kind = kinds.get(operator) or kinds.setdefault(operator, _kind(operator or ""))
        tasks[task_id, map_index] = Task(task_id, map_index, kind, state or None, ended_at, try_number or 0)
    _add_xcoms(session, dag_id, run_id, tasks)
    if any(task.state in MAY_ASK for task in tasks.values()):
        for key in asking(session, dag_id, run_id):
            if key in tasks:
                tasks[key].is_asking = True
    return sorted(tasks.values(), key=lambda task: task.key)


def _kind(operator: str) -> Kind:
    return next((kind for part, kind in KINDS if part in operator), Kind.ORDER)


def _add_xcoms(session: Session, dag_id: str, run_id: str, tasks: Mapping[tuple[str, int], Task]) -> None:
    if not tasks:
        return
    where = _xcoms_of(dag_id, run_id, {task_id for task_id, _ in tasks})
    query = select(XCOMS.task_id, XCOMS.map_index, XCOMS.key, _value(KEYS)).where(where)
    for task_id, map_index, key, text in session.execute(query.where(XCOMS.key.in_((*KEYS, URL_KEY)))).all():
        if task := tasks.get((task_id, map_index)):
            task.xcoms[key] = _plain(text)


def _xcoms_of(dag_id: str, run_id: str, task_ids: Iterable[str]) -> Any:
    return and_(XCOMS.dag_id == dag_id, XCOMS.run_id == run_id, XCOMS.task_id.in_(sorted(task_ids)))


def _value(keys: Iterable[str]) -> Any:
    """Return an XCom's value as text, and nothing for another key: other values don't leave the database."""
    return case((XCOMS.key.in_(keys), cast(XCOMS.value, Text)))


def _plain(value: Any) -> Any:
    """Return an XCom's value as it was pushed: the table has JSON, or JSON in JSON, or, after an edit, once more."""
    for _ in range(4):
        if not isinstance(value, str) or value[:1] not in JSON_BEGINS:
            break
        text = value.strip()
        try:
            decoded, end = DECODE(text)
        except ValueError:
            break
        if end < len(text):
            break
        value = decoded
    return value


def add_details(session: Session, dag_id: str, run_id: str, tasks: Iterable[Task]) -> None:
    """Look up what is shown of a video, for tasks that are shown: rendered fields, all XComs, and their times."""
    wanted = {task.key: task for task in tasks}
    add_rendered(session, dag_id, run_id, wanted.values())
    if not wanted:
        return
    where = _xcoms_of(dag_id, run_id, {task_id for task_id, _ in wanted}) & _few(XCOMS.map_index, wanted)
    query = select(XCOMS.task_id, XCOMS.map_index, XCOMS.key, XCOMS.timestamp, _value(DETAIL_KEYS)).where(where)
    for task_id, map_index, key, when, text in session.execute(
        query.where(XCOMS.key.in_((*KEYS, *DETAIL_KEYS, URL_KEY)))
    ):
        if task := wanted.get((task_id, map_index)):
            task.pushed[key] = when
            if key in DETAIL_KEYS:
                task.xcoms[key] = _plain(text)


def _few(column: Any, wanted: Iterable[tuple[str, int]]) -> Any:
    """Return the condition for a map index to be one of these, or none if these are too many to name."""
    indexes = sorted({map_index for _, map_index in wanted})
    return column.in_(indexes) if len(indexes) <= MAX_NAMED else true()


def add_rendered(session: Session, dag_id: str, run_id: str, tasks: Iterable[Task]) -> None:
    """Look up the rendered template fields of tasks; a task that started in the triggerer has none."""
    wanted = {task.key: task for task in tasks if not task.rendered}
    if not wanted:
        return
    query = select(Rendered.task_id, Rendered.map_index, Rendered.rendered_fields).where(
        Rendered.dag_id == dag_id,
        Rendered.run_id == run_id,
        Rendered.task_id.in_({task_id for task_id, _ in wanted}),
        _few(Rendered.map_index, wanted),
    )
    for task_id, map_index, fields in session.execute(query):
        if (task_id, map_index) in wanted and isinstance(fields, dict):
            wanted[task_id, map_index].rendered = fields


def add_journals(session: Session, dag_id: str, run_id: str, tasks: Iterable[Task]) -> None:
    """Look up the journals of tasks' orders: Airflow Variables. No other Variable is read."""
    single: dict[str, Task] = {}
    for task in tasks:
        name = journal_name(dag_id, run_id, task.task_id, task.map_index)
        if task.kind is Kind.BATCH:
            query = select(Variable).where(Variable.key.startswith(f"{name.base}_", autoescape=True))
            task.journal = {variable.key: variable.val for variable in session.scalars(query) if variable.val}
            continue
        tries = range(max(1, task.try_number - MAX_TRIES), task.try_number + 1)
        single |= dict.fromkeys((name.base, *map(name.page, tries)), task)
    for some in _parts(list(single), MAX_NAMED):
        for variable in session.scalars(select(Variable).where(Variable.key.in_(some))):
            if variable.val:
                single[variable.key].journal[variable.key] = variable.val


def _parts(names: list[str], size: int) -> Iterable[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def add_times(session: Session, dag_id: str, run_id: str, tasks: Iterable[Task]) -> None:
    """Look up when tasks began and ended, until when they wait, and their arguments: for the page of one video."""
    declared = declared_tasks(session, dag_id)
    for task in tasks:
        task.declared = declared.get(task.task_id, {})
        task.times = times_of(session, dag_id, run_id, task.task_id, task.map_index)
