"""What a worker and a trigger do for a completed video: XComs, a log line, a metric."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.models import VideoTask, amount_text
from airflow_provider_starvideos.orders.spending import SPENDING_KEY, Spending

RESULT_KEYS = ("return_value", "video_url", "actual_duration", "amount")  # XComs of a completed video


def result_xcoms(task: VideoTask) -> dict[str, Any]:
    """Return the XComs of a completed video, by key. ``amount`` is text: Airflow would make a float of a decimal."""
    amount = None if task.amount is None else amount_text(task.amount)
    return dict(zip(RESULT_KEYS, (task.id, task.video_url, task.actual_duration, amount), strict=True))


def spending_xcom(spending: Mapping[str, Any] | None, task: VideoTask) -> dict[str, Any]:
    """Return the XCom of what a task has spent, by key; nothing for a task that orders nothing.

    :param spending: before its video was completed
    """
    if spending is None:
        return {}
    total = Spending.from_json(spending).with_video(task.actual_duration, task.amount)
    return {SPENDING_KEY: total.to_json()}


def log_result(conn_id: str, task: VideoTask, log: Any) -> None:
    """Log and count a completed video. Don't call it on an event loop: the first metric reads files."""
    log.info(completed_line(task))
    metrics.completed(conn_id, task.created, amount=task.amount)
    if task.video_url is None:
        log.warning("The API gave no URL for the completed video %s. Ask for it again later.", task.id)


def completed_line(task: VideoTask) -> str:
    """Return the log line of a completed video."""
    length = f", {task.actual_duration:g} s long" if task.actual_duration is not None else ""
    took = f", {max(0.0, time.time() - task.created):.0f} s after its order" if task.created else ""
    billed = f" Billed: {amount_text(task.amount)}." if task.amount is not None else ""
    return f"StarVideos video {task.id} is completed{length}{took}.{billed}"
