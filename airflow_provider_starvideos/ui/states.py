"""In which state a video is: the order's states, and those of a task that has no order on record.

One function decides (``state_of``), one table has the words (``PAGE_STATES``). Each question is answered by the best
source that knows: the order's record, then Airflow's task states and XComs, then the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_provider_starvideos.orders.states import STATES, UNRESOLVED, Billed, Meaning, OrderState
from airflow_provider_starvideos.ui.queries import URL_KEY, Kind, Task

if TYPE_CHECKING:
    from airflow_provider_starvideos.ui.videos import Video


class TaskState(StrEnum):
    """States of a video whose order isn't on record here, or has left the record."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    AWAITING = "awaiting_input"
    UNWATCHED = "unwatched"
    STOPPED = "stopped"
    NO_RECORD = "no_record"
    READY = "ready"
    NO_VIDEO = "no_video"
    NOT_RUN = "not_run"


class Tone(StrEnum):
    """How a state is coloured and sorted: what a person should see comes first."""

    BAD = "bad"
    BUSY = "busy"
    QUIET = "quiet"
    GOOD = "good"


@dataclass(frozen=True)
class PageState:
    """What the pages say of a state."""

    label: str
    tone: Tone
    meaning: Meaning


_S, _T = OrderState, TaskState
_BUSY = (_S.ORDERED, _S.SENDING)
_LABELS = {_S.OPEN: "Not ordered", _S.NOT_SENT: "Not sent", _S.SENDING: "Sent, no answer yet"}
_GOOD = (_S.SAVED, _S.COMPLETED, "reused")


def _of_order(state: OrderState) -> PageState:
    tone = Tone.GOOD if state in _GOOD else Tone.BUSY if state in _BUSY else Tone.BAD
    label = _LABELS.get(state, state.replace("_", " ").capitalize())
    return PageState(label, Tone.QUIET if state is _S.OPEN else tone, STATES[state])


PAGE_STATES: Mapping[str, PageState] = {
    **{str(state): _of_order(state) for state in STATES},
    _T.UNWATCHED: PageState(
        "Ordered, not waited for",
        Tone.BUSY,
        Meaning("ordered; no task waits for it any more", Billed.YES, "waits for it"),
    ),
    _T.NOT_STARTED: PageState(
        "Not started",
        Tone.QUIET,
        Meaning("the task hasn't run; which video it is about isn't known", Billed.PERHAPS, "waits for it"),
    ),
    _T.RUNNING: PageState(
        "Running", Tone.BUSY, Meaning("the task runs; no order of it is on record yet", Billed.PERHAPS, "orders it")
    ),
    _T.AWAITING: PageState(
        "Waits for a person",
        Tone.BAD,
        Meaning(
            "the task waits for a person's decision", Billed.NO, "asks again", "answer on the page Required Actions"
        ),
    ),
    _T.STOPPED: PageState(
        "Not ordered: failed",
        Tone.BAD,
        Meaning("not ordered: the task failed before that", Billed.NO, "orders it", "remove the cause, clear the task"),
    ),
    _T.NO_RECORD: PageState(
        "Nothing on record",
        Tone.BAD,
        Meaning(
            "the task has ended, and no order of it is on record",
            Billed.PERHAPS,
            "orders it",
            "read the task's log, and check the StarVideos account",
        ),
    ),
    _T.READY: PageState(
        "Completed or reused",
        Tone.GOOD,
        Meaning(
            "completed, or reused from the library: the batch's record is gone", Billed.PERHAPS, "nothing", video=True
        ),
    ),
    _T.NO_VIDEO: PageState(
        "Without a video",
        Tone.BAD,
        Meaning("the batch ended without a video for this row", Billed.PERHAPS, "nothing", "read the batch's log"),
    ),
    _T.NOT_RUN: PageState(
        "Not run", Tone.QUIET, Meaning("the task was skipped, or didn't run", Billed.NO, "orders it")
    ),
}
"""Every state, with its words; of an order's states the words are those of ``orders.states.STATES``."""

SAVE_FAILED = frozenset({"failed", "upstream_failed"})
WAITING_TO_RUN = frozenset({None, "scheduled", "queued"})
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
NOT_RUN = frozenset({"skipped", "upstream_failed", "removed"})
ASKED_FOR = frozenset({OrderState.ORDERED, OrderState.TIMED_OUT, OrderState.UNKNOWN, TaskState.UNWATCHED})
"""The API may know more of a video in one of these."""
OF_A_WAIT = {str(state) for state in (OrderState.FAILED, OrderState.TIMED_OUT, OrderState.UNKNOWN)}


def state_of(video: Video) -> str:
    """Return the state of a video, a key of ``PAGE_STATES``."""
    recorded = _recorded(video)
    if video.row and recorded:
        return _of_row(_known(recorded), video)
    if recorded in UNRESOLVED:
        return recorded
    if video.saved or recorded == OrderState.SAVED:
        return str(OrderState.SAVED)
    if _is_completed(video, recorded):
        saves = {task.state for task in video.tasks if task.kind is Kind.SAVE}
        return str(OrderState.NOT_SAVED if saves & SAVE_FAILED else OrderState.COMPLETED)
    if recorded and recorded not in (OrderState.ORDERED, OrderState.OPEN):
        return _known(recorded)
    return _of_ordered(video) if video.video_id else _of_task(video.task)


def is_final(video: Video) -> bool:
    """Return whether nothing of a video changes any more: all of its tasks have ended, and the API can add nothing."""
    return all(task.state in ENDED for task in video.tasks) and video.state not in ASKED_FOR


def sort_rank(state: str) -> int:
    """Return where a state is sorted: what a person should see comes first, all others are equal."""
    return int(PAGE_STATES[state].tone is not Tone.BAD)


def _recorded(video: Video) -> str:
    """Return the state on record. An order in flight whose process has ended gets no answer any more."""
    state = str(video.record.get("status") or "")
    return str(OrderState.UNCONFIRMED) if state == OrderState.SENDING and video.task.state != "running" else state


def _known(state: object) -> str:
    return str(state) if str(state) in PAGE_STATES else str(OrderState.OPEN)


def _of_row(state: str, video: Video) -> str:
    """Return the state of a batch's row. While the batch waits, the API may know more than its record."""
    answer = video.answer.video if video.answer else None
    if answer and state in ASKED_FOR and (answer.is_completed or answer.is_failed):
        return str(OrderState.COMPLETED if answer.is_completed else OrderState.FAILED)
    return str(TaskState.UNWATCHED) if state == OrderState.ORDERED and video.task.state in ENDED else state


def _is_completed(video: Video, recorded: str) -> bool:
    pushed = any(URL_KEY in task.xcoms for task in video.tasks if task.kind is not Kind.SAVE)
    waited = any(task.kind is Kind.WAIT and task.state == "success" and video.video_id for task in video.tasks)
    answered = video.answer is not None and video.answer.video is not None and video.answer.video.is_completed
    return pushed or waited or answered or (recorded in PAGE_STATES and PAGE_STATES[recorded].meaning.video)


def _of_ordered(video: Video) -> str:
    waits = [task for task in video.tasks if task.kind is not Kind.SAVE]
    if video.answer and video.answer.video and video.answer.video.is_failed:
        return str(OrderState.FAILED)
    for task in waits:
        if task.failure.get("state") in OF_A_WAIT:
            return str(task.failure["state"])
    return str(OrderState.ORDERED if any(task.state not in ENDED for task in waits) else TaskState.UNWATCHED)


def _of_task(task: Task) -> str:
    orders = task.kind in (Kind.ORDER, Kind.BATCH)
    if task.is_asking:
        return str(TaskState.AWAITING)
    if task.state in WAITING_TO_RUN:
        return str(OrderState.OPEN if orders else TaskState.NOT_STARTED)
    if task.state in NOT_RUN:
        return str(TaskState.NOT_RUN if orders else TaskState.NOT_STARTED)
    if task.failure and orders:
        is_unconfirmed = task.failure.get("state") == OrderState.UNCONFIRMED
        return str(OrderState.UNCONFIRMED if is_unconfirmed else TaskState.STOPPED)
    has_ended = task.state in ENDED or task.state == "up_for_retry"
    return str(TaskState.NO_RECORD if has_ended else TaskState.RUNNING)
