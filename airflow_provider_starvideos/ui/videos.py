"""The videos of a run, put together from its tasks: one task orders a video, another waits for it, a third saves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import Session

from airflow_provider_starvideos.api.protocol import check_video_id
from airflow_provider_starvideos.compat.ui_tables import declared_tasks
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.ui import queries
from airflow_provider_starvideos.ui.api_answers import Answer, known_answers
from airflow_provider_starvideos.ui.batch_rows import has_ended, rows_of
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.records import orders_of
from airflow_provider_starvideos.ui.states import PAGE_STATES, state_of

FLOW = {kind: place for place, kind in enumerate((Kind.ORDER, Kind.WAIT, Kind.SAVE, Kind.BATCH))}
FOLLOWS = frozenset({Kind.WAIT, Kind.SAVE})
SUCCESS = "success"


@dataclass(slots=True)
class Video:
    """One video of a run, or one that was meant to be."""

    task: Task  # where it is found: the task that orders it, else the first that has to do with it
    row: int = 0  # its number in a batch, from 1; 0: not of a batch
    video_id: str | None = None  # the API's id, once known
    tasks: list[Task] = field(default_factory=list)  # all that have to do with it, ``task`` among them
    # its order's record: a row of a batch's manifest, or of the journal
    record: Mapping[str, Any] = field(default_factory=dict)
    earlier: list[Mapping[str, Any]] = field(default_factory=list)  # other orders of its task that are on record
    answer: Answer | None = None  # the API's, if this page has asked for it
    _state: str = ""

    @property
    def state(self) -> str:
        """Its state, a key of ``PAGE_STATES``."""
        if not self._state:
            self._state = state_of(self)
        return self._state

    def learn(self, answer: Answer | None) -> None:
        """Take the API's answer into account."""
        self.answer, self._state = answer, ""

    @property
    def is_completed(self) -> bool:
        """The video is there."""
        return PAGE_STATES[self.state].meaning.video

    @property
    def key(self) -> tuple[str, int, int, str | None]:
        """Which video of its run it is."""
        return *self.task.key, self.row, self.video_id

    @property
    def ordered_at(self) -> datetime | str | None:
        """When its order was accepted."""
        return self.record.get("ordered_at") or _first(self.tasks, Kind.ORDER, "video_id")

    @property
    def completed_at(self) -> datetime | str | None:
        """When it was seen completed."""
        if self.row or self.record.get("completed_at"):
            return self.record.get("completed_at")
        return _first(self.tasks, Kind.WAIT, queries.URL_KEY) or _first(self.tasks, Kind.ORDER, queries.URL_KEY)

    @property
    def duration(self) -> Any:
        """Its length in seconds."""
        return self.record.get("duration") or self._value("actual_duration")

    @property
    def saved(self) -> tuple[str, Task] | None:
        """The URI of its file, and the task that has saved it."""
        if self.row:
            uri = self.record.get("uri")
            return (uri, self.task) if isinstance(uri, str) else None
        for task in self.tasks:
            uri = task.value("return_value")
            if task.kind is Kind.SAVE and task.state == SUCCESS and isinstance(uri, str):
                return uri, task
        return None

    @property
    def size_bytes(self) -> Any:
        """The size of its file."""
        return self.record.get("size_bytes") or self._value("size_bytes")

    @property
    def sha256(self) -> Any:
        """The digest of its file."""
        return self.record.get("sha256") or self._value("sha256")

    def _value(self, key: str) -> Any:
        return next((value for task in self.tasks if (value := task.value(key)) is not None), None)


@dataclass
class Run:
    """A run's videos."""

    state: str
    videos: list[Video]  # in the order of tasks, map indexes and rows
    problems: list[str]  # what can't be shown, and why
    batches: list[Task] = field(default_factory=list)  # its tasks that order many videos
    tasks: list[Task] = field(default_factory=list)


def load(session: Session, dag_id: str, run_id: str) -> Run | None:
    """Return a run's videos; None if there is no such run.

    :param session: is closed in between, and may be used again
    """
    state = queries.run_state(session, dag_id, run_id)
    if state is None:
        return None
    tasks = queries.tasks_of(session, dag_id, run_id)
    batches = [task for task in tasks if task.kind is Kind.BATCH]
    queries.add_rendered(session, dag_id, run_id, [task for task in tasks if _needs_rendered(task)])
    queries.add_journals(session, dag_id, run_id, [task for task in tasks if _needs_journal(task)])
    before: dict[str, list[str]] = {}
    if without_id := [task for task in tasks if task.kind in FOLLOWS and _own_id(task) is None]:
        before = _add_declared(declared_tasks(session, dag_id), without_id)
    session.close()  # a connection of the database isn't held while a store is asked for a manifest
    videos, problems = _single(tasks, before), []
    for task in batches:
        try:
            videos += _rows(task)
        except StarVideosError as error:
            problems.append(str(error))
    answers = known_answers(dag_id, run_id)
    for video in videos if answers else ():
        video.learn(answers.get(video.key))
    return Run(state, sorted(videos, key=lambda video: (*video.task.key, video.row)), problems, batches, tasks)


def find(run: Run, task_id: str, map_index: int, row: int) -> Video | None:
    """Return the video of a task instance: the one that it orders, waits for or saves; None if it is about several."""
    place = (task_id, map_index)
    found = [one for one in run.videos if one.row == row and any(task.key == place for task in one.tasks)]
    return found[0] if len(found) == 1 else None


def add_records(video: Video, orders: Sequence[Mapping[str, Any]]) -> None:
    """Note what is on record of the task that orders a video: its own order, and others of earlier tries."""
    own = [order for order in orders if video.video_id is None or order.get("id") == video.video_id][:1]
    video.record, video._state = own[0] if own else {}, ""
    video.earlier = [order for order in orders if order not in own]


def _needs_rendered(task: Task) -> bool:
    return task.kind is Kind.BATCH or (task.kind in FOLLOWS and _own_id(task) is None)


def _needs_journal(task: Task) -> bool:
    """Return whether a task's XComs may not say all of its orders: until it succeeds, they are of its latest try."""
    if task.kind is Kind.BATCH:
        return not has_ended(task)
    return task.kind is Kind.ORDER and task.try_number > 0 and task.state != SUCCESS and _own_id(task) is None


def _own_id(task: Task) -> str | None:
    """Return the id of the task's video. From its XComs; while it waits, from its rendered fields."""
    if task.video_id is None:
        pushed = task.xcoms.get("video_id") or (task.xcoms.get("return_value") if task.kind is not Kind.SAVE else None)
        given = pushed or task.rendered.get("video_id") or task.declared.get("video_id")
        task.video_id = _checked_text(given) if isinstance(given, str) else None
    return task.video_id


def _add_declared(declared: Mapping[str, Mapping[str, Any]], tasks: Iterable[Task]) -> dict[str, list[str]]:
    """Note what the Dag's file says of tasks: a video's id, for example. Return the tasks before each task."""
    for task in tasks:
        task.declared = declared.get(task.task_id, {})
    before: dict[str, list[str]] = {}
    for task_id, arguments in declared.items():
        for follower in arguments.get("downstream_task_ids", ()):
            before.setdefault(follower, []).append(task_id)
    return before


def _single(tasks: Sequence[Task], before: Mapping[str, Sequence[str]] | None = None) -> list[Video]:
    """Return the videos that tasks order, wait for and save, except for batches.

    :param before: of tasks that don't know their video's id yet: the tasks before each
    """
    by_id: dict[str, Video] = {}
    by_task: dict[str, dict[int, Video]] = {}
    # Those that order come first: the video is shown as theirs.
    for task in sorted(tasks, key=lambda task: (FLOW[task.kind], *task.key)):
        if task.kind is Kind.BATCH:
            continue
        orders = orders_of(task.journal)
        video_id = _own_id(task) or (_checked(orders[0].get("id")) if orders else None)
        if video_id in by_id:
            by_id[video_id].tasks.append(task)
        elif video_id is None and task.kind in FOLLOWS and (found := _before(task, by_task, before or {})):
            for video in [found[task.map_index]] if task.map_index in found else found.values():
                video.tasks.append(task)
        else:
            video = by_task.setdefault(task.task_id, {})[task.map_index] = Video(task, video_id=video_id, tasks=[task])
            if orders:
                add_records(video, orders)
            if video_id:
                by_id[video_id] = video
    return [video for of_task in by_task.values() for video in of_task.values()]


def _before(task: Task, by_task: Mapping[str, Any], before: Mapping[str, Sequence[str]]) -> dict[int, Video]:
    """Return the videos that a task will wait for or save, by map index: those of the nearest tasks before it."""
    seen: set[str] = set()
    names = list(before.get(task.task_id, ()))
    while names:
        found = [by_task[name] for name in names if name in by_task]
        if found:
            return found[0] if len(found) == 1 else {index: one for each in found for index, one in each.items()}
        seen |= set(names)
        names = [name for one in names for name in before.get(one, ()) if name not in seen]
    return {}


def _rows(task: Task) -> list[Video]:
    videos = [
        Video(task, row=row["row"], video_id=_checked(row.get("id")), tasks=[task], record=row) for row in rows_of(task)
    ]
    return videos or [Video(task, tasks=[task])]


def _checked(video_id: Any) -> str | None:
    return _checked_text(video_id) if isinstance(video_id, str) else None


@lru_cache(maxsize=4096)  # each of a video's tasks has its id, at each refresh
def _checked_text(video_id: str) -> str | None:
    try:
        return check_video_id(video_id)
    except StarVideosError:
        return None


def _first(tasks: Iterable[Task], kind: Kind, key: str) -> datetime | None:
    times = [task.pushed[key] for task in tasks if task.kind is kind and key in task.pushed]
    return min(times, default=None)
