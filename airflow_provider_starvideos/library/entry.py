"""An entry of a library: the JSON document next to a video. It is written last, so an entry is complete or not there.

A document is read with distrust: whatever isn't as it was written makes the entry a damaged one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_starvideos.api.protocol import VIDEO_ID
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.library.names import FORMAT

MAX_BYTES = 64 * 1024  # of a document
SHA256 = re.compile(r"[0-9a-f]{64}")


class DamagedEntryError(StarVideosError):
    """An entry's document is broken, or its video isn't what the document says. It is never used."""


@dataclass(frozen=True)
class Entry:
    """A finished video of a library. All texts are without signatures."""

    name: str  # of the request
    video_id: str  # the API's id
    size_bytes: int  # of the video's file
    sha256: str  # its digest, hex
    saved_at: str  # ISO 8601
    seconds: float | None = None  # of the video, as the API said
    amount: str | None = None  # what was billed, decimal as text; None: the API didn't say
    ordered_at: str | None = None  # ISO 8601
    api: str = ""  # the API's base URL
    request: Mapping[str, Any] = field(default_factory=dict)  # the JSON that the API got
    variant: str | None = None  # what makes it different from an equal request
    inputs: Mapping[str, Any] = field(default_factory=dict)  # what was known of the content of each input
    made_by: Mapping[str, Any] = field(default_factory=dict)  # ``dag_id``, ``run_id``, ``task_id`` and ``map_index``

    @property
    def file(self) -> str:
        """The video's file, in the library's folder."""
        return video_of(self.name, self.video_id)

    @property
    def price(self) -> Decimal | None:
        """What was billed."""
        return None if self.amount is None else Decimal(self.amount)

    @property
    def moment(self) -> float:
        """Epoch seconds of its saving."""
        return datetime.fromisoformat(self.saved_at).timestamp()

    def to_json(self) -> bytes:
        """Return its document."""
        value = {"format": FORMAT, "file": self.file.rpartition("/")[2], **asdict(self)}
        return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, name: str) -> Entry:
        """Read a document.

        :param data: its bytes
        :param name: of the request that it must be about
        :raises DamagedEntryError: it isn't as it was written
        """
        try:
            value = json.loads(data)
            known = {one.name for one in fields(cls)}
            entry = cls(**{key: one for key, one in value.items() if key in known})
            if problem := entry._problem(name, value):
                raise DamagedEntryError(problem)
        except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise DamagedEntryError(f"{type(error).__name__}: {error}") from error
        return entry

    def _problem(self, name: str, value: Mapping[str, Any]) -> str:
        """Names are made here, and only compared: what a document says leads nowhere."""
        _ = self.moment
        if value.get("format") != FORMAT:
            return "it is of another format"
        if self.name != name or not VIDEO_ID.fullmatch(self.video_id):
            return "it is about another request"
        if value.get("file") != self.file.rpartition("/")[2]:
            return "it names another file"
        if type(self.size_bytes) is not int or self.size_bytes <= 0 or not SHA256.fullmatch(self.sha256):
            return "it has no size, or no digest"
        if self.price is not None and not self.price.is_finite():
            return "it has no amount"
        return "" if self.seconds is None or type(self.seconds) in (int, float) else "it has no seconds"


def folder_of(name: str) -> str:
    """Return the folder, in the library's, of a name: one of 16."""
    return name[0]


def document_of(name: str) -> str:
    """Return a name's document, in the library's folder."""
    return f"{folder_of(name)}/{name}.json"


def video_of(name: str, video_id: str) -> str:
    """Return the file of a name's video, in the library's folder. Another video of the same request is another file."""
    return f"{folder_of(name)}/{name}-{video_id}.mp4"


def now_text() -> str:
    """Return the time as documents have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
