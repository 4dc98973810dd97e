"""What a worker and a trigger do for a completed video: XComs, a log line, a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.polling import completed_line

if TYPE_CHECKING:
    from airflow_provider_starvideos.api.models import VideoTask

RESULT_KEYS = ("return_value", "video_url", "actual_duration")  # XComs of a completed video


def result_xcoms(task: VideoTask) -> dict[str, Any]:
    """Return the XComs of a completed video, by key."""
    return dict(zip(RESULT_KEYS, (task.id, task.video_url, task.actual_duration), strict=True))


def log_result(conn_id: str, task: VideoTask, log: Any) -> None:
    """Log and count a completed video. Don't call it on an event loop: the first metric reads files."""
    log.info(completed_line(task))
    metrics.completed(conn_id, task.created)
    if task.video_url is None:
        log.warning("The API gave no URL for the completed video %s. Ask for it again later.", task.id)
