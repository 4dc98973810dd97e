"""The assumptions that only an ordered video can show; see ``order``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.validation import is_http_url
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.order import AGAIN, DONE, FETCHED, ORDER, SECONDS
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, told
from airflow_provider_starvideos.exceptions import StarVideosMalformedAnswerError, StarVideosRateLimitError

CLOCK_SLACK_SECONDS = 600.0  # of ``created`` and this machine's clock
LENGTH_SLACK_SECONDS = 0.5  # of a video
FIRST = "query 1"


def _accepted(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    return judge(isinstance(exchange.read(), VideoTask), told(evidence, exchange))


def _is_now(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    task = exchange.read()
    created = task.created if isinstance(task, VideoTask) else None
    if created is None:
        return judge(False, evidence.seen(exchange))
    off = created - exchange.started
    return judge(abs(off) < CLOCK_SLACK_SECONDS, f"created: {created}, {off:+.0f} s off this clock")


def _known_at_once(evidence: Evidence) -> Finding:
    return judge(isinstance(evidence.exchanges[FIRST].read(), VideoTask), told(evidence, evidence.exchanges[FIRST]))


def _tasks(evidence: Evidence) -> list[VideoTask]:
    answers = [evidence.exchanges[ORDER].read(), *(look.read() for look in evidence.facts["looks"])]
    return [answer for answer in answers if isinstance(answer, VideoTask)]


def _statuses(evidence: Evidence) -> Finding:
    seen = list(dict.fromkeys(task.status for task in _tasks(evidence)))
    return judge(all(task.has_known_status for task in _tasks(evidence)), evidence.redact(" → ".join(seen), 200))


def _no_query(kind: type[Exception]) -> Callable[[Evidence], Finding]:
    """Return a test: no query's answer reads as that error."""

    def test(evidence: Evidence) -> Finding:
        looks = evidence.facts["looks"]
        wrong = [look for look in looks if isinstance(look.read(), kind)]
        seen = f"; {told(evidence, wrong[0])}" if wrong else ""
        return judge(not wrong, f"{len(wrong)} of {len(looks)} queries{seen}")

    return test


def _completes(evidence: Evidence) -> Finding:
    if "ended" in evidence.facts:
        return judge(False, str(evidence.facts["ended"]))
    if DONE not in evidence.facts:
        return Finding(Outcome.UNKNOWN, "the check ended before")
    return judge(True, f"{evidence.facts['wait_seconds']:g} s, {evidence.facts['polls']} queries")


def _failure_told(evidence: Evidence) -> Finding:
    failed = [task for task in _tasks(evidence) if task.is_failed]
    if not failed:
        return Finding(Outcome.UNKNOWN, "the video didn't fail")
    return judge(failed[-1].error, f"reason: {evidence.redact(failed[-1].error or 'none', 200)}")


def _url(evidence: Evidence) -> Finding:
    url = evidence.facts[DONE].video_url
    return judge(is_http_url(url), f"the result's URL: {evidence.redact(url or 'missing', 200)}")


def _again(rule: Callable[[VideoTask], object], *names: str) -> Callable[[Evidence], Finding]:
    """Return a test of the query after the end."""

    def test(evidence: Evidence) -> Finding:
        task = evidence.exchanges[AGAIN].read()
        values = [f"{name}: {getattr(task, name, None)}" for name in names]
        seen = ", ".join(values) or told(evidence, evidence.exchanges[AGAIN])
        return judge(isinstance(task, VideoTask) and rule(task), seen)

    return test


def _fetched(rule: Callable[[dict[str, Any]], object], *names: str) -> Callable[[Evidence], Finding]:
    """Return a test of what was seen of the file; where the first of the names wasn't, nothing can be told."""

    def test(evidence: Evidence) -> Finding:
        fetched = evidence.facts[FETCHED]
        seen = ", ".join(f"{name}: {fetched[name]}" for name in (*names, "unsafe", "error") if name in fetched)
        if names and names[0] not in fetched:
            return Finding(Outcome.UNKNOWN, seen or "the check ended before")
        return judge(rule(fetched), seen or "nothing wrong")

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
        "created",
        "created is the time of the order in Unix seconds",
        "documented",
        "Log lines and metrics have a wrong time since the order.",
        _is_now,
        (ORDER,),
    ),
    Assumption(
        "known-at-once",
        "A video can be asked for as soon as its id is out",
        "assumed",
        "The first query is repeated after 3 s, twice; then a wait would end with 'unknown video'.",
        _known_at_once,
        (FIRST,),
    ),
    Assumption(
        "id-repeated",
        "A query's answer repeats the id that was asked for",
        "documented",
        "The answer isn't taken: it could be another video's. Waits would end in errors.",
        _no_query(StarVideosMalformedAnswerError),
        ("looks", FIRST),
    ),
    Assumption(
        "statuses",
        "The words of all statuses are known",
        "documented",
        "An unknown status counts as still waiting, until the deadline.",
        _statuses,
        ("looks", FIRST),
    ),
    Assumption(
        "not-limited",
        "Polling at this interval isn't limited",
        "documented",
        "Waits slow down by themselves; raise poll_interval.",
        _no_query(StarVideosRateLimitError),
        ("looks", FIRST),
    ),
    Assumption(
        "completes",
        "The video is completed within the timeout",
        "documented",
        "Raise the timeout of operators and sensors.",
        _completes,
        ("looks", FIRST),
    ),
    Assumption(
        "failure-told",
        "A failed video says why",
        "documented",
        "The task's error says that the API gave no reason.",
        _failure_told,
        ("looks", FIRST),
    ),
    Assumption("url", "A completed video has an http or https URL", "documented", "Downloads fail.", _url, (DONE,)),
    Assumption(
        "stays",
        "A completed video stays completed, with a URL",
        "documented",
        "Downloads that come later than the wait fail.",
        _again(lambda task: task.is_completed and task.video_url),
        (AGAIN,),
    ),
    Assumption(
        "length",
        f"actualDuration is about the {SECONDS} seconds that were ordered",
        "documented",
        "The XCom actual_duration is missing or misleading.",
        _again(lambda task: abs((task.actual_duration or 0.0) - SECONDS) <= LENGTH_SLACK_SECONDS, "actual_duration"),
        (DONE, AGAIN),
    ),
    Assumption(
        "amount",
        "A completed video says what was billed (amount)",
        "observed",
        "Costs are unknown: the provider shows videos and seconds only.",
        _again(lambda task: task.amount is not None, "amount"),
        (DONE, AGAIN),
    ),
    Assumption(
        "url-public",
        "The result's URL leads to a public address",
        "assumed",
        "Downloads are refused: set the connection's extra allow_private_downloads, if that address is meant.",
        _fetched(lambda seen: "unsafe" not in seen),
        (FETCHED,),
    ),
    Assumption(
        "url-without-key",
        "The result's URL works without the key",
        "observed",
        "Downloads fail: the key is never sent to another host. Tell the authors.",
        _fetched(lambda seen: seen["status_of_a_part"] in (200, 206), "status_of_a_part"),
        (FETCHED,),
    ),
    Assumption(
        "whole",
        "The file can be fetched, and is a whole MP4",
        "documented",
        "Downloads fail with what was seen.",
        _fetched(lambda seen: "bytes" in seen, "status_of_a_part", "bytes"),
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
)
