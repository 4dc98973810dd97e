"""Serializers: what the browser gets of videos, as JSON. No secret URL is in it: inputs are without signatures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_starvideos.api.polling import BACKSTOP_SECONDS
from airflow_provider_starvideos.api.redaction import hide
from airflow_provider_starvideos.api.validation import derive_mode, is_http_url
from airflow_provider_starvideos.api.values import as_list
from airflow_provider_starvideos.orders.states import Billed
from airflow_provider_starvideos.ui.billing import billed
from airflow_provider_starvideos.ui.media import is_signable, playable_file
from airflow_provider_starvideos.ui.next_steps import next_steps
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.states import ASKED_FOR, PAGE_STATES, SAVE_FAILED, TaskState, is_final
from airflow_provider_starvideos.ui.videos import Run, Video

WIRE_NAMES = {"referenceImages": "reference_images", "referenceVideos": "reference_videos"}  # in a batch's manifest
PARAMETERS = ("duration", "ratio", "model")
BILLED = {Billed.YES: "billed", Billed.NO: "not billed", Billed.PERHAPS: "may be billed"}
FAILED = "failed"
LOG_SAYS_WHY = "Task {} failed. Its log says why."
NOT_SAVED = "Not saved: task {} didn't run, because a task before it failed."
MAX_CHARACTERS = 300  # of a text on a card: a few lines of it are shown, and a page has dozens


def words(states: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what the pages say of states: label, tone, text, billed or not, and whether the API may know more."""
    return {state: _words(state) for state in PAGE_STATES if state in set(states)}


def counts(videos: Iterable[Video]) -> dict[str, int]:
    """Return how many videos there are in each state, in the order of the table."""
    found = Counter(video.state for video in videos)
    return {state: found[state] for state in PAGE_STATES if found[state]}


def summary(video: Video) -> dict[str, Any]:
    """Return what a card of the gallery shows, its texts shortened."""
    given = _given(video)
    return {
        "task_id": video.task.task_id,
        "map_index": video.task.map_index,
        "row": video.row,
        "name": _text(video.record.get("name")),
        "id": video.video_id,
        "status": video.state,
        "prompt": _short(given.get("prompt") or video.record.get("prompt")),
        "duration": _number(video.duration),
        "ratio": _text(given.get("ratio")),
        "clip": bool(given.get("reference_videos")),
        "error": _short(_first_line(_error(video))),
        "saved": _short(video.saved[0]) if video.saved else None,
        "preview": playable_file(video),
    }


def details(video: Video) -> dict[str, Any]:
    """Return what the tab of a task shows."""
    given, inputs, answer, state = _given(video), inputs_of(video), video.answer, video.state
    kinds = [kind for kind, _ in inputs]
    mode = derive_mode(
        images=kinds.count("reference image"),
        videos=kinds.count("reference video"),
        frames=bool({"first frame", "last frame"} & set(kinds)),
    )
    at_api = answer.video if answer else None
    more = {
        "prompt": _text(given.get("prompt") or video.record.get("prompt") or video.record.get("summary")),
        "mode": str(mode) if given else None,
        "parameters": {name: _text(given.get(name)) for name in PARAMETERS if given.get(name) not in (None, "")},
        "inputs": [_input(video, *one) for one in inputs],
        "words": _words(state),
        "billed": None if video.row else billed(video.tasks),
        "reused_from": _text(video.record.get("reused_from")),
        "next": next_steps(video),
        "api_status": at_api.status if at_api else None,
        "api_problem": answer.error if answer else None,
        "api_seconds_ago": round(time.monotonic() - answer.at) if answer else None,
        "sent_at": _when(_from_epoch(video.record.get("sent_at")) or video.ordered_at),
        "ended_at": _when(video.completed_at),
        "duration": _number(video.duration) or (at_api.actual_duration if at_api else None),
        "error": _text(_error(video)),
        "saved": _text(video.saved[0]) if video.saved else None,
        "size_bytes": _number(video.size_bytes),
        "sha256": _text(video.sha256),
        "earlier": [_earlier(order) for order in video.earlier],
        "final": is_final(video),
        "tasks": [_task(task) for task in video.tasks],
    }
    return summary(video) | more


def overview(run: Run) -> dict[str, Any]:
    """Return what is shown of a run as a whole."""
    counted = counts(run.videos)
    batches = [_batch(task, run.videos) for task in run.batches]
    states = {*counted, *(state for batch in batches for state in batch["counts"])}
    return {
        "state": run.state,
        "counts": counted,
        "states": words(states),
        "total": len(run.videos),
        "batches": [batch for batch in batches if batch["counts"] or batch["asks"]],
        "problems": [_text(problem) for problem in run.problems],
        "billed": billed(run.tasks),
    }


def inputs_of(video: Video) -> list[tuple[str, str]]:
    """Return the pictures and clips of an order: what each is, and where, without what may grant access."""
    given = _given(video)
    found = [
        *(("reference image", one) for one in as_list(given.get("reference_images")) or ()),
        ("first frame", given.get("first_image")),
        ("last frame", given.get("last_image")),
        *(("reference video", one) for one in as_list(given.get("reference_videos")) or ()),
    ]
    return [(kind, hide(value.strip())) for kind, value in found if isinstance(value, str) and value.strip()]


def _words(state: str) -> dict[str, Any]:
    page, meaning = PAGE_STATES[state], PAGE_STATES[state].meaning
    return {
        "label": page.label,
        "tone": str(page.tone),
        "text": meaning.text,
        "billed": BILLED[meaning.billed],
        "video": meaning.video,
        "asked": state in ASKED_FOR,
    }


def _batch(task: Task, videos: Iterable[Video]) -> dict[str, Any]:
    """Return how many rows of a batch are in each state: of its rows, or, where they can't be read, as it said."""
    found: Mapping[str, Any] = counts(video for video in videos if video.row and video.task is task)
    pushed = task.value("counts")
    if not found and isinstance(pushed, dict):
        found = {state: pushed[state] for state in PAGE_STATES if isinstance(pushed.get(state), int)}
    more = {"counts": found, "error": _text(_failure(task)), "billed": billed([task]), "asks": task.is_asking}
    return _place(task) | more


def _given(video: Video) -> Mapping[str, Any]:
    """Return the arguments of the order, by the operator's names."""
    if video.row:
        request = video.record.get("request")
        given = request if isinstance(request, dict) else {}
        return {WIRE_NAMES.get(str(name), str(name)): value for name, value in given.items()}
    return next((task.rendered for task in video.tasks if task.kind is Kind.ORDER), {})


def _input(video: Video, kind: str, uri: str) -> dict[str, Any]:
    return {"kind": kind, "url": _text(uri), "is_web": is_http_url(uri), "is_stored": is_signable(video, kind, uri)}


def _error(video: Video) -> Any:
    """Return why a video isn't further: as its record, the operator, or the API says."""
    if video.record.get("error"):
        return video.record["error"]
    if not video.row and (reason := next((reason for task in video.tasks if (reason := _failure(task))), None)):
        return reason
    if video.answer and video.answer.video and video.answer.video.is_failed:
        return video.answer.video.error or "The video failed; the API gave no reason."
    for task in video.tasks:
        if task.state == FAILED and not video.row:
            return LOG_SAYS_WHY.format(task.label)
        if task.kind is Kind.SAVE and task.state in SAVE_FAILED and video.is_completed:
            return NOT_SAVED.format(task.label)
    return None


def _first_line(text: Any) -> str | None:
    """Return the reason alone: what to do about it is on the video's page."""
    lines = str(text).strip().splitlines() if text else []
    return " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1]) or None


def _failure(task: Task) -> str | None:
    error = task.failure.get("error")
    return f"Task {task.label}: {error}" if error else None


def _task(task: Task) -> dict[str, Any]:
    times = task.times
    deadline = _from_epoch(times.get("end_time"))
    if deadline is None and task.state == "deferred" and isinstance(backstop := times.get("backstop"), datetime):
        deadline = backstop - timedelta(seconds=BACKSTOP_SECONDS)
    return _place(task) | {
        "kind": str(task.kind),
        "state": task.state,
        "try_number": task.try_number,
        "max_tries": (times.get("max_tries") or 0) + 1,
        "started_at": _when(times.get("started_at")),
        "ended_at": _when(times.get("ended_at")),
        "deadline": _when(deadline),
        "poll_interval": _number(times.get("poll_interval")),
    }


def _place(task: Task) -> dict[str, Any]:
    return {"task_id": task.task_id, "map_index": task.map_index}


def _earlier(order: Mapping[str, Any]) -> dict[str, Any]:
    state = str(order.get("status"))
    return {
        "id": _text(order.get("id")),
        "words": _words(state if state in PAGE_STATES else TaskState.NO_RECORD),
        "sent_at": _when(_from_epoch(order.get("sent_at"))),
        "summary": _text(order.get("summary")),
        "error": _text(order.get("error")),
    }


def _text(value: Any) -> str | None:
    # Half of a surrogate pair can't be sent: JSON can write it, and UTF-8 can't.
    return None if value is None or value == "" else str(value).encode(errors="replace").decode()


def _short(value: Any) -> str | None:
    text = _text(value)
    return text if text is None or len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def _number(value: Any) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _from_epoch(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(value, UTC) if _number(value) else None
    except (ValueError, OverflowError, OSError):  # users may edit it
        return None


def _when(value: datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else _text(value)
