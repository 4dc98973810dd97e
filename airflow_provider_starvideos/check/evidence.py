"""What was asked and what came back. Decides what of it may be shown: nothing secret."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_starvideos.api.answers import read_video
from airflow_provider_starvideos.api.models import VideoTask, time_text
from airflow_provider_starvideos.api.protocol import Endpoint, HttpRequest, HttpResponse, lost
from airflow_provider_starvideos.api.redaction import forms_of, hide_urls
from airflow_provider_starvideos.api.retry import was_not_accepted
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.exceptions import StarVideosConnectionError, StarVideosError

# Of other headers only the names are shown: cookies and the like may be secrets.
SHOWN_HEADERS = ("content-encoding", "content-length", "content-type", "date", "retry-after", "server", "x-request-id")
SHOWN_BODY_CHARACTERS = 600
SHORT_BODY_CHARACTERS = 160
SHORTEST_KEY_PART = 6  # characters of the key's beginning or end that a server may echo
URL = re.compile(r"(https?:(?:\\?/){2})(?:[^\s/\\\"'<>?#@]*@)?([^\s/\\\"'<>?#]+)[^\s\"'<>]*", re.IGNORECASE)


class Redactor:
    """Removes secrets from texts: the key, also in part, and of every URL all except its host."""

    def __init__(self, key: str) -> None:
        shortest = min(SHORTEST_KEY_PART, len(key))
        parts = {part for n in range(shortest, len(key)) for part in (key[:n], key[len(key) - n :])}
        self._secrets = sorted({*forms_of(key), *parts}, key=len, reverse=True)

    def __call__(self, text: str, limit: int = SHOWN_BODY_CHARACTERS) -> str:
        """Return a text for the report, in one line."""
        # Before the text is cut: a cut through the key would leave a part of it.
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = hide_urls(URL.sub(r"\1\2/…", text))
        text = "".join(c if c.isprintable() else " " for c in text).strip()
        return text if len(text) <= limit else text[: limit - 1] + "…"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    label: str
    request: HttpRequest
    response: HttpResponse | None  # what came back; None if nothing whole did
    lost: StarVideosConnectionError | None  # why nothing did
    started: float  # epoch seconds
    seconds: float

    @property
    def at(self) -> str:
        """When it was sent."""
        return time_text(self.started)

    @property
    def payload(self) -> Any:
        """The answer as JSON; None if it isn't."""
        try:
            return json.loads(self.response.body) if self.response else None
        except (ValueError, RecursionError):
            return None

    @property
    def status(self) -> int:
        """The answer's status, 0 without one."""
        return self.response.status if self.response else 0

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, by lower-case names."""
        return {name.lower(): value for name, value in self.response.headers.items()} if self.response else {}

    def read(self) -> VideoTask | StarVideosError:
        """Return what the provider makes of it."""
        if self.response is None:
            return self.lost or StarVideosError("no answer")
        try:
            return read_video(self.request, self.response)
        except StarVideosError as error:
            return error


class NoEvidenceError(Exception):
    """Something wasn't asked for, or got no answer. The message says what."""


@dataclass
class Evidence:
    """All that was asked for so far, and what of it may be shown."""

    endpoint: Endpoint
    exchanges: dict[str, Exchange] = field(default_factory=dict)  # in order, by label
    polls: list[Exchange] = field(default_factory=list)  # of the ordered video
    wait_seconds: float | None = None  # how long the ordered video took; None: it isn't completed
    wait_error: str | None = None  # why the wait for it ended
    # what came of fetching its result: ``bytes``, or ``unsafe`` or ``error``
    fetched: dict[str, object] = field(default_factory=dict)
    interrupted: bool = False  # the user ended the check
    crashed: str | None = None  # the traceback of an error of the check itself

    def __post_init__(self) -> None:
        self.redact = Redactor(self.endpoint.key)

    def ask(self, label: str, client: SyncClient, request: HttpRequest) -> Exchange:
        """Send one request, once, and keep what came of it, also where Ctrl-C comes in between."""
        response, failure = None, lost(request, "interrupted", sent=True)
        started, clock = time.time(), time.monotonic()
        try:
            response = client.send(request)
        except StarVideosConnectionError as error:
            failure = error
        finally:
            gone = None if response else failure
            self.exchanges[label] = Exchange(label, request, response, gone, started, time.monotonic() - clock)
        return self.exchanges[label]

    def exchange(self, label: str) -> Exchange:
        """Return an exchange that has an answer.

        :raises NoEvidenceError: there is none
        """
        exchange = self.exchanges.get(label)
        if exchange is None or exchange.response is None:
            raise NoEvidenceError(self.seen(exchange) if exchange else f"not asked: {label}")
        return exchange

    @property
    def answered(self) -> list[Exchange]:
        """All exchanges that have an answer."""
        return [one for one in self.exchanges.values() if one.response]

    @property
    def ordered(self) -> list[str]:
        """The ids of all videos that were ordered, by any order."""
        answers = [one.read() for one in self.exchanges.values() if one.request.is_order]
        return [answer.id for answer in answers if isinstance(answer, VideoTask)]

    @property
    def unconfirmed(self) -> list[Exchange]:
        """The orders whose outcome is unknown."""
        orders = [(one, one.read()) for one in self.exchanges.values() if one.request.is_order]
        return [one for one, read in orders if isinstance(read, StarVideosError) and not was_not_accepted(read)]

    @property
    def may_order(self) -> bool:
        """Every order so far was refused. After any other answer no more is sent."""
        return not self.ordered and not self.unconfirmed

    def what_to_look_for(self, exchange: Exchange) -> str:
        """Return what a user needs to find an order in the account."""
        sent = self.redact((exchange.request.body or b"").decode())
        return f"sent to {self.endpoint.base_url} at {exchange.at}: {sent}"

    def seen(self, exchange: Exchange) -> str:
        """Return an answer in one line."""
        if exchange.response is None:
            return f"{exchange.label}: no whole answer ({self.redact(str(exchange.lost))})"
        body = self._body(exchange, SHORT_BODY_CHARACTERS)
        kind = exchange.headers.get("content-type", "no content type")
        return f"{exchange.label}: {exchange.response.status}, {self.redact(kind, 60)}, {body or 'an empty body'}"

    def shown(self, exchange: Exchange) -> dict[str, Any]:
        """Return an exchange for the JSON report."""
        request, response, headers = exchange.request, exchange.response, exchange.headers
        shown: dict[str, Any] = {
            "label": exchange.label,
            "method": request.method,
            "path": request.url.removeprefix(self.endpoint.base_url),
            "at": exchange.at,
            "seconds": round(exchange.seconds, 3),
        }
        if request.body is not None:
            shown["sent"] = self.redact(request.body.decode())
        if response is None:
            return shown | {"lost": self.redact(str(exchange.lost))}
        return shown | {
            "status": response.status,
            "headers": {name: self.redact(headers[name], 100) for name in SHOWN_HEADERS if name in headers},
            "other_headers": [self.redact(name, 60) for name in sorted(headers) if name not in SHOWN_HEADERS][:40],
            "body": self._body(exchange, SHOWN_BODY_CHARACTERS),
            "body_bytes": len(response.body),
        }

    def _body(self, exchange: Exchange, limit: int) -> str:
        return self.redact(exchange.response.body.decode(errors="replace") if exchange.response else "", limit)
