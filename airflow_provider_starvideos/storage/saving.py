"""Saving a completed video: ask the API, fetch, check, put in its place. One function for operator, hook and batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.exceptions import (
    StarVideosExistsError,
    StarVideosNotReadyError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.storage.fetch import Fetch, FetchedFile, Limits
from airflow_provider_starvideos.storage.guard import Guard

if TYPE_CHECKING:
    from airflow_provider_starvideos.api.models import VideoTask
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
    from airflow_provider_starvideos.storage.place import Destination


@dataclass(frozen=True)
class SavedVideo:
    """A video at its destination.

    :param uri: where
    :param size_bytes: its size
    :param sha256: its digest, hex; None for a file that was there before (``if_exists="skip"``)
    :param content_type: as the result's host said; None likewise
    :param task: the video as the API told it
    """

    uri: str
    size_bytes: int
    sha256: str | None
    content_type: str | None
    task: VideoTask


def completed(hook: StarVideosHook, video_id: str) -> VideoTask:
    """Ask the API for a video that must be completed.

    :raises StarVideosVideoFailedError: it failed
    :raises StarVideosNotReadyError: it isn't there yet
    """
    task = hook.get_video(video_id)
    if task.is_failed:
        raise StarVideosVideoFailedError(video_id, task.error or "the API gave no reason")
    if not task.is_completed or not task.video_url:
        what = "is completed, but has no URL" if task.is_completed else f"is {task.status}, not completed"
        raise StarVideosNotReadyError(
            f"StarVideos video {video_id} {what}: there is nothing to save yet. Wait for it first (StarVideosTaskSensor "
            "or wait_for_completion=True)."
        )
    return task


def fetch(hook: StarVideosHook, video_id: str, path: Path, limits: Limits) -> tuple[FetchedFile, VideoTask]:
    """Fetch a completed video to a local file, from a fresh URL.

    :raises StarVideosError: it can't be had
    """
    latest: list[VideoTask] = []

    def fresh_url() -> str:
        task = completed(hook, video_id)
        latest.append(task)
        return task.video_url or ""

    endpoint = hook.get_conn()
    guard = Guard(endpoint.base_url, allow_private=endpoint.allow_private_downloads)
    fetched = Fetch(fresh_url, path, guard, hook.log, limits=limits).run()
    return fetched, latest[-1]


def save(
    hook: StarVideosHook, video_id: str, destination: Destination, *, if_exists: str, limits: Limits, log: Any
) -> SavedVideo:
    """Save a completed video.

    :param if_exists: ``overwrite``, ``skip`` or ``error``
    :raises StarVideosError: it can't be saved; nothing was left at the destination
    """
    if if_exists != "overwrite" and destination.exists():
        if if_exists == "error":
            raise StarVideosExistsError(f'destination: there is a file, and if_exists="error" (got {destination.uri})')
        log.info("There is a file at %s already; left as it is.", destination.uri)
        return SavedVideo(destination.uri, destination.size(), None, None, completed(hook, video_id))
    with destination.workspace() as part:
        fetched, task = fetch(hook, video_id, part, limits)
        destination.put(part, overwrite=if_exists != "error")
    log.info("Saved StarVideos video %s to %s: %d bytes.", video_id, destination.uri, fetched.size_bytes)
    return SavedVideo(destination.uri, fetched.size_bytes, fetched.sha256, fetched.content_type, task)


def save_to_path(hook: StarVideosHook, video_id: str, path: Path) -> FetchedFile:
    """Save a completed video to a local file, in place of one that is there."""
    from airflow_provider_starvideos.storage.place import Destination

    destination = Destination(str(path), video_id)
    with destination.workspace() as part:
        fetched, _ = fetch(hook, video_id, part, Limits())
        destination.put(part, overwrite=True)
    return replace(fetched, path=path)
