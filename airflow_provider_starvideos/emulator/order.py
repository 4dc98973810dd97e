"""One order: what was requested, its status, and what the API shows of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.emulator.request_rules import MODEL, Accepted

FPS = 24
CLIP_SECONDS = 5.0  # of a video that follows a clip which could not be fetched
STATUSES = ("queued", "processing", "completed", "failed")
FINAL = ("completed", "failed")
# What a snapshot copies as it is.
SHOWN = ("id", "status", "request", "accepted_at", "completed_at", "failed_at", "error", "queries", "downloads")


@dataclass(slots=True)
class Input:
    """A reference of an order, and what fetching it gave."""

    field: str  # the request's field that it came in
    url: str  # where it is
    key: str | None = None  # where its bytes are cached; None if it was not fetched
    error: str | None = None  # why it could not be fetched
    seconds: float | None = None  # a clip's length, seconds
    size: tuple[int, int] | None = None  # a clip's width and height, pixels


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """An order as it was at one moment.

    :param id: what the API calls the video.
    :param status: ``queued``, ``processing``, ``completed`` or ``failed``.
    :param mode: which of the six modes.
    :param prompt: the prompt.
    :param request: the request's body as received.
    :param accepted_at: when it was accepted and billed, epoch seconds.
    :param completed_at: when it completed, epoch seconds, or None.
    :param failed_at: when it failed, epoch seconds, or None.
    :param error: why it failed, or None.
    :param billed_seconds: what it is billed for, seconds of video.
    :param queries: how often its result was asked for.
    :param downloads: how often its file was asked for.
    :param ignored: fields that came but don't apply in its mode.
    :param inputs: its references: url, and the error if it could not be fetched.
    """

    id: str
    status: str
    mode: str
    prompt: str
    request: dict[str, Any]
    accepted_at: float
    completed_at: float | None
    failed_at: float | None
    error: str | None
    billed_seconds: float
    queries: int
    downloads: int
    ignored: tuple[str, ...]
    inputs: tuple[dict[str, str | None], ...]


@dataclass(slots=True)
class Order:
    """An accepted request on its way to a video. Times ``*_due`` are the event loop's, ``*_at`` are epoch seconds."""

    id: str
    request: dict[str, Any]
    accepted: Accepted
    inputs: list[Input]
    accepted_at: float
    processing_due: float
    final_due: float | None
    outcome: str | None
    status: str = "queued"
    error: str | None = None
    completed_at: float | None = None
    failed_at: float | None = None
    queries: int = 0
    downloads: int = 0
    waiting: bool = False  # references are being fetched, and the clip decides on the length
    timer: asyncio.TimerHandle | None = None

    @property
    def clip(self) -> Input | None:
        """The reference clip, if the order has one."""
        return next((item for item in self.inputs if item.field == "referenceVideos"), None)

    @property
    def seconds(self) -> float:
        """Length of the video, to a whole number of frames."""
        wanted = self.accepted.duration or (self.clip.seconds if self.clip else None) or CLIP_SECONDS
        return round(wanted * FPS) / FPS

    def document(self) -> dict[str, Any]:
        """Return the order as the API shows it, except the result's URL."""
        return {
            "id": self.id,
            "object": "video",
            "created": int(self.accepted_at),
            "model": MODEL,
            "status": self.status,
            "error": self.error,
        }

    def snapshot(self) -> OrderSnapshot:
        """Return a copy that no longer changes."""
        return OrderSnapshot(
            mode=self.accepted.mode.name,
            prompt=self.accepted.prompt,
            billed_seconds=self.seconds,
            ignored=self.accepted.ignored,
            inputs=tuple({"field": i.field, "url": i.url, "error": i.error} for i in self.inputs),
            **{name: getattr(self, name) for name in SHOWN},
        )
