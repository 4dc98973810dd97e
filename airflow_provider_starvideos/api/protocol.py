"""Requests and answers of the StarVideos API as bytes: what to send, and what an answer means.

Everything that reads or writes the wire format stands here and in ``models``. Paths, fields and statuses are from the
vendor's pages "StarVideos O3 - Create Task" and "StarVideos O3 - Query Task". Error statuses and bodies aren't
documented: what other public clients of the same server saw is understood, and anything else gives a clear error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_starvideos import __version__
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.retry import retry_after_seconds
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRejectedError,
    StarVideosServerError,
    StarVideosValidationError,
)

CREATE_PATH = "/v1/starvideos/videos"
RESULT_PATH = "/v1/result/"
USER_AGENT = f"airflow-provider-starvideos/{__version__}"

MAX_ANSWER_BYTES = 1024 * 1024
"""An answer is a small JSON object; whoever sends more is not the API, and may be endless."""
SIGNED = re.compile(r"(https?:(?:\\?/){2}[^\s?\"'<>]+)\?[^\s\"'<>]*", re.ASCII | re.IGNORECASE)
"""A URL with a query, which may hold the signature of an input; the API may name it in a message."""
MAX_MESSAGE_CHARACTERS = 500
MAX_BODY_CHARACTERS = 2000
MAX_NAME_CHARACTERS = 100
"""Of a status, a model, a request's id."""
VIDEO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}", re.ASCII)

ERRORS: Mapping[int, tuple[type[StarVideosAPIError], str]] = {
    401: (StarVideosAuthenticationError, "the API refused the key: check the connection's password"),
    402: (StarVideosQuotaError, "the account has no credit left"),
    403: (StarVideosAuthenticationError, "the key isn't allowed to do this"),
    404: (
        StarVideosNotFoundError,
        "the server has no such path: check the base URL in the connection's host field",
    ),
    429: (StarVideosRateLimitError, "too many requests"),
}


@dataclass(frozen=True)
class Endpoint:
    """Where the API is and with which key, and how long to wait for it.

    :param base_url: shared prefix of every path, without a trailing slash
    :param key: the Bearer key; never shown by ``repr``
    :param timeout: seconds for a whole request, connecting and reading included
    :param connect_timeout: seconds until a connection stands
    :param max_retries: how often a call is sent again, where that is safe
    :param presign_seconds: how long a presigned input of an order stays readable
    :param allow_private_downloads: fetch results from private addresses too
    """

    base_url: str
    key: str = field(repr=False)
    timeout: float = 60.0
    connect_timeout: float = 10.0
    max_retries: int = 3
    presign_seconds: int = 3600
    allow_private_downloads: bool = False

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True)
class HttpRequest:
    """One request to the API host. The key is in ``endpoint``; a transport adds it as the Bearer header."""

    method: str
    url: str
    endpoint: Endpoint
    body: bytes | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """All headers but ``Authorization``."""
        # "identity": answers are small, and a compressed one could be a bomb.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
        return headers | {"Content-Type": "application/json"} if self.body is not None else headers

    @property
    def is_order(self) -> bool:
        """This request costs money when it is accepted."""
        return self.method == "POST"


@dataclass(frozen=True)
class HttpResponse:
    """An answer as it came. ``headers`` have lower-case names; ``too_large``: ``body`` was cut at the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    too_large: bool = False


def create_request(endpoint: Endpoint, request: VideoRequest) -> HttpRequest:
    """Return the order of a video (page "Create Task")."""
    body = json.dumps(request.to_wire(), ensure_ascii=False).encode()
    return HttpRequest("POST", endpoint.base_url + CREATE_PATH, endpoint, body)


def query_request(endpoint: Endpoint, video_id: str) -> HttpRequest:
    """Return the query of a video's status (page "Query Task").

    :raises StarVideosValidationError: if ``video_id`` can't be an id of the API
    """
    return HttpRequest("GET", endpoint.base_url + RESULT_PATH + check_video_id(video_id), endpoint)


def check_video_id(video_id: Any) -> str:
    """Return ``video_id`` without blanks around it, if it can be one.

    :raises StarVideosValidationError: empty, not text, or with characters that no id has (a slash, say)
    """
    text = video_id.strip() if isinstance(video_id, str) else ""
    if VIDEO_ID.fullmatch(text):
        return text
    rule = "must be a StarVideos id such as 'video_starvideos_1234567890' (letters, digits and . _ ~ -)"
    raise StarVideosValidationError([Problem("video_id", rule, shown(video_id))])


def read_video(request: HttpRequest, response: HttpResponse) -> VideoTask:
    """Return the video that an answer tells of, also out of a ``{"data": {…}}`` envelope.

    :raises StarVideosAPIError: the subclass that fits the status, or the error inside a 200
    """
    answer = _Answer(request, response)
    if not 200 <= response.status < 300:
        raise answer.error(response.status)
    video = _unwrap(answer.payload)
    if video is None and (code := _error_code(answer.payload)):
        raise answer.error(code)
    if video is None:
        raise answer.malformed()
    return answer.video(video)


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
        names_video = status == 404 and not self.request.is_order and not self._wrong_path
        error = self._make(kind, status, "the API doesn't know this video" if names_video else meaning)
        if isinstance(error, StarVideosNotFoundError):
            error.names_video = names_video
        return error

    def video(self, wire: dict[str, Any]) -> VideoTask:
        status, url, model = wire.get("status"), wire.get("video_url"), wire.get("model")
        created = _number(wire.get("created"))
        return VideoTask(
            id=wire["id"],
            status=self._clean(status, MAX_NAME_CHARACTERS).lower()
            if isinstance(status, str)
            else f"missing ({shown(status)})",
            error=self._clean(_message(wire), MAX_MESSAGE_CHARACTERS) or None,
            video_url=url if isinstance(url, str) and url else None,
            actual_duration=_number(wire.get("actualDuration")),
            created=int(created) if created is not None else None,
            model=self._clean(model, MAX_NAME_CHARACTERS) if isinstance(model, str) else None,
        )

    def malformed(self) -> StarVideosAPIError:
        response = self.response
        if response.too_large:
            meaning = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
        elif not response.body.strip():
            meaning = "the answer is empty"
        elif self.payload is None:
            meaning = "the answer isn't JSON; is the connection's host a StarVideos API?"
        else:
            meaning = "the answer holds no video (a JSON object with an 'id' and a 'status')"
        return self._make(StarVideosMalformedAnswerError, response.status, meaning)

    @property
    def _wrong_path(self) -> bool:
        """A 404 that isn't about a video: this server's own words for an unknown path, or none of the API's at all."""
        answers_as_the_api = isinstance(self.payload, dict) and (self.message or "code" in self.payload)
        return "no handler found" in self.message.lower() or not answers_as_the_api

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

    def _make(self, kind: type[StarVideosAPIError], status: int, meaning: str) -> StarVideosAPIError:
        headers = self.response.headers
        said = f" It said: {self.message}" if self.message else ""
        call = f"{self.request.method} {urlsplit(self.request.url).path}"
        return kind(
            f"{call} on {self.request.endpoint.host} answered {status}: {meaning}.{said}",
            status_code=status,
            body=self._clean(self.response.body.decode(errors="replace"), MAX_BODY_CHARACTERS),
            request_id=self._clean(headers.get("x-request-id", ""), MAX_NAME_CHARACTERS) or None,
            retry_after=retry_after_seconds(headers),
        )

    def _clean(self, text: str, limit: int) -> str:
        """Take the key out of a text, in case that the server echoes it, and whatever upsets a log; shorten it."""
        if not text:
            return ""
        # The key before the cut: a part of it would be left where the cut goes through it. URLs after the cut: the
        # search takes the square of a text's length, and of a cut query nothing is left anyway.
        text = text.replace(self.request.endpoint.key, "***")[: 2 * limit]
        text = SIGNED.sub(r"\1?…", text)
        text = "".join(c if c.isprintable() else " " for c in text).strip()
        return text if len(text) <= limit else text[: limit - 1] + "…"


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


def _unwrap(payload: Any) -> dict[str, Any] | None:
    """Return the object that has a usable ``id``: the answer itself, or what is wrapped in ``data``."""
    if not isinstance(payload, dict):
        return None
    for candidate in (payload, payload.get("data")):
        if isinstance(candidate, dict) and isinstance(candidate.get("id"), str) and VIDEO_ID.fullmatch(candidate["id"]):
            return candidate
    return None


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
    return number if abs(number) < float(2**53) else None
