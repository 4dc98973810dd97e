"""What a task has saved, kept for its next try, so that a failure after the saving costs no second download.

It is kept in Airflow's task state store (3.3 and later). XComs won't do: Airflow deletes them when a try begins.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.saving import SavedVideo

KEY = "starvideos_saved"


def keep(context: Any, saved: SavedVideo, clears: int, log: Any) -> None:
    """Keep what was saved. If that fails, it costs at most another download.

    :param clears: how often the task has been cleared
    """
    store = context.get("task_state_store")
    if store is None:
        return
    kept = asdict(replace(saved, task=replace(saved.task, video_url=None)))
    try:
        store.set(KEY, kept | {"clears": clears})
    except Exception as error:  # noqa: BLE001
        log.warning("What was saved can't be kept (%s). If this try fails, the next one downloads again.", error)


def recall(context: Any, destination: Destination, video_id: str, clears: int) -> SavedVideo | None:
    """Return what an earlier try of this task has saved, if that file is still there.

    :param clears: how often the task has been cleared: a cleared task saves a new file
    """
    store = context.get("task_state_store")
    try:
        kept = dict(store.get(KEY)) if store is not None else {}
        task = VideoTask(**kept.pop("task"))
        same = kept.pop("clears") == clears and (task.id, kept["uri"]) == (video_id, destination.uri)
        saved = SavedVideo(**kept, task=task)
    except Exception:  # noqa: BLE001  none, one of another version, or out of reach: the video is downloaded
        return None
    return saved if same and destination.holds(saved.size_bytes, saved.sha256) else None
