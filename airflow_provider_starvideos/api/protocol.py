"""Requests to the StarVideos API and its answers, as bytes.

Paths and fields are from the vendor's pages "StarVideos O3 - Create Task" and "StarVideos O3 - Query Task".
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_starvideos import __version__
from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.redaction import is_harmless, redacted
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.api.values import is_missing
from airflow_provider_starvideos.exceptions import Problem, StarVideosConnectionError, StarVideosValidationError

CREATE_PATH = "/v1/starvideos/videos"
RESULT_PATH = "/v1/result/"
USER_AGENT = f"airflow-provider-starvideos/{__version__}"
HEADERS: Mapping[str, str] = {  # of every request; the client adds the key's
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # answers are small, and a compressed one could be a bomb
    "Cache-Control": "no-cache",  # a proxy that repeats an earlier status would hold up a wait
    "User-Agent": USER_AGENT,
}
BODY_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}

MAX_ANSWER_BYTES = 1024 * 1024  # the API's answers are small JSON objects; a longer answer may be endless
# zlib's window bits by content coding; some servers send ``deflate`` without zlib's header.
WINDOW_BITS: Mapping[str, tuple[int, ...]] = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
MAX_LOSS_CHARACTERS = 500  # of a library's words about a lost answer; they may quote the answer
VIDEO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class Endpoint:
    """Address and key of the API, and the options of the connection that names them."""

    base_url: str  # shared prefix of every path, without a slash at the end
    key: str = field(repr=False)
    timeout: float = 60.0  # seconds for a whole request, connecting and reading included
    connect_timeout: float = 10.0  # seconds
    max_retries: int = 3  # how often a call is sent again, where that is safe
    presign_seconds: int = 3600  # how long the API can read a presigned input
    allow_private_downloads: bool = False  # fetch results from private addresses too
    skip_input_checks: bool = False  # order without checking that the API can read the inputs
    max_orders_per_task: int | None = None  # of a task instance over all of its tries; None: no limit
    max_seconds_per_order: int | None = None  # of one video; None: no limit

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True)
class HttpRequest:
    """One request to the API host. The client adds the key of ``endpoint`` as the Bearer header."""

    method: str
    url: str
    endpoint: Endpoint
    body: bytes | None = field(default=None, repr=False)
    video_id: str | None = None  # of a query; None for an order

    @property
    def is_order(self) -> bool:
        """This request costs money when it is accepted."""
        return self.method == "POST"


@dataclass(frozen=True)
class HttpResponse:
    """An answer, decoded."""

    status: int
    headers: Mapping[str, str]  # by lower-case names
    body: bytes = field(repr=False)
    too_large: bool = False  # the body was cut at MAX_ANSWER_BYTES


def received(status: int, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """Return an answer, decoded where the server encoded it anyway, and cut at ``MAX_ANSWER_BYTES``.

    HTTP libraries would decode it too, some versions without any bound.

    :param headers: by lower-case names
    :param body: as received; of a too large one, a little more than ``MAX_ANSWER_BYTES``
    """
    encoding = headers.get("content-encoding")
    if encoding and len(body) <= MAX_ANSWER_BYTES:
        body = _decoded(encoding, body)
    return HttpResponse(status, headers, body[:MAX_ANSWER_BYTES], len(body) > MAX_ANSWER_BYTES)


def _decoded(encoding: str, body: bytes) -> bytes:
    """Return a decoded body, at most ``MAX_ANSWER_BYTES`` + 1; one that can't be decoded unchanged: it may be plain."""
    for bits in WINDOW_BITS.get(encoding.strip().lower(), ()):
        unpacker = zlib.decompressobj(bits)
        with suppress(zlib.error):
            decoded = unpacker.decompress(body, MAX_ANSWER_BYTES + 1)
            if unpacker.eof or len(decoded) > MAX_ANSWER_BYTES:
                return decoded
    return body


def create_request(endpoint: Endpoint, request: VideoRequest) -> HttpRequest:
    """Return the order of a video (page "Create Task")."""
    body = json.dumps(request.to_wire(), ensure_ascii=False).encode()
    return HttpRequest("POST", endpoint.base_url + CREATE_PATH, endpoint, body)


def query_request(endpoint: Endpoint, video_id: str) -> HttpRequest:
    """Return the query of a video's status (page "Query Task"). Checks the id, see ``check_video_id``."""
    checked = check_video_id(video_id)
    return HttpRequest("GET", endpoint.base_url + RESULT_PATH + checked, endpoint, video_id=checked)


def check_video_id(video_id: Any) -> str:
    """Return ``video_id`` without blanks around it.

    :raises StarVideosValidationError: it is empty, not text, or has characters that no id has, for example a slash
    """
    text = video_id.strip() if isinstance(video_id, str) else ""
    if VIDEO_ID.fullmatch(text) and not is_missing(text):
        return text
    rule = "must be a StarVideos id such as 'video_starvideos_1234567890' (letters, digits and . _ ~ -)"
    if video_id is None or (text and is_missing(text)):  # Jinja makes the text "None" of it
        # For example with `airflow tasks test`, which runs one task alone.
        rule += "; None means that the task it was to come from has returned nothing in this run"
    raise StarVideosValidationError([Problem("video_id", rule, shown(video_id))])


def lost(request: HttpRequest, what: str, *, sent: bool) -> StarVideosConnectionError:
    """Return the error of a request without a whole answer, in one line and without secrets.

    :param what: what happened, also in a library's own words
    :param sent: False only if the request provably never left
    """
    endpoint, where = request.endpoint, "lost the connection to" if sent else "no connection to"
    said = redacted(what, endpoint.key, MAX_LOSS_CHARACTERS)
    return StarVideosConnectionError(f"{request.method} {request.url}: {where} {endpoint.host} ({said}).", sent=sent)


def cause_of(request: HttpRequest, error: Exception) -> Exception | None:
    """Return a library's error as the cause of ours; None if it quotes a secret, because Airflow logs causes."""
    is_safe = is_harmless(f"{error!r} {error}", request.endpoint.key, 2 * MAX_LOSS_CHARACTERS)
    return error if is_safe else None
