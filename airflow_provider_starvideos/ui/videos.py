"""The videos of a run, put together from its tasks: one task orders a video, another waits for it, a third saves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import Session

from airflow_provider_starvideos.api.protocol import check_video_id
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.ui import facts
from airflow_provider_starvideos.ui.facts import Kind, Task
from airflow_provider_starvideos.ui.rows import has_told, rows_of


class Status(StrEnum):
    """Where a video stands, as far as Airflow knows."""

    PENDING = "pending"
    MAKING = "making"
    COMPLETED = "completed"
    FAILED = "failed"
    NONE = "none"


NOT_RUN = frozenset({"skipped", "upstream_failed", "removed"})
FAILED = "failed"
SUCCESS = "success"
ROW_STATUSES: Mapping[str, Status] = {
    **dict.fromkeys(("completed", "saved", "not_saved", "unsavable"), Status.COMPLETED),
    **dict.fromkeys(("failed", "rejected", "unconfirmed", "timed_out", "unknown"), Status.FAILED),
    **dict.fromkeys(("ordered", "sending"), Status.MAKING),
}
"""A row's status in a batch's manifest → where its video stands; any other: pending."""


@dataclass(slots=True)
class Video:
    """One video of a run, or one that was meant to be.

    :param task: where it is found: the task that orders it, else the first that has to do with it
    :param row: its number in a batch, from 1; 0: not of a batch
    :param video_id: the API's id, once known
    :param status: where it stands
    :param tasks: all that have to do with it, ``task`` among them
    :param told: its row in a batch's manifest
    """

    task: Task
    row: int = 0
    video_id: str | None = None
    status: Status = Status.PENDING
    tasks: list[Task] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ordered_at(self) -> datetime | str | None:
        """When its order was accepted."""
        return self.told.get("ordered_at") or _first(self.tasks, Kind.ORDER, "video_id")

    @property
    def completed_at(self) -> datetime | str | None:
        """When it was seen completed."""
        if self.told:
            return self.told.get("completed_at")
        return _first(self.tasks, Kind.WAIT, facts.URL_KEY) or _first(self.tasks, Kind.ORDER, facts.URL_KEY)

    @property
    def duration(self) -> Any:
        """Its length in seconds."""
        return self.told.get("duration") or self._value("actual_duration")

    @property
    def saved(self) -> tuple[str, Task] | None:
        """The URI of its file, and the task that has saved it."""
        if self.row:
            uri = self.told.get("uri")
            return (uri, self.task) if isinstance(uri, str) else None
        for task in self.tasks:
            uri = task.value("return_value")
            if task.kind is Kind.SAVE and task.state == SUCCESS and isinstance(uri, str):
                return uri, task
        return None

    @property
    def size_bytes(self) -> Any:
        """The size of its file."""
        return self.told.get("size_bytes") or self._value("size_bytes")

    @property
    def sha256(self) -> Any:
        """The digest of its file."""
        return self.told.get("sha256") or self._value("sha256")

    def _value(self, key: str) -> Any:
        return next((value for task in self.tasks if (value := task.value(key)) is not None), None)


@dataclass
class Run:
    """A run's videos.

    :param videos: in the order of tasks, map indexes and rows
    :param problems: what can't be shown, and why
    """

    state: str
    videos: list[Video]
    problems: list[str]


def load(session: Session, dag_id: str, run_id: str) -> Run | None:
    """Return a run's videos; None if there is no such run.

    :param session: is closed in between, and may be used again
    """
    state = facts.run_state(session, dag_id, run_id)
    if state is None:
        return None
    tasks = facts.tasks_of(session, dag_id, run_id)
    batches = [task for task in tasks if task.kind is Kind.BATCH]
    facts.add_rendered(session, dag_id, run_id, [task for task in tasks if _needs_rendered(task)])
    facts.add_journals(session, dag_id, run_id, [task for task in batches if not has_told(task)])
    session.close()  # a connection of the database isn't held while a store is asked for a manifest
    videos, problems = _single(tasks), []
    for task in batches:
        try:
            videos += _rows(task)
        except StarVideosError as error:
            problems.append(str(error))
    return Run(state, sorted(videos, key=lambda video: (*video.task.key, video.row)), problems)


def find(run: Run, task_id: str, map_index: int, row: int) -> Video | None:
    """Return the video of a task instance: the one that it orders, waits for or saves."""
    for video in run.videos:
        if video.row == row and any(task.key == (task_id, map_index) for task in video.tasks):
            return video
    return None


def _needs_rendered(task: Task) -> bool:
    return task.kind is Kind.BATCH or (task.kind in (Kind.WAIT, Kind.SAVE) and _own_id(task) is None)


def _own_id(task: Task) -> str | None:
    """Return the id of the task's video. From its XComs; while it waits, from its rendered fields."""
    for key in ("video_id",) if task.kind is Kind.SAVE else ("video_id", "return_value"):
        if video_id := _checked(task.value(key)):
            return video_id
    return _checked(task.rendered.get("video_id"))


def _single(tasks: Iterable[Task]) -> list[Video]:
    by_id: dict[str, Video] = {}
    videos: list[Video] = []
    # Those that order come first: the video is shown as theirs.
    for task in sorted(tasks, key=lambda task: (task.kind is not Kind.ORDER, *task.key)):
        if task.kind is Kind.BATCH:
            continue
        video_id = _own_id(task)
        if video_id in by_id:
            by_id[video_id].tasks.append(task)
        elif video_id or task.kind is Kind.ORDER or task.state == FAILED:
            videos.append(Video(task, video_id=video_id, tasks=[task]))
            if video_id:
                by_id[video_id] = videos[-1]
    for video in videos:
        video.status = _status(video)
    return videos


def _status(video: Video) -> Status:
    waits = [task for task in video.tasks if task.kind is not Kind.SAVE]
    if any(facts.URL_KEY in task.xcoms for task in waits) or video.saved:
        return Status.COMPLETED
    if any(task.state == FAILED for task in waits):
        return Status.FAILED
    if video.video_id:
        return Status.MAKING
    states = {task.state for task in video.tasks}
    return Status.FAILED if FAILED in states else Status.NONE if states <= NOT_RUN else Status.PENDING


def _rows(task: Task) -> list[Video]:
    videos = []
    for told in rows_of(task):
        video = Video(task, row=told["row"], video_id=_checked(told.get("id")), tasks=[task], told=told)
        if "status" in told:
            video.status = ROW_STATUSES.get(str(told["status"]), Status.PENDING)
        else:
            video.status = Status.COMPLETED if video.video_id else Status.FAILED
        videos.append(video)
    return videos or [Video(task, tasks=[task], status=_batch_status(task))]


def _batch_status(task: Task) -> Status:
    if task.state == FAILED:
        return Status.FAILED
    return Status.NONE if task.state in NOT_RUN else Status.PENDING


def _checked(video_id: Any) -> str | None:
    return _checked_text(video_id) if isinstance(video_id, str) else None


@lru_cache(maxsize=4096)  # a video's id is met in each of its tasks, and again at each look at the run
def _checked_text(video_id: str) -> str | None:
    try:
        return check_video_id(video_id)
    except StarVideosError:
        return None


def _first(tasks: Iterable[Task], kind: Kind, key: str) -> datetime | None:
    times = [task.pushed[key] for task in tasks if task.kind is kind and key in task.pushed]
    return min(times, default=None)
