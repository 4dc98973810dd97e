"""What an answer of the StarVideos API means: a video, or an error. Nothing else reads the wire.

Fields and statuses are from the vendor's pages "StarVideos O3 - Create Task" and "StarVideos O3 - Query Task". Error
statuses and bodies aren't documented: what other public clients of the same server saw is understood, and anything else
gives a clear error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.models import MODEL, TaskStatus, VideoTask
from airflow_provider_starvideos.api.origins import is_from_api
from airflow_provider_starvideos.api.protocol import MAX_ANSWER_BYTES, VIDEO_ID, HttpRequest, HttpResponse
from airflow_provider_starvideos.api.redaction import redacted
from airflow_provider_starvideos.api.retry import retry_after_seconds
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRejectedError,
    StarVideosServerError,
)

MAX_MESSAGE_CHARACTERS = 500
MAX_BODY_CHARACTERS = 2000
MAX_NAME_CHARACTERS = 100
"""Of a status, a model, a request's id."""

STATUSES = frozenset(TaskStatus)
"""An answer with one of these words needs no cleaning."""
LARGEST_NUMBER = 2.0**53
LATEST_CREATED = 1e11
"""Unix seconds; what is later was told in milliseconds, or is nonsense."""
LIVE_STATUSES = STATUSES - {TaskStatus.FAILED}

ERRORS: Mapping[int, tuple[type[StarVideosAPIError], str]] = {
    401: (StarVideosAuthenticationError, "the API refused the key: check the connection's password"),
    402: (StarVideosQuotaError, "the account has no credit left"),
    403: (StarVideosAuthenticationError, "the key isn't allowed to do this"),
    404: (
        StarVideosNotFoundError,
        "the server has no such path: check the base URL in the connection's host field",
    ),
    408: (StarVideosServerError, "the server, or a gateway in front of it, gave up waiting"),
    425: (StarVideosServerError, "the server doesn't take the request yet"),
    429: (StarVideosRateLimitError, "too many requests"),
    499: (StarVideosServerError, "a gateway in front of the API gave up waiting"),
}
"""What isn't here is judged by its range. 408, 425 and 499 pass by themselves: no poll makes a wait fail over one."""


def read_video(request: HttpRequest, response: HttpResponse) -> VideoTask:
    """Return the video that an answer tells of, also out of a ``{"data": {…}}`` envelope.

    :raises StarVideosAPIError: the subclass that fits the status, or the error inside a 200
    """
    answer = _Answer(request, response)
    succeeded = 200 <= response.status < 300
    videos = _unwrap(answer.payload) if succeeded else []
    if not videos:
        named = _named_video(answer.payload) if request.is_order else ""
        status = _error_code(answer.payload) if succeeded else response.status
        raise answer.error(status) if status and not named else answer.malformed(named=named)
    asked = request.video_id or videos[0]["id"].strip()  # an order's answer gives the id, a query's repeats it
    for video in videos:
        if video["id"].strip() == asked:
            return answer.video(asked, video)
    raise answer.malformed(videos[0]["id"])


class _Answer:
    """One answer, read as far as it can be, for the video in it or for the message of an error."""

    def __init__(self, request: HttpRequest, response: HttpResponse) -> None:
        self.request = request
        self.response = response
        self.payload = None if response.too_large else _json(response.body)

    def error(self, status: int) -> StarVideosAPIError:
        kind, meaning = ERRORS.get(status, (None, ""))
        if kind is None:
            kind, meaning = self._by_range(status)
        from_api = is_from_api(status, self.payload)
        names_video = status == 404 and not self.request.is_order and from_api
        meaning = "the API doesn't know this video" if names_video else meaning
        error = self._make(kind, status, meaning, from_api=from_api)
        if isinstance(error, StarVideosNotFoundError):
            error.names_video = names_video
        return error

    def video(self, video_id: str, wire: dict[str, Any]) -> VideoTask:
        url, created = wire.get("video_url"), _number_within(wire.get("created"), 1.0, LATEST_CREATED)
        return VideoTask(
            id=video_id,
            status=self._status(wire.get("status")),
            error=self._clean(_message(wire), MAX_MESSAGE_CHARACTERS) or None,
            # One with half a surrogate pair or a control character can't be kept by every database, nor fetched.
            video_url=url if isinstance(url, str) and url and url.isprintable() else None,
            actual_duration=_number_within(wire.get("actualDuration"), 0.0, LARGEST_NUMBER),
            created=int(created) if created is not None else None,
            model=self._model(wire.get("model")),
        )

    def _status(self, status: Any) -> str:
        if not isinstance(status, str):
            return f"missing ({self._clean(shown(status), MAX_NAME_CHARACTERS)})"
        return status if status in STATUSES else self._clean(status, MAX_NAME_CHARACTERS).lower()

    def _model(self, model: Any) -> str | None:
        if model == MODEL:
            return MODEL
        return self._clean(model, MAX_NAME_CHARACTERS) if isinstance(model, str) else None

    def malformed(self, other_id: str = "", *, named: str = "") -> StarVideosAPIError:
        response = self.response
        if named:
            named = self._clean(named, MAX_NAME_CHARACTERS)
            meaning = f"the answer isn't that of an accepted order, and yet names a video ({named!r})"
        elif other_id:
            meaning = f"the answer is about another video ({self._clean(other_id, MAX_NAME_CHARACTERS)!r})"
        elif response.too_large:
            meaning = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
        elif not response.body.strip():
            meaning = "the answer is empty"
        elif self.payload is None and (encoding := response.headers.get("content-encoding")):
            meaning = f"the answer is encoded ({self._clean(encoding, MAX_NAME_CHARACTERS)!r}) and can't be read"
        elif self.payload is None:
            meaning = "the answer isn't JSON; is the connection's host a StarVideos API?"
        else:
            meaning = "the answer holds no video (a JSON object with an 'id' and a 'status')"
        return self._make(StarVideosMalformedAnswerError, response.status, meaning)

    @property
    def message(self) -> str:
        return self._clean(_message(self.payload), MAX_MESSAGE_CHARACTERS)

    def _by_range(self, status: int) -> tuple[type[StarVideosAPIError], str]:
        if status >= 500:
            return StarVideosServerError, "the server failed"
        if 300 <= status < 400:
            target = self._clean(_host(self.response.headers.get("location", "")), MAX_NAME_CHARACTERS)
            return StarVideosRejectedError, (
                f"the server redirects to {target}, which isn't followed with a key: "
                "check the base URL in the connection's host field"
            )
        return StarVideosRejectedError, "the API refused the request"

    def _make(
        self, kind: type[StarVideosAPIError], status: int, meaning: str, *, from_api: bool = False
    ) -> StarVideosAPIError:
        headers = self.response.headers
        said = f" It said: {self.message}" if self.message else ""
        call = f"{self.request.method} {urlsplit(self.request.url).path}"
        return kind(
            f"{call} on {self.request.endpoint.host} answered {status}: {meaning}.{said}",
            status_code=status,
            body=self._clean(self.response.body.decode(errors="replace"), MAX_BODY_CHARACTERS),
            request_id=self._clean(headers.get("x-request-id", ""), MAX_NAME_CHARACTERS) or None,
            retry_after=retry_after_seconds(headers),
            from_api=from_api,
        )

    def _clean(self, text: str, limit: int) -> str:
        return redacted(text, self.request.endpoint.key, limit)


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or "another path"
    except ValueError:
        return "an address that can't be read"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unwrap(payload: Any) -> list[dict[str, Any]]:
    """Return the objects that have a usable ``id``: the answer itself, and what is wrapped in ``data``.

    One without a video's status comes last: an envelope may have an id of its own.
    """
    if not isinstance(payload, dict):
        return []
    found = [one for one in (payload, payload.get("data")) if isinstance(one, dict) and _is_id(one.get("id"))]
    return found if len(found) < 2 else sorted(found, key=lambda one: _status_word(one) not in STATUSES)


def _named_video(payload: Any) -> str:
    """Return the id of a video that an answer names where none should be: beside a refusal, or wrapped in other ways.

    Whatever status stands beside it, such an answer is no proof that nothing was ordered. A failed video is none: it
    may be ordered again.
    """
    places = [payload]
    for place in places:
        if isinstance(place, list):
            places.extend(place)
        elif isinstance(place, dict):
            if _looks_alive(place):
                return str(place["id"])
            places.append(place.get("data"))
    return ""


def _looks_alive(wire: dict[str, Any]) -> bool:
    video_id, status = wire.get("id"), _status_word(wire)
    if not isinstance(video_id, str | int) or isinstance(video_id, bool) or video_id == "":
        return False
    return status in LIVE_STATUSES or (wire.get("object") == "video" and status != TaskStatus.FAILED)


def _status_word(wire: dict[str, Any]) -> str:
    status = wire.get("status")
    return status.strip().lower() if isinstance(status, str) else ""


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and VIDEO_ID.fullmatch(value.strip()) is not None


def _error_code(payload: Any) -> int | None:
    """Return the HTTP status that a ``{"code": 401, "message": …}`` inside a 200 stands for."""
    if not isinstance(payload, dict):
        return None
    nested = payload.get("error")
    for holder in (payload, nested):
        code = _number(holder.get("code")) if isinstance(holder, dict) else None
        if code is not None and code.is_integer() and 400 <= code < 600:
            return int(code)
    return None


def _message(payload: Any) -> str:
    """Return the server's own words: ``error`` (text, or an object), ``message`` or ``msg``."""
    if not isinstance(payload, dict):
        return ""
    for name in ("error", "message", "msg"):
        value = payload.get(name)
        if isinstance(value, dict):
            value = value.get("message") or value.get("msg") or value.get("code")
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < LARGEST_NUMBER else None


def _number_within(value: Any, lowest: float, limit: float) -> float | None:
    number = None if value is None else _number(value)
    return number if number is not None and lowest <= number < limit else None
