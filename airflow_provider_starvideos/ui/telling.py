"""What the browser is told of videos, as JSON. Never a URL that is a secret: inputs are shown without signatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_starvideos.api.redaction import hide
from airflow_provider_starvideos.api.validation import derive_mode, is_http_url
from airflow_provider_starvideos.api.values import as_list
from airflow_provider_starvideos.ui.asking import Answer
from airflow_provider_starvideos.ui.facts import Kind
from airflow_provider_starvideos.ui.media import is_signable, playable_file
from airflow_provider_starvideos.ui.videos import FAILED, Run, Status, Video

WIRE_NAMES = {"referenceImages": "reference_images", "referenceVideos": "reference_videos"}
"""A batch's manifest has the requests as they went over the wire."""
PARAMETERS = ("duration", "ratio", "model")
NO_ORDER = "The task failed before a video was ordered. Its log says why."
NO_REASON = "The task failed. Its log says why."
NOT_SAVED = "The video isn't saved: task {} failed. Its log says why."


MOST_CHARACTERS = 300
"""Of a text on a card: two lines of it are shown, and a page has dozens."""


def counts(videos: Iterable[Video]) -> dict[str, int]:
    """Return how many videos there are of each status."""
    found = dict.fromkeys(Status, 0)
    for video in videos:
        found[video.status] += 1
    return {str(status): count for status, count in found.items()}


def summary(video: Video) -> dict[str, Any]:
    """Return what a card of the gallery shows, its texts shortened."""
    given = _given(video)
    return {
        "task_id": video.task.task_id,
        "map_index": video.task.map_index,
        "row": video.row,
        "name": _text(video.told.get("name")),
        "id": video.video_id,
        "status": str(video.status),
        "prompt": _short(given.get("prompt")),
        "duration": _number(video.duration),
        "ratio": _text(given.get("ratio")),
        "error": _short(video.told.get("error")) or _unsaved(video),
        "preview": playable_file(video),
    }


def details(video: Video, answer: Answer | None) -> dict[str, Any]:
    """Return what the tab of a task shows.

    :param answer: what the API says of it, if it was asked
    """
    given = _given(video)
    inputs = inputs_of(video)
    counted = [kind for kind, _ in inputs]
    mode = derive_mode(
        images=counted.count("reference image"),
        videos=counted.count("reference video"),
        frames=bool({"first frame", "last frame"} & set(counted)),
    )
    asked = answer.video if answer else None
    status = video.status
    if status is Status.MAKING and asked:
        status = Status.COMPLETED if asked.is_completed else Status.FAILED if asked.is_failed else status
    told = {
        "prompt": _text(given.get("prompt")),
        "mode": str(mode) if given else None,
        "parameters": {name: _text(given.get(name)) for name in PARAMETERS if given.get(name) not in (None, "")},
        "inputs": [_input(video, *one) for one in inputs],
        "status": str(status),
        "api_status": asked.status if asked else None,
        "api_problem": answer.error if answer else None,
        "ordered_at": _when(video.ordered_at),
        "completed_at": _when(video.completed_at),
        "duration": _number(video.duration) or (asked.actual_duration if asked else None),
        "error": _error(video, answer),
        "saved": _text(video.saved[0]) if video.saved else None,
        "size_bytes": _number(video.size_bytes),
        "sha256": _text(video.sha256),
        "final": status not in (Status.PENDING, Status.MAKING),
        "tasks": [
            {"task_id": task.task_id, "map_index": task.map_index, "kind": str(task.kind), "state": task.state}
            for task in video.tasks
        ],
    }
    return summary(video) | told


def overview(run: Run) -> dict[str, Any]:
    """Return what is told of a run as a whole."""
    states: dict[tuple[str, int], Counter[str]] = {}
    for video in run.videos:
        if video.row and "status" in video.told:
            states.setdefault(video.task.key, Counter())[_text(video.told["status"]) or ""] += 1
    return {
        "state": run.state,
        "counts": counts(run.videos),
        "total": len(run.videos),
        "batches": [
            {
                "task_id": task_id,
                "map_index": map_index,
                "counts": {"rows": counted.total(), **dict(sorted(counted.items()))},
            }
            for (task_id, map_index), counted in states.items()
        ],
        "problems": [_text(problem) for problem in run.problems],
    }


def _given(video: Video) -> Mapping[str, Any]:
    """Return the arguments of the order, by the operator's names."""
    if video.row:
        request = video.told.get("request")
        given = request if isinstance(request, dict) else {}
        return {WIRE_NAMES.get(str(name), str(name)): value for name, value in given.items()}
    return next((task.rendered for task in video.tasks if task.kind is Kind.ORDER), {})


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


def _input(video: Video, kind: str, uri: str) -> dict[str, Any]:
    return {"kind": kind, "url": _text(uri), "is_web": is_http_url(uri), "is_stored": is_signable(video, kind, uri)}


def _error(video: Video, answer: Answer | None) -> str | None:
    if told := _text(video.told.get("error")):
        return told
    if answer and answer.video and answer.video.is_failed:
        return answer.video.error or "The video failed; the API gave no reason."
    if video.status is Status.FAILED:
        return NO_REASON if video.video_id else NO_ORDER
    return _unsaved(video)


def _unsaved(video: Video) -> str | None:
    """Return why a run failed of which all videos are completed."""
    if video.status is Status.COMPLETED and not video.saved:
        for task in video.tasks:
            if task.kind is Kind.SAVE and task.state == FAILED:
                return NOT_SAVED.format(task.task_id + (f" [{task.map_index}]" if task.map_index >= 0 else ""))
    return None


def _text(value: Any) -> str | None:
    # Half of a surrogate pair can't be sent: JSON can write it, and UTF-8 can't.
    return None if value is None or value == "" else str(value).encode(errors="replace").decode()


def _short(value: Any) -> str | None:
    text = _text(value)
    return text if text is None or len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _number(value: Any) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _when(value: datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else _text(value)
