"""Orders and videos as values, with the API's names and status words.

They are from the vendor's pages "StarVideos O3 - Create Task" and "StarVideos O3 - Query Task".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

from airflow_provider_starvideos.api.redaction import hide_urls
from airflow_provider_starvideos.api.urls import identity

MODEL = "starvideos_o3"
DEFAULT_DURATION = 3  # seconds, which the API takes where an order names none (page "Create Task")
INPUT_FIELDS = frozenset({"referenceImages", "first_image", "last_image", "referenceVideos"})  # hold URLs; API names
LONGEST_FRACTION = 18  # digits of an amount after its point that are written out
LONGEST_WORD = 40  # characters of a word that ``plain`` remembers: a server may send anything


class TaskStatus(StrEnum):
    """The documented statuses (page "Query Task"): queued → processing → completed | failed."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


def plain(name: str) -> str:
    """Return a name or a status word for comparing: lower case, without blanks, ``_`` and ``-``."""
    return _plain_word(name) if len(name) <= LONGEST_WORD else _plain(name)


def _plain(name: str) -> str:
    return "".join(name.split()).lower().replace("_", "").replace("-", "")


_plain_word = lru_cache(512)(_plain)  # each poll's answer has the same dozen names

# The documented status words, and those of sibling endpoints. Any other word is unknown.
STATUS_WORDS: Mapping[str, TaskStatus] = {
    plain(word): status
    for status, words in {
        TaskStatus.QUEUED: ("queued", "pending", "submitted"),
        TaskStatus.PROCESSING: ("processing", "running", "in_progress"),
        TaskStatus.COMPLETED: ("completed", "succeeded", "success", "succeed", "finished"),
        TaskStatus.FAILED: ("failed", "fail", "error", "cancelled", "canceled", "expired"),
    }.items()
    for word in words
}


class GenerationMode(StrEnum):
    """The six ways to make a video (page "Create Task"). Derived from a request's inputs, never given."""

    TEXT = "text to video"
    IMAGES = "image reference"
    FRAMES = "first/last frame"
    VIDEO = "video reference"
    IMAGE_AND_VIDEO = "image + video"
    IMAGES_AND_VIDEO = "multi-image + video"


@dataclass(frozen=True)
class VideoRequest:
    """A checked order, made by ``validation.build_request``, which has the rules."""

    prompt: str
    mode: GenerationMode
    duration: int | None = None  # seconds, 3 to 15; None: not sent, the API takes 3
    ratio: str | None = None  # None: not sent, the API takes 9:16
    reference_images: tuple[str, ...] = ()
    first_image: str | None = None
    last_image: str | None = None
    reference_videos: tuple[str, ...] = ()
    model: str = MODEL

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object of the create call, without the fields that aren't given."""
        wire = {
            "model": self.model,
            "prompt": self.prompt,
            "duration": self.duration,
            "ratio": self.ratio,
            "referenceImages": list(self.reference_images) or None,
            "first_image": self.first_image,
            "last_image": self.last_image,
            "referenceVideos": list(self.reference_videos) or None,
        }
        return {name: value for name, value in wire.items() if value is not None}

    @property
    def inputs(self) -> tuple[str, ...]:
        """All images and clips, as URLs or storage URIs."""
        given = (*self.reference_images, self.first_image, self.last_image, *self.reference_videos)
        return tuple(one for one in given if one)

    @property
    def seconds(self) -> int | None:
        """The seconds that are ordered; None: the video gets as long as the clip, whose length isn't known here."""
        return None if self.reference_videos else self.duration or DEFAULT_DURATION

    @property
    def summary(self) -> str:
        """The key facts in one line, for the log."""
        prompt = hide_urls(self.prompt)
        facts = {
            "duration": f"{self.duration} s" if self.duration else "",
            "ratio": self.ratio or "",
            "images": len(self.reference_images) or "",
            "clips": len(self.reference_videos) or "",
            "prompt": repr(prompt if len(prompt) <= 60 else prompt[:59] + "…"),
        }
        return ", ".join([self.mode.value, *(f"{name} {value}" for name, value in facts.items() if value)])

    def fingerprint(self, base_url: str) -> str:
        """Return a digest of what is ordered and where. Equal requests have equal ones, however inputs are signed."""
        wire = self.to_wire()
        for name in INPUT_FIELDS & wire.keys():
            given = wire[name]
            wire[name] = [identity(url) for url in given] if isinstance(given, list) else identity(given)
        text = json.dumps([base_url, wire], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


# The fields of an order, as operators and rows of a batch name them; the mode follows from them.
REQUEST_FIELDS = tuple(one.name for one in fields(VideoRequest) if one.name != "mode")


def amount_text(amount: Decimal) -> str:
    """Return what was billed as exact text, such as ``0.76``."""
    return f"{amount:f}" if amount.adjusted() > -LONGEST_FRACTION else str(amount)  # 5E-324 has no other short form


def time_text(seconds: float) -> str:
    """Return epoch seconds as a time that can be compared with what an account shows."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True)
class VideoTask:
    """A video as the API describes it (page "Query Task"). Unknown fields of the answer are ignored.

    :param id: the API's id, the ``video_id`` of operators and sensors
    :param status: one of ``TaskStatus``, or any other word of the API in lower case
    :param error: the API's message of a failed video
    :param video_url: the result, once completed; temporary, so not shown by ``repr``
    :param actual_duration: seconds, once completed
    :param created: Unix seconds of the order
    :param model: as the API names it
    :param amount: what was billed, in the account's currency; None where the API doesn't say it
    :param age: seconds since the poll; above 0 only where waits share a poll
    """

    id: str
    status: str
    error: str | None = None
    video_url: str | None = field(default=None, repr=False)
    actual_duration: float | None = None
    created: int | None = None
    model: str | None = None
    amount: Decimal | None = None
    age: float = field(default=0.0, compare=False)

    @property
    def is_completed(self) -> bool:
        """The result is there. Its URL may come later: ``video_url`` can be None."""
        return self._meaning is TaskStatus.COMPLETED

    @property
    def is_failed(self) -> bool:
        """There will be no result."""
        return self._meaning is TaskStatus.FAILED

    @property
    def has_known_status(self) -> bool:
        """The status is one of ``STATUS_WORDS``. An unknown one counts as "still waiting"."""
        return self._meaning is not None

    @property
    def _meaning(self) -> TaskStatus | None:
        return STATUS_WORDS.get(plain(self.status))
