"""What an answer of the StarVideos API means: a video, or an error. No other module reads answers.

Fields and statuses are from the vendor's pages "StarVideos O3 - Create Task" and "StarVideos O3 - Query Task". The
vendor documents no errors. Those that other clients of the server have met are read. Any other gives a clear error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_starvideos.api import video_fields
from airflow_provider_starvideos.api.models import MODEL, TaskStatus, VideoTask, plain
from airflow_provider_starvideos.api.origins import is_from_api, is_repeated
from airflow_provider_starvideos.api.payloads import (
    CALL_WORDS,
    STATUS_NAMES,
    Node,
    named_in,
    nodes_of,
    the_video,
    within,
)
from airflow_provider_starvideos.api.protocol import MAX_ANSWER_BYTES, HttpRequest, HttpResponse
from airflow_provider_starvideos.api.reasons import reason_of
from airflow_provider_starvideos.api.redaction import redacted
from airflow_provider_starvideos.api.refusals import Refusal, refusal_in
from airflow_provider_starvideos.api.retry import retry_after_seconds
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.api.video_fields import LATEST_CREATED
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
MAX_NAME_CHARACTERS = 100  # of a status, a model, an id in a message, a request's id
UNDER_WAY = (TaskStatus.QUEUED, TaskStatus.PROCESSING)
DOCUMENTED_NAMES = frozenset({"id", "object", "created", "model", "status", "error", "video_url", "actualDuration"})
CHECK_BASE_URL = "check the base URL in the connection's host field"
ERRORS: Mapping[int, tuple[type[StarVideosAPIError], str]] = {  # other statuses: ``_by_range``
    401: (StarVideosAuthenticationError, "the API refused the key: check the connection's password"),
    402: (StarVideosQuotaError, "the account has no credit left"),
    403: (StarVideosAuthenticationError, "the key isn't allowed to do this"),
    404: (StarVideosNotFoundError, f"the server has no such path: {CHECK_BASE_URL}"),
    # Below 500, but nothing about the request has to change.
    408: (StarVideosServerError, "the server, or a gateway in front of it, gave up waiting"),
    425: (StarVideosServerError, "the server doesn't take the request yet"),
    429: (StarVideosRateLimitError, "too many requests"),
    444: (StarVideosServerError, "a gateway in front of the API got no answer"),
    460: (StarVideosServerError, "a gateway in front of the API gave up waiting"),
    499: (StarVideosServerError, "a gateway in front of the API gave up waiting"),
}
AnError = TypeVar("AnError", bound=StarVideosAPIError)


def read_video(request: HttpRequest, response: HttpResponse) -> VideoTask:
    """Return the video that an answer is about, wherever in the answer it is.

    :raises StarVideosAPIError: the subclass for the status, or for the error inside a 200
    """
    payload = None if response.too_large else _json(response.body)
    if response.status == 200 and (task := _under_way(request, payload)):
        return task
    answer = _Answer(request, response, payload)
    if not 200 <= response.status < 300:
        raise answer.refused(response.status)
    video = the_video(answer.nodes, request.video_id) if isinstance(answer.payload, dict) else None
    refusal = refusal_in(answer.nodes, video)
    if refusal and not (video and request.video_id and video.status):  # a query's answer is the video's status
        raise answer.contradicted(refusal, video)
    if video is None or (request.is_order and (video.is_foreign or is_repeated(response.headers))):
        raise answer.malformed()
    return answer.video(video)


def _under_way(request: HttpRequest, payload: Any) -> VideoTask | None:
    """Return the video of a poll's most common answer, exactly as documented; None for any other.

    The result is that of the full reading, which takes ten times as long. A thousand waits read little else.
    """
    if not (request.video_id and isinstance(payload, dict) and payload.keys() <= DOCUMENTED_NAMES):
        return None
    status, created = payload.get("status"), payload.get("created")
    if status not in UNDER_WAY or (payload.get("id"), payload.get("model")) != (request.video_id, MODEL):
        return None
    if payload.get("object") not in (None, "video") or type(created) is not int or not 1 <= created < LATEST_CREATED:
        return None
    if any(payload.get(name) is not None for name in ("error", "video_url", "actualDuration")):
        return None
    return VideoTask(request.video_id, TaskStatus(status), created=created, model=MODEL)


class _Answer:
    """One answer, for the video in it or for an error's message. ``payload`` is its JSON; None if it isn't JSON."""

    def __init__(self, request: HttpRequest, response: HttpResponse, payload: Any) -> None:
        self.request = request
        self.response = response
        self.payload = payload
        self.nodes = nodes_of(self.payload)

    def refused(self, status: int) -> StarVideosAPIError:
        """Return the error of a status. If the answer to an order names a live video, it isn't a refusal."""
        live = next((node for node in self.nodes if node.is_live_video), None) if self.request.is_order else None
        return self.malformed(named=live.video_id) if live else self.error(status)

    def contradicted(self, refusal: Refusal, video: Node | None) -> StarVideosAPIError:
        """Return the error of a success that holds an error; ``refusals`` has the rules."""
        status = refusal.status
        if self.request.is_order:
            names_live_video = any(node.is_live_video for node in self.nodes)
            status = None if names_live_video else status or refusal.status_by_words
        if status is None:
            return self.malformed(named=named_in(self.nodes) if self.request.is_order else "", code=refusal.code)
        return self.error(status)

    def error(self, status: int) -> StarVideosAPIError:
        kind, meaning = ERRORS.get(status) or self._by_range(status)
        from_api = is_from_api(status, self.payload)
        names_video = status == 404 and not self.request.is_order and from_api
        meaning = "the API doesn't know this video" if names_video else meaning
        error = self._make(kind, status, meaning, from_api=from_api)
        if isinstance(error, StarVideosNotFoundError):
            error.names_video = names_video
        return error

    def video(self, node: Node) -> VideoTask:
        parts = within(node, self.nodes)
        model = node.fields.get("model")
        status, error = self._status(node, parts), self._clean(self._reason(node, parts), MAX_MESSAGE_CHARACTERS)
        if status == TaskStatus.FAILED and not error:
            word = self._clean(node.text(STATUS_NAMES), MAX_NAME_CHARACTERS).lower()
            error = "" if plain(word) in CALL_WORDS else f"the API says that it is {word}"
        return VideoTask(
            id=node.video_id,
            status=status,
            error=error or None,
            video_url=video_fields.result_url(parts),
            actual_duration=video_fields.seconds(parts),
            created=video_fields.created(parts),
            model=model if model == MODEL else self._clean(model, MAX_NAME_CHARACTERS) or None,
            amount=video_fields.amount(parts),
        )

    def _status(self, node: Node, parts: Sequence[Node]) -> str:
        if node.status is not None:
            return node.status
        if own := node.text(STATUS_NAMES):
            return self._clean(own, MAX_NAME_CHARACTERS).lower()
        for part in parts[1:]:  # an envelope's "success" is about the call
            if part.status is not None and (node in part.ancestors() or part.says_video):
                return part.status
        given = next((node.fields[name] for name in STATUS_NAMES if name in node.fields), None)
        return f"missing ({self._clean(shown(given), MAX_NAME_CHARACTERS)})"

    def _reason(self, node: Node, parts: Sequence[Node]) -> str:
        """Return why a video failed: from its object, from the objects inside it, then from its envelope."""
        if node.status is not TaskStatus.FAILED:
            return reason_of({"error": node.fields.get("error")})
        return next(filter(None, (reason_of(part.fields) for part in parts)), "")

    def malformed(self, *, named: str = "", code: str = "") -> StarVideosAPIError:
        """Return the error of an unreadable answer.

        :param named: the video that it names; empty: searched for in an order's answer
        :param code: the error code in it
        """
        response, order = self.response, self.request.is_order
        other = next((node.video_id for node in self.nodes if node.video_id), "")
        if order and not named:
            named = named_in(self.nodes, "" if self.payload is not None else response.body.decode(errors="replace"))
        named = self._clean(named, MAX_NAME_CHARACTERS)
        if code:
            meaning = f"the answer holds an error that isn't known ({self._clean(code, MAX_NAME_CHARACTERS)})"
        elif self.nodes and named:
            meaning = "the answer isn't that of an accepted order"
        elif not order and other:
            meaning = f"the answer is about another video ({self._clean(other, MAX_NAME_CHARACTERS)!r})"
        else:
            meaning = self._unreadable()
        if named:
            meaning += f", and yet names a video ({named!r})"
        error = self._make(StarVideosMalformedAnswerError, response.status, meaning)
        error.named = named
        return error

    def _unreadable(self) -> str:
        response = self.response
        if response.too_large:
            return f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
        if not response.body.strip():
            return "the answer is empty"
        if self.payload is None and (encoding := response.headers.get("content-encoding")):
            return f"the answer is encoded ({self._clean(encoding, MAX_NAME_CHARACTERS)!r}) and can't be read"
        if self.payload is None:
            return "the answer isn't JSON; is the connection's host a StarVideos API?"
        return "the answer holds no video (a JSON object with an 'id' and a 'status')"

    def _by_range(self, status: int) -> tuple[type[StarVideosAPIError], str]:
        if status >= 500:
            return StarVideosServerError, "the server failed"
        if 300 <= status < 400:
            target = self._clean(_host(self.response.headers.get("location", "")), MAX_NAME_CHARACTERS)
            meaning = f"the server redirects to {target}, which isn't followed with a key: {CHECK_BASE_URL}"
            return StarVideosRejectedError, meaning
        return StarVideosRejectedError, "the API refused the request"

    def _make(self, kind: type[AnError], status: int, meaning: str, *, from_api: bool = False) -> AnError:
        headers = self.response.headers
        words = reason_of(self.payload, b"" if self.response.too_large else self.response.body)
        words = words or next(filter(None, (reason_of(node.fields) for node in self.nodes)), "")
        words = self._clean(words, MAX_MESSAGE_CHARACTERS)
        said = f" It said: {words}" if words else ""
        call = f"{self.request.method} {urlsplit(self.request.url).path}"
        return kind(
            f"{call} on {self.request.endpoint.host} answered {status}: {meaning}.{said}",
            status_code=status,
            body=self._clean(self.response.body.decode(errors="replace"), MAX_BODY_CHARACTERS),
            request_id=self._clean(headers.get("x-request-id", ""), MAX_NAME_CHARACTERS) or None,
            retry_after=retry_after_seconds(headers),
            from_api=from_api,
        )

    def _clean(self, text: Any, limit: int) -> str:
        return redacted(text, self.request.endpoint.key, limit) if isinstance(text, str) else ""


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
