"""Saving a completed video: its URL, its bytes, its destination. Decides this for operator, hook and batch alike."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.mp4 import CONTENT_TYPE, Mp4Check
from airflow_provider_starvideos.api.polling import POLLS_FOR_URL
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import (
    StarVideosNotReadyError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.locations import located, unusable
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import UNKNOWN_TYPE, Fetch, FetchedFile, Limits
from airflow_provider_starvideos.storage.guard import Guard

URL_SECONDS = 5.0  # between two polls for the URL of a completed video


class Source(Protocol):
    """Where videos come from: as much of ``StarVideosHook`` as saving needs. The hook itself lies above."""

    starvideos_conn_id: str

    @property
    def log(self) -> Any:
        """A logger."""

    def get_conn(self) -> Endpoint:
        """Return the API's endpoint."""

    def get_video(self, video_id: str) -> VideoTask:
        """Ask for a video."""


@dataclass(frozen=True)
class SavedVideo:
    """A video at its destination."""

    uri: str
    size_bytes: int
    sha256: str  # its digest, hex
    content_type: str  # what it is: as the result's host said, if that is a video's type, else ``video/mp4``
    task: VideoTask  # the API's answer about the video


def poll_completed(source: Source, video_id: str) -> VideoTask:
    """Poll a video that must be completed. A few times more, if it has no URL yet.

    :raises StarVideosVideoFailedError: it failed
    :raises StarVideosNotReadyError: it isn't there yet
    """
    for polls_left in range(POLLS_FOR_URL, -1, -1):
        task = source.get_video(video_id)
        if task.is_failed:
            raise StarVideosVideoFailedError(video_id, task.error or "the API gave no reason")
        if not task.is_completed:
            raise StarVideosNotReadyError(
                f"StarVideos video {video_id} is {task.status}, not completed: there is nothing to save yet. Wait for "
                "it first (StarVideosTaskSensor, or wait_for_completion=True)."
            )
        if task.video_url:
            return task
        if polls_left:
            source.log.warning("The API gives no URL for the completed StarVideos video %s. Polling again.", video_id)
            time.sleep(URL_SECONDS)
    raise StarVideosNotReadyError(
        f"StarVideos video {video_id} is completed, but the API gives no URL, so there is nothing to save.\n"
        "Billed: once, when it was ordered. Its id stays valid.\n"
        "1. Clear this task, or let its retries do so: it asks for the URL again, and orders nothing.\n"
        "2. If there never is one, ask StarVideos for the video of this id."
    )


def fetch(source: Source, video_id: str, path: Path, limits: Limits) -> tuple[FetchedFile, VideoTask]:
    """Fetch a completed video to a local file, from a fresh URL.

    :raises StarVideosError: it can't be fetched
    """
    latest: list[VideoTask] = []

    def fresh_url() -> str:
        task = poll_completed(source, video_id)
        latest.append(task)
        return task.video_url or ""

    endpoint = source.get_conn()
    guard = Guard(endpoint.base_url, allow_private=endpoint.allow_private_downloads)
    fetched = Fetch(fresh_url, path, guard, source.log, limits=limits, key=endpoint.key).run()
    return fetched, latest[-1]


def save(
    source: Source, video_id: str, destination: Destination, *, if_exists: str, limits: Limits, log: Any
) -> SavedVideo:
    """Save a completed video.

    :param if_exists: ``overwrite``, ``skip`` or ``error``
    :raises StarVideosError: it can't be saved, and nothing was left at the destination
    """
    if if_exists != "overwrite" and destination.exists():
        if if_exists == "error":
            return _saved_before(source, video_id, destination, limits, log)
        return _left_alone(source, video_id, destination, log)
    destination.refuse_folder()
    with destination.workspace() as part:
        fetched, task = fetch(source, video_id, part, limits)
        destination.put(part, content_type=fetched.content_type, overwrite=if_exists != "error")
    metrics.count("saved_bytes", source.starvideos_conn_id, fetched.size_bytes)
    log.info("Saved StarVideos video %s to %s: %d bytes.", video_id, destination.uri, fetched.size_bytes)
    return SavedVideo(destination.uri, fetched.size_bytes, fetched.sha256, fetched.content_type, task)


def _saved_before(source: Source, video_id: str, destination: Destination, limits: Limits, log: Any) -> SavedVideo:
    """Return the file that is there, if it is this very video: a killed process may have saved it.

    :raises StarVideosExistsError: it is another file
    """
    there = destination.sha256()
    with destination.workspace() as part:
        fetched, task = fetch(source, video_id, part, limits)
    if fetched.sha256 != there:
        raise destination.taken()
    log.info("StarVideos video %s is at %s already.", video_id, destination.uri)
    return SavedVideo(destination.uri, fetched.size_bytes, fetched.sha256, fetched.content_type, task)


def _left_alone(source: Source, video_id: str, destination: Destination, log: Any) -> SavedVideo:
    """Return the file that is there, with the same fields as if it had been saved now."""
    task = poll_completed(source, video_id)
    digest, check = hashlib.sha256(), Mp4Check()
    for chunk in destination.chunks():
        digest.update(chunk)
        check.feed(chunk)
    problem = check.finish()
    if problem:
        log.warning("The file at %s isn't a whole MP4: %s.", destination.uri, problem)
    log.info("There is a file at %s already. It is left as it is.", destination.uri)
    kind = CONTENT_TYPE if not problem else UNKNOWN_TYPE
    return SavedVideo(destination.uri, check.size, digest.hexdigest(), kind, task)


def save_to_path(source: Source, video_id: str, path: str | Path, *, verify: bool = True) -> FetchedFile:
    """Save a completed video to a local file. A file that is there is replaced."""
    text = located(path)
    if "://" in text:
        raise unusable("must be a local file; StarVideosDownloadOperator saves to stores", path)
    path = Path(text).absolute()
    destination = Destination(f"file://{path}", video_id)
    destination.refuse_folder()
    with destination.workspace() as part:
        fetched, _ = fetch(source, video_id, part, Limits(verify=verify))
        destination.put(part, content_type=fetched.content_type, overwrite=True)
    return replace(fetched, path=path)
