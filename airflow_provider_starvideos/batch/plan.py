"""What crosses Airflow's database between ordering and waiting: what to wait for, and what came of it."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_starvideos.orders.states import OrderState


@dataclass(frozen=True)
class Plan:
    """What to wait for, and until when."""

    videos: dict[str, float]  # the API's ids, each with the epoch seconds at which its wait has failed
    poll_interval: float  # seconds between two polls of a video
    # number of videos whose end ends the wait: there is something to do then; None: all of them
    enough: int | None = None
    resume_at: float | None = None  # epoch seconds at which the wait ends, and not before: orders can go on then
    # seconds after the first completed video at which the wait ends, for the saving of what is there
    save_after: float | None = None
    rows: int = 0  # of the batch in all, for the progress in the log
    done: int = 0  # of them that had ended before

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object, with its videos packed: MySQL keeps 64 KB of a trigger's arguments."""
        ends: dict[int, list[str]] = {}
        for video_id, end_time in self.videos.items():
            ends.setdefault(math.ceil(end_time), []).append(video_id)
        packed = base64.b85encode(zlib.compress(json.dumps(ends).encode(), 9)).decode()
        return asdict(self) | {"videos": packed}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Read a plan."""
        ends = json.loads(zlib.decompress(base64.b85decode(value["videos"])))
        videos = {video_id: float(end_time) for end_time, ids in ends.items() for video_id in ids}
        return cls(**{**value, "videos": videos})


@dataclass(frozen=True)
class Outcome:
    """How one video ended. It holds no URL: the video is polled again when it is saved."""

    state: OrderState  # ``completed``, ``failed``, ``timed_out`` or ``unknown``
    error: str | None = None  # why, if it isn't completed
    duration: float | None = None  # seconds of the completed video
    seen_at: float | None = None  # epoch seconds
    amount: str | None = None  # what was billed for it, a decimal as text; None: the API didn't say it

    def to_json(self) -> list[Any]:
        """Return the outcome as a short JSON list: a thousand of them cross the database."""
        return [str(self.state), self.error, self.duration, self.seen_at, self.amount]

    @classmethod
    def from_json(cls, value: Any) -> Outcome:
        """Read an outcome.

        :raises ValueError: it isn't one
        :raises TypeError: it isn't one
        """
        state, error, duration, seen_at, *amount = value  # without an amount: of a wait that an earlier version began
        return cls(OrderState(state), error, duration, seen_at, *amount)
