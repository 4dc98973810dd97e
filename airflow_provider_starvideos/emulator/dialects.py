"""How sibling endpoints of the vendor's server, and platforms like it, answer. Each difference is a dialect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.emulator.responses import Answer, Body, json_answer

WORDS = {"queued": "SUBMITTED", "processing": "RUNNING", "completed": "SUCCEEDED", "failed": "CANCELLED"}

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One difference. Several can be combined. They are applied in the order of ``DIALECTS``."""

    about: str  # what it does, for people
    video: Callable[[Payload], Any] | None = None  # changes the object of a video; None: videos stay as they are
    # changes an error, given as (status, message, code), into a status and a body; None: errors stay
    error: Callable[[int, str, str], tuple[int, Any]] | None = None


def _renamed(**names: str) -> Callable[[Payload], Payload]:
    return lambda video: {names.get(name, name): value for name, value in video.items()}


def _failed_with(video: Payload) -> Payload:
    return {name: value for name, value in video.items() if name != "error"} | {"fail_reason": video.get("error")}


def _in_words(video: Payload) -> Payload:
    return video | {"status": WORDS.get(str(video.get("status")), video.get("status"))}


DIALECTS: dict[str, Dialect] = {
    "words": Dialect("statuses SUBMITTED, RUNNING, SUCCEEDED, CANCELLED", _in_words),
    "fail_reason": Dialect("a failed video's reason as fail_reason", _failed_with),
    "result_url": Dialect("the result as result_url", _renamed(video_url="result_url")),
    "videos": Dialect(
        "the result in a list, videos: [{url}]",
        lambda video: (
            {n: v for n, v in video.items() if n != "video_url"}
            | ({"videos": [{"url": video["video_url"]}]} if video.get("video_url") else {})
        ),
    ),
    "project": Dialect("the id as projectId", _renamed(id="projectId")),
    "task": Dialect("id and status as task_id and task_status", _renamed(id="task_id", status="task_status")),
    "text_amount": Dialect(
        "amount as text", lambda video: video | ({"amount": str(video["amount"])} if "amount" in video else {})
    ),
    "list": Dialect("in data, a list of one", lambda video: {"code": 200, "message": "success", "data": [video]}),
    "envelope": Dialect(
        '{"code": 0, "data": …}; errors as 200 with a code and the request\'s id',
        lambda video: {"code": 0, "message": "success", "data": video},
        lambda status, message, _: (200, {"id": "req-8f3a", "code": status, "message": message, "data": None}),
    ),
    "detail": Dialect(
        "errors as detail: [{msg, loc}]",
        error=lambda status, message, _: (status, {"detail": [{"msg": message, "loc": ["body"]}]}),
    ),
    "plain": Dialect("errors as plain text", error=lambda status, message, _: (status, message)),
}


def apply_dialects(answer: Answer, names: Sequence[str]) -> Answer:
    """Return an answer of the API as some dialects say it.

    :param answer: as documented, with a JSON object.
    :param names: of the dialects.
    """
    status, body, error = answer.status, answer.payload, None
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
    for name, dialect in DIALECTS.items():
        if name not in names:
            continue
        if error is not None and dialect.error:
            status, body = dialect.error(answer.status, str(error["message"]), str(error["code"]))
        elif error is None and dialect.video:
            body = dialect.video(body)
    if body is answer.payload:
        return answer
    if isinstance(body, str):
        return Answer(status, Body(body.encode()), "text/plain", answer.headers)
    return json_answer(body, status, answer.headers)
