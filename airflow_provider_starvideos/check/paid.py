"""The assumptions that only an ordered video can show. ``one_video`` orders it."""

from __future__ import annotations

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.validation import is_http_url
from airflow_provider_starvideos.check.assumptions import Answer, Assumption, Finding, answer, described, found
from airflow_provider_starvideos.check.evidence import Evidence, NoEvidenceError
from airflow_provider_starvideos.check.one_video import AGAIN, FIRST, ORDER, SECONDS
from airflow_provider_starvideos.exceptions import StarVideosMalformedAnswerError

LENGTH_SLACK_SECONDS = 0.5  # of a video


def _is_video(read: Answer) -> bool:
    return isinstance(read, VideoTask)


def _id_repeated(evidence: Evidence) -> Finding:
    evidence.exchange(FIRST)
    wrong = [poll for poll in evidence.polls if isinstance(poll.read(), StarVideosMalformedAnswerError)]
    seen = f"; {described(evidence, wrong[0])}" if wrong else ""
    return found(not wrong, f"{len(wrong)} of {len(evidence.polls)} polls{seen}")


def _statuses(evidence: Evidence) -> Finding:
    answers = [one.read() for one in (evidence.exchange(ORDER), *evidence.polls)]
    tasks = [one for one in answers if isinstance(one, VideoTask)]
    seen = " → ".join(dict.fromkeys(task.status for task in tasks))
    return found(all(task.has_known_status for task in tasks) if tasks else None, evidence.redact(seen, 200))


def _completes(evidence: Evidence) -> Finding:
    evidence.exchange(FIRST)
    if evidence.wait_error:
        return found(False, evidence.wait_error)
    holds = None if evidence.wait_seconds is None else True
    return found(holds, f"{evidence.wait_seconds or 0:g} s, {len(evidence.polls)} polls")


def _fetched(evidence: Evidence) -> dict[str, object]:
    if not evidence.fetched:
        raise NoEvidenceError("not asked: the result's URL")
    return evidence.fetched


def _is_public(evidence: Evidence) -> Finding:
    fetched = _fetched(evidence)
    return found("unsafe" not in fetched, str(fetched.get("unsafe", "a public address")))


def _is_whole(evidence: Evidence) -> Finding:
    fetched = _fetched(evidence)
    return found(None if "unsafe" in fetched else "bytes" in fetched, str(fetched))


PAID: tuple[Assumption, ...] = (
    Assumption(
        "order-accepted",
        "An order is answered with the video: its id and a status",
        "documented",
        "The id goes into the journal. An answer without one leaves the outcome unknown.",
        "Orders end as unconfirmed, or as the error that was read.",
        answer(ORDER, _is_video),
    ),
    Assumption(
        "known-at-once",
        "A video can be polled as soon as its id is known",
        "assumed",
        "An unknown video ends a wait after two more polls.",
        "The first poll is repeated after 3 s, twice; then a wait would end with 'unknown video'.",
        answer(FIRST, _is_video),
    ),
    Assumption(
        "id-repeated",
        "A poll's answer repeats the id that was asked for",
        "documented",
        "An answer about another id isn't taken: it could be another video's.",
        "Waits would end in errors.",
        _id_repeated,
    ),
    Assumption(
        "statuses",
        "The words of all statuses are known",
        "documented",
        "Which statuses end a wait.",
        "An unknown status counts as still waiting, until the deadline.",
        _statuses,
    ),
    Assumption(
        "completes",
        "The video is completed within the timeout",
        "documented",
        "The default timeout of operators and sensors.",
        "Raise the timeout of operators and sensors.",
        _completes,
    ),
    Assumption(
        "url",
        "A completed video stays completed, with an http or https URL",
        "documented",
        "A download asks for a fresh URL, at any later time.",
        "Downloads fail.",
        answer(
            AGAIN,
            lambda read: isinstance(read, VideoTask) and read.is_completed and is_http_url(read.video_url),
            "status",
            "video_url",
        ),
    ),
    Assumption(
        "length",
        f"actualDuration is about the {SECONDS} seconds that were ordered",
        "documented",
        "The XCom actual_duration, and the seconds in what a task has spent.",
        "The XCom actual_duration is missing or misleading.",
        answer(
            AGAIN,
            lambda read: abs((getattr(read, "actual_duration", None) or 0.0) - SECONDS) <= LENGTH_SLACK_SECONDS,
            "actual_duration",
        ),
    ),
    Assumption(
        "amount",
        "A completed video says what was billed (amount)",
        "observed",
        "The amounts in what a task has spent.",
        "Costs are unknown: the provider shows videos and seconds only.",
        answer(AGAIN, lambda read: getattr(read, "amount", None) is not None, "amount"),
    ),
    Assumption(
        "url-public",
        "The result's URL leads to a public address",
        "assumed",
        "Results are fetched from public addresses only.",
        "Downloads are refused: set the connection's extra allow_private_downloads, if that address is meant.",
        _is_public,
    ),
    Assumption(
        "whole",
        "The result's URL works without the key, and gives a whole MP4",
        "observed",
        "The key is sent to no host except the API's. A file that isn't whole isn't saved.",
        "Downloads fail with what was seen.",
        _is_whole,
    ),
)
