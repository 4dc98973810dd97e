"""The assumptions that only an ordered video can show; see ``order``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from airflow_provider_starvideos.api.models import MODEL, VideoTask
from airflow_provider_starvideos.api.protocol import VIDEO_ID
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.order import ORDER
from airflow_provider_starvideos.check.result import RESULT
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, told
from airflow_provider_starvideos.check.watched import WATCHED, value_of, videos_of

KNOWN_FIELDS = {"id", "object", "created", "model", "status", "error", "video_url", "actualDuration"}
ID_FORM = re.compile(r"video_[A-Za-z0-9_-]+")
CLOCK_SLACK = 600.0
"""How far ``created`` may be off this machine's clock, seconds."""


def _wire(name: str, rule: Callable[[Any], object], label: str = ORDER) -> Callable[[Evidence], Finding]:
    """Return a test of one field of the order's answer, as it came."""

    def test(evidence: Evidence) -> Finding:
        video = evidence.exchanges[label].video
        if not video:
            return Finding(Outcome.UNKNOWN, evidence.seen(evidence.exchanges[label]))
        return judge(rule(video.get(name, ...)), f"{name}: {value_of(evidence, video, name)}")

    return test


def _accepted(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    return judge(isinstance(exchange.read(), VideoTask), told(evidence, exchange))


def _bare(evidence: Evidence) -> Finding:
    """The order's answer and the first query's."""
    answers = [evidence.exchanges[label] for label in (ORDER, "query 1") if label in evidence.exchanges]
    wrapped = [one for one in answers if one.video and one.video is not one.payload and "id" not in (one.payload or {})]
    seen = "; ".join(
        f"{one.label}: {', '.join(sorted(one.payload))}" for one in answers if isinstance(one.payload, dict)
    )
    return judge(not wrapped, f"names on the outside: {evidence.redact(seen, 300)}")


def _is_now(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    created = exchange.video.get("created")
    whole = isinstance(created, int) and not isinstance(created, bool)
    off = f", {created - exchange.started:+.0f} s off this clock" if whole and isinstance(created, int) else ""
    near = whole and isinstance(created, int) and abs(created - exchange.started) < CLOCK_SLACK
    return judge(near, f"created: {value_of(evidence, exchange.video, 'created')}{off}")


def _error_null(evidence: Evidence) -> Finding:
    wrong = [
        video
        for video in videos_of(evidence)
        if video.get("status") != "failed" and video.get("error", ...) is not None
    ]
    seen = ", ".join(f"{video.get('status')}: error {value_of(evidence, video, 'error')}" for video in wrong)
    return judge(not wrong, evidence.redact(seen, 300) or f"{len(videos_of(evidence))} answers")


def _known_fields(evidence: Evidence) -> Finding:
    others = sorted({name for video in videos_of(evidence) for name in video} - KNOWN_FIELDS)
    return judge(not others, evidence.redact(", ".join(others), 300) or "none other")


ORDERED: tuple[Assumption, ...] = (
    Assumption(
        "order-accepted",
        "An order is answered with the video: its id and a status",
        "documented",
        "Orders end as unconfirmed, or as the error that was read.",
        _accepted,
        (ORDER,),
    ),
    Assumption(
        "id",
        "id is a string of letters, digits and . _ ~ - (up to 200)",
        "documented",
        "Such an id isn't taken: it could lead a query to another path. Tell the authors.",
        _wire("id", lambda value: isinstance(value, str) and VIDEO_ID.fullmatch(value)),
        (ORDER,),
    ),
    Assumption(
        "id-form",
        "Ids look like video_starvideos_1234567890 or video_<uuid>",
        "documented",
        "Nothing: any id is taken for which 'id' holds.",
        _wire("id", lambda value: isinstance(value, str) and ID_FORM.fullmatch(value)),
        (ORDER,),
    ),
    Assumption(
        "object",
        "object is 'video'",
        "documented",
        "Nothing: it isn't read.",
        _wire("object", lambda value: value == "video"),
        (ORDER,),
    ),
    Assumption(
        "created",
        "created is the time of the order in whole Unix seconds",
        "documented",
        "Log lines tell a wrong time since the order.",
        _is_now,
        (ORDER,),
    ),
    Assumption(
        "model",
        f"model is {MODEL!r}",
        "documented",
        "Nothing: it is passed on as it is.",
        _wire("model", lambda value: value == MODEL),
        (ORDER,),
    ),
    Assumption(
        "first-status",
        "A new order is queued or processing",
        "documented",
        "Nothing, as long as 'statuses' holds.",
        _wire("status", lambda value: value in ("queued", "processing")),
        (ORDER,),
    ),
    Assumption(
        "error-null",
        "error is null while nothing is wrong",
        "documented",
        "Nothing: only a failed video's error is shown.",
        _error_null,
        (ORDER,),
    ),
    Assumption(
        "known-fields",
        "Answers have the documented fields and no others",
        "documented",
        "Nothing: other fields aren't read. Tell the authors, they may be of use.",
        _known_fields,
        (ORDER,),
    ),
    Assumption(
        "bare",
        "The video isn't wrapped in an envelope",
        "documented",
        'Nothing: the provider reads through {"data": {…}}.',
        _bare,
        (ORDER,),
    ),
)
PAID = (*ORDERED, *WATCHED, *RESULT)
