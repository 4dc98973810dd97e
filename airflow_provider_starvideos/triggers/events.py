"""The event that a trigger sends to its task: this module writes and reads it.

It crosses the metadata database and may be old, so it is read strictly: a known status, or an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_starvideos import exceptions
from airflow_provider_starvideos.api.models import TaskStatus, VideoTask, amount_text
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

COMPLETED = "completed"
FAILED = "failed"
TIMED_OUT = "timed_out"
ERROR = "error"

_CLASSES = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
_BY_NAME: Mapping[str, type[StarVideosError]] = {
    **{kind.__name__: kind for kind in _CLASSES if issubclass(kind, StarVideosAPIError)},
    "StarVideosConfigurationError": StarVideosConfigurationError,
    # The event has its message, not its list of problems. This class is as permanent.
    "StarVideosValidationError": StarVideosConfigurationError,
}


class WaitEvent(TriggerEvent):
    """An event whose ``repr`` hides the result's signed URL, because the triggerer logs it."""

    def __repr__(self) -> str:
        """Return the event for a log."""
        shown = {name: value for name, value in self.payload.items() if name != "video_url"}
        return f"{type(self).__name__}<{shown!r}>"


def of_video(task: VideoTask) -> dict[str, Any]:
    """Return the event of a completed video."""
    return {
        "status": COMPLETED,
        "video_id": task.id,
        "video_url": task.video_url,
        "actual_duration": task.actual_duration,
        "amount": None if task.amount is None else amount_text(task.amount),
        "created": task.created,
    }


def of_error(video_id: str, error: StarVideosError) -> dict[str, Any]:
    """Return the event of a wait that ended in ``error``."""
    event: dict[str, Any] = {"status": ERROR, "video_id": video_id, "message": str(error), "kind": type(error).__name__}
    if isinstance(error, StarVideosVideoFailedError):
        event |= {"status": FAILED, "message": error.reason}
    elif isinstance(error, StarVideosWaitTimeoutError):
        event["status"] = TIMED_OUT
    elif isinstance(error, StarVideosAPIError):
        event |= {"status_code": error.status_code, "retry_after": error.retry_after, "from_api": error.from_api}
    return event


def is_completed(event: Any) -> bool:
    """Return whether an event is that of a completed video."""
    return isinstance(event, Mapping) and event.get("status") == COMPLETED


def read(event: Any) -> VideoTask:
    """Return the completed video of an event.

    :raises StarVideosError: the error in the event; or the event can't be read
    """
    if not isinstance(event, Mapping) or not isinstance(event.get("video_id"), str):
        raise StarVideosError(f"The trigger sent an event that isn't one of this provider: {event!r}")
    video_id, status = event["video_id"], event.get("status")
    if status == COMPLETED:
        return VideoTask(
            video_id,
            TaskStatus.COMPLETED,
            video_url=event.get("video_url"),
            actual_duration=event.get("actual_duration"),
            amount=None if event.get("amount") is None else Decimal(event["amount"]),
            created=event.get("created"),
        )
    message = str(event.get("message"))
    if status == FAILED:
        raise StarVideosVideoFailedError(video_id, message)
    if status == TIMED_OUT:
        raise StarVideosWaitTimeoutError(message)
    if status == ERROR:
        raise _error(event, message)
    raise StarVideosError(f"The trigger sent an event with an unknown status for video {video_id}: {status!r}")


def _error(event: Mapping[str, Any], message: str) -> StarVideosError:
    kind = _BY_NAME.get(str(event.get("kind")))
    if kind is None:
        return StarVideosConnectionError(message, sent=True)
    if issubclass(kind, StarVideosAPIError):
        return kind(
            message,
            status_code=event.get("status_code") or 0,
            retry_after=event.get("retry_after"),
            from_api=event.get("from_api") is True,
        )
    return kind(message)
