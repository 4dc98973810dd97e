"""Requests to the StarVideos API as bytes. Everything of the wire format stands here, in ``answers`` and in ``models``.

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
from airflow_provider_starvideos.exceptions import Problem, StarVideosConnectionError, StarVideosValidationError

CREATE_PATH = "/v1/starvideos/videos"
RESULT_PATH = "/v1/result/"
USER_AGENT = f"airflow-provider-starvideos/{__version__}"
HEADERS: Mapping[str, str] = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # answers are small, and a compressed one could be a bomb
    "User-Agent": USER_AGENT,
}
"""Of every request; the key's is added by the transport."""
BODY_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}

MAX_ANSWER_BYTES = 1024 * 1024
"""An answer is a small JSON object; whoever sends more is not the API, and may be endless."""
WINDOW_BITS: Mapping[str, tuple[int, ...]] = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""What zlib needs to know to read a content coding; some servers' ``deflate`` comes without zlib's header."""
MAX_LOSS_CHARACTERS = 500
"""Of what a library says of a lost answer; it may quote much of what came."""
VIDEO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}", re.ASCII)


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
    :param skip_input_checks: order without a look whether inputs can be read
    """

    base_url: str
    key: str = field(repr=False)
    timeout: float = 60.0
    connect_timeout: float = 10.0
    max_retries: int = 3
    presign_seconds: int = 3600
    allow_private_downloads: bool = False
    skip_input_checks: bool = False

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True)
class HttpRequest:
    """One request to the API host. The key is in ``endpoint``; a transport adds it as the Bearer header.

    :param video_id: what a query asks for; None for an order
    """

    method: str
    url: str
    endpoint: Endpoint
    body: bytes | None = field(default=None, repr=False)
    video_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """All headers but ``Authorization``."""
        return {**HEADERS, **BODY_HEADERS} if self.body is not None else {**HEADERS}

    @property
    def is_order(self) -> bool:
        """This request costs money when it is accepted."""
        return self.method == "POST"


@dataclass(frozen=True)
class HttpResponse:
    """An answer as it came. ``headers`` are found by lower-case names; ``too_large``: ``body`` was cut at the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    too_large: bool = False


def received(status: int, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """Return an answer as it is to be read: decoded, should it be encoded all the same, and cut at the cap.

    The transports hand over what came on the wire. Their libraries would decode it without any bound in some versions.

    :param headers: found by lower-case names
    :param body: as it came; of one beyond the cap, a little more than the cap is enough
    """
    encoding = headers.get("content-encoding")
    if encoding and len(body) <= MAX_ANSWER_BYTES:
        body = _decoded(encoding, body)
    return HttpResponse(status, headers, body[:MAX_ANSWER_BYTES], len(body) > MAX_ANSWER_BYTES)


def _decoded(encoding: str, body: bytes) -> bytes:
    """Return a decoded body, up to a byte more than the cap; one that can't be decoded as it is: it may be plain."""
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
    """Return the query of a video's status (page "Query Task").

    :raises StarVideosValidationError: if ``video_id`` can't be an id of the API
    """
    checked = check_video_id(video_id)
    return HttpRequest("GET", endpoint.base_url + RESULT_PATH + checked, endpoint, video_id=checked)


def check_video_id(video_id: Any) -> str:
    """Return ``video_id`` without blanks around it, if it can be one.

    :raises StarVideosValidationError: empty, not text, or with characters that no id has (a slash, say)
    """
    text = video_id.strip() if isinstance(video_id, str) else ""
    if VIDEO_ID.fullmatch(text):
        return text
    rule = "must be a StarVideos id such as 'video_starvideos_1234567890' (letters, digits and . _ ~ -)"
    if video_id is None:
        # Such as where one task of a Dag is tried alone, with `airflow tasks test`: nothing came before it.
        rule += "; None means that the task it was to come from has returned nothing in this run"
    raise StarVideosValidationError([Problem("video_id", rule, shown(video_id))])


def lost(request: HttpRequest, what: str, *, sent: bool) -> StarVideosConnectionError:
    """Return the error of a request to which no whole answer came, in one line and without secrets.

    :param what: what happened, also in a library's own words
    :param sent: False only if the request provably never left
    """
    endpoint, where = request.endpoint, "lost the connection to" if sent else "no connection to"
    said = redacted(what, endpoint.key, MAX_LOSS_CHARACTERS)
    return StarVideosConnectionError(f"{request.method} {request.url}: {where} {endpoint.host} ({said}).", sent=sent)


def cause_of(request: HttpRequest, error: Exception) -> Exception | None:
    """Return a library's error as the cause of ours; none if it quotes a secret: Airflow logs causes, too."""
    told = is_harmless(f"{error!r} {error}", request.endpoint.key, 2 * MAX_LOSS_CHARACTERS)
    return error if told else None
