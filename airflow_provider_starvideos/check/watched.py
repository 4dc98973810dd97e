"""The assumptions that the queries of an ordered video show; see ``order``."""

from __future__ import annotations

from typing import Any

from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.api.validation import is_http_url
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.order import AGAIN, DONE, ORDER, SECONDS
from airflow_provider_starvideos.check.result import LENGTH_SLACK
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, told
from airflow_provider_starvideos.exceptions import StarVideosRateLimitError


def value_of(evidence: Evidence, video: dict[str, Any], name: str) -> str:
    """Return a field as it came."""
    return evidence.redact(repr(video[name]), 100) if name in video else "missing"


def videos_of(evidence: Evidence) -> list[dict[str, Any]]:
    """All answers that tell of the video, as they came."""
    answers = [evidence.exchanges.get(label) for label in (ORDER, AGAIN)]
    return [one.video for one in (*answers, *evidence.facts.get("looks", [])) if one and one.video]


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


def _failure_told(evidence: Evidence) -> Finding:
    failed = [video for video in videos_of(evidence) if video.get("status") == "failed"]
    if not failed:
        return Finding(Outcome.UNKNOWN, "the video didn't fail")
    reason = failed[-1].get("error")
    return judge(isinstance(reason, str) and reason.strip(), f"error: {value_of(evidence, failed[-1], 'error')}")


def _same_fields(evidence: Evidence) -> Finding:
    order, query = evidence.exchanges[ORDER].video, evidence.exchanges["query 1"].video
    other = [name for name in ("object", "created", "model") if order.get(name, ...) != query.get(name, ...)]
    seen = (f"{name}: {value_of(evidence, order, name)}, then {value_of(evidence, query, name)}" for name in other)
    return judge(not other, "; ".join(seen) or "the same")


def _completes(evidence: Evidence) -> Finding:
    if "ended" in evidence.facts:
        return judge(False, str(evidence.facts["ended"]))
    if DONE not in evidence.facts:
        return Finding(Outcome.UNKNOWN, "the check ended before")
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


WATCHED: tuple[Assumption, ...] = (
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
        "same-fields",
        "A query's answer has the order's object, created and model",
        "documented",
        "Logs and metrics tell a wrong time since the order.",
        _same_fields,
        (ORDER, "query 1"),
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
        "failure-told",
        "A failed video's error says why, as text",
        "documented",
        "The task's error says that the API gave no reason.",
        _failure_told,
        ("looks", "query 1"),
    ),
    Assumption(
        "url", "A completed video has a video_url, of http or https", "documented", "Downloads fail.", _url, (DONE,)
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
        "stays",
        "A completed video stays completed, with a URL",
        "documented",
        "Downloads that come later than the wait fail.",
        _stays,
        (AGAIN,),
    ),
)
