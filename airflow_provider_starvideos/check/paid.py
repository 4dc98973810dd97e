"""The assumptions that only an ordered video can show; see ``order``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_starvideos.api.models import MODEL, TaskStatus, VideoTask
from airflow_provider_starvideos.api.protocol import VIDEO_ID
from airflow_provider_starvideos.api.validation import is_http_url
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.order import AGAIN, DONE, FETCHED, ORDER, SECONDS
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, told
from airflow_provider_starvideos.exceptions import StarVideosRateLimitError

LENGTH_SLACK = 0.5
"""How far a video's length may be off, seconds."""
CLOCK_SLACK = 600.0
"""How far ``created`` may be off this machine's clock, seconds."""


def _wire(name: str, rule: Callable[[Any], object], label: str = ORDER) -> Callable[[Evidence], Finding]:
    """Return a test of one field of the order's answer, as it came."""

    def test(evidence: Evidence) -> Finding:
        video = evidence.exchanges[label].video
        if not video:
            return Finding(Outcome.UNKNOWN, evidence.seen(evidence.exchanges[label]))
        return judge(rule(video.get(name, ...)), f"{name}: {_value(evidence, video, name)}")

    return test


def _value(evidence: Evidence, video: dict[str, Any], name: str) -> str:
    return evidence.redact(repr(video[name]), 100) if name in video else "missing"


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
    return judge(near, f"created: {_value(evidence, exchange.video, 'created')}{off}")


def _known_at_once(evidence: Evidence) -> Finding:
    first = evidence.exchanges["query 1"]
    return judge(isinstance(first.read(), VideoTask), told(evidence, first))


def _tasks(evidence: Evidence) -> list[VideoTask]:
    answers = [look.read() for look in evidence.facts["looks"]]
    return [answer for answer in answers if isinstance(answer, VideoTask)]


def _statuses(evidence: Evidence) -> Finding:
    created = evidence.exchanges[ORDER].read()
    told_first = [created.status] if isinstance(created, VideoTask) else []
    seen = list(dict.fromkeys([*told_first, *(task.status for task in _tasks(evidence))]))
    order = [str(status) for status in TaskStatus]
    known = all(status in order for status in seen)
    return judge(known and seen == sorted(seen, key=order.index), evidence.redact(" → ".join(seen), 200))


def _url_only_then(evidence: Evidence) -> Finding:
    early = [task for task in _tasks(evidence) if task.video_url and not task.is_completed]
    if not any(not task.is_completed for task in _tasks(evidence)):
        return Finding(Outcome.UNKNOWN, "it was completed at the first query")
    return judge(not early, f"{len(early)} answers had a URL before the end")


def _not_limited(evidence: Evidence) -> Finding:
    limited = [one for one in evidence.facts["looks"] if isinstance(one.read(), StarVideosRateLimitError)]
    return judge(not limited, f"{len(limited)} of {len(evidence.facts['looks'])} queries got 429")


def _completes(evidence: Evidence) -> Finding:
    if DONE not in evidence.facts:
        return judge(False, str(evidence.facts.get("ended", "it didn't")))
    return judge(True, f"{evidence.facts['wait_seconds']:g} s, {evidence.facts['polls']} queries")


def _url(evidence: Evidence) -> Finding:
    url = evidence.facts[DONE].video_url
    return judge(is_http_url(url), f"video_url: {evidence.redact(url or 'missing', 200)}")


def _length(evidence: Evidence) -> Finding:
    value = evidence.exchanges[AGAIN].video.get("actualDuration")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return judge(number and abs(float(value or 0) - SECONDS) <= LENGTH_SLACK, f"actualDuration: {value!r}"[:100])


def _stays(evidence: Evidence) -> Finding:
    task = evidence.exchanges[AGAIN].read()
    same = isinstance(task, VideoTask) and task.is_completed and bool(task.video_url)
    return judge(same, told(evidence, evidence.exchanges[AGAIN]))


def _repeats_id(evidence: Evidence) -> Finding:
    ids = {str(look.video.get("id")) for look in evidence.facts["looks"] if look.video}
    wanted = str(evidence.exchanges[ORDER].video.get("id"))
    return judge(ids == {wanted}, f"{wanted}: {', '.join(sorted(ids))}"[:200])


def _fetched(rule: Callable[[dict[str, Any]], object], *names: str) -> Callable[[Evidence], Finding]:
    def test(evidence: Evidence) -> Finding:
        fetched = evidence.facts[FETCHED]
        return judge(
            rule(fetched), ", ".join(f"{name}: {fetched[name]}" for name in (*names, "error") if name in fetched)
        )

    return test


PAID: tuple[Assumption, ...] = (
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
        _wire("error", lambda value: value is None),
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
    Assumption(
        "known-at-once",
        "A video can be asked for as soon as its id is out",
        "assumed",
        "The first query is repeated after 3 s, twice; then a wait would end with 'unknown video'.",
        _known_at_once,
        ("query 1",),
    ),
    Assumption(
        "id-repeated",
        "A query's answer repeats the id that was asked for",
        "documented",
        "The answer isn't taken: it could be another video's. Waits would end in errors.",
        _repeats_id,
        ("looks", "query 1"),
    ),
    Assumption(
        "statuses",
        "Statuses go queued → processing → completed, and no others come",
        "documented",
        "An unknown status counts as still waiting, until the deadline.",
        _statuses,
        ("looks", "query 1"),
    ),
    Assumption(
        "url-only-then",
        "video_url is null until the video is completed",
        "documented",
        "Nothing: it is read of completed videos only.",
        _url_only_then,
        ("looks", "query 1"),
    ),
    Assumption(
        "not-limited",
        "Polling at this interval isn't limited",
        "documented",
        "Waits slow down by themselves; raise poll_interval.",
        _not_limited,
        ("looks", "query 1"),
    ),
    Assumption(
        "completes",
        "The video is completed within the timeout",
        "documented",
        "Raise the timeout of operators and sensors.",
        _completes,
        ("looks", "query 1"),
    ),
    Assumption(
        "url", "A completed video has a video_url, of http or https", "documented", "Downloads fail.", _url, (DONE,)
    ),
    Assumption(
        "url-without-key",
        "The result's URL works without the key",
        "assumed",
        "Downloads fail: the key is never sent to another host. Tell the authors.",
        _fetched(lambda seen: "bytes" in seen, "bytes"),
        (FETCHED,),
    ),
    Assumption(
        "mp4",
        "The result is an MP4, and called video/mp4",
        "documented",
        "Another type is taken if the file is an MP4 and the type isn't text or a picture.",
        _fetched(lambda seen: seen.get("content_type", "").startswith("video/mp4") and "bytes" in seen, "content_type"),
        (FETCHED,),
    ),
    Assumption(
        "ranges",
        "The result's host sends parts of a file (Range), with a strong ETag",
        "assumed",
        "A broken download begins again from its start.",
        _fetched(lambda seen: seen.get("status_of_a_part") == 206 and seen.get("etag"), "status_of_a_part", "etag"),
        (FETCHED,),
    ),
    Assumption(
        "length",
        f"actualDuration is a number of seconds, about the {SECONDS} that were ordered",
        "documented",
        "The XCom actual_duration is missing or misleading.",
        _length,
        (DONE, AGAIN),
    ),
    Assumption(
        "true-length",
        "The file is as long as was ordered",
        "documented",
        "Nothing for the provider; the videos aren't what was ordered.",
        _fetched(lambda seen: abs((seen.get("seconds") or 0) - SECONDS) <= LENGTH_SLACK, "seconds"),
        (FETCHED,),
    ),
    Assumption(
        "stays",
        "A completed video stays completed, with a URL",
        "documented",
        "Downloads that come later than the wait fail.",
        _stays,
        (AGAIN,),
    ),
)
