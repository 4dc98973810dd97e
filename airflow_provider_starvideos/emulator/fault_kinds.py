"""What can go wrong, as one table: each kind with its parameters and how it edits the right answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_starvideos.emulator import fault_edits as edits
from airflow_provider_starvideos.emulator.fault_edits import Edit
from airflow_provider_starvideos.emulator.settings import CheckError, boolean, integer, number, one_of

ON = ("create", "query", "download")
API = ("create", "query")
DOWNLOAD = ("download",)

_REQUIRED = object()
_PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1><hr>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    :param about: what it does, for people.
    :param edit: turns the right answer into the wrong one; None for one that only waits.
    :param params: its own parameters: name to (default, check).
    :param on: the requests that it can spoil.
    :param needs_answer: it changes the right answer, so the request is handled (a create: accepted and billed) first.
    :param waits: it waits before anything is sent.
    """

    about: str
    edit: Edit | None = None
    params: Mapping[str, tuple[object, Callable[[object], object]]] = field(default_factory=dict)
    on: tuple[str, ...] = ON
    needs_answer: bool = False
    waits: Literal["delay", "hang"] | None = None

    def read(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Check this kind's parameters and fill in those that are missing.

        :raises ValueError: one is unknown, missing or out of bounds.
        """
        unknown = sorted(set(given) - set(self.params))
        if unknown:
            raise ValueError(f"no parameter {unknown[0]!r} (there are: {', '.join(self.params) or 'none'})")
        read: dict[str, Any] = {}
        for name, (default, check) in self.params.items():
            if name not in given and default is _REQUIRED:
                raise ValueError(f"the parameter {name!r} is required")
            try:
                read[name] = check(given[name]) if name in given else default
            except CheckError as exc:
                raise ValueError(f"{name} must be {exc} (got {given[name]!r})") from None
        return read


# Checks of parameters.


def _anything(value: object) -> object:
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise CheckError("a string")
    return value


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise CheckError("an object of strings")
    return value


def _retry_after(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise CheckError("seconds, an HTTP date or null")
    return f"{value:g}"


def _at(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise CheckError("bytes (an integer), or a share of the body (below 1)")
    return value


_STATUS = integer(200, 599)
_AT = {"at": (0.5, _at)}
_SECONDS = number(0, 3600, " seconds")


def _status_kind(about: str, status: object, body: object = None, retry_after: object = None) -> Kind:
    return Kind(
        about,
        edits.status,
        {
            "status": (status, _STATUS),
            "body": (body, _anything),
            "headers": ({}, _headers),
            "retry_after": (retry_after, _retry_after),
            "retry_after_date": (None, number(-86_400, 86_400, " seconds from now", optional=True)),
        },
    )


_LIMITED = {"error": {"message": "Too many requests.", "code": "rate_limit_exceeded"}}
_BROKEN = {"error": {"message": "Internal server error.", "code": "internal_error"}}
_GATEWAY = (_PAGE % (b"502 Bad Gateway", b"502 Bad Gateway")).decode()
_LOGIN = _PAGE % (b"Welcome", b"Please sign in")

KINDS: dict[str, Kind] = {
    "status": _status_kind("answers with a status, and a body (JSON or text) and headers", _REQUIRED),
    "rate_limit": _status_kind("429, with Retry-After", 429, _LIMITED, "1"),
    "server_error": _status_kind("500, with a JSON body", 500, _BROKEN),
    "bad_gateway_html": _status_kind("502, with a proxy's HTML page", 502, _GATEWAY),
    "reset": Kind("TCP reset instead of an answer", edits.reset),
    "close": Kind("closes the connection without an answer", edits.close),
    "close_after": Kind("answers right, then closes the connection unannounced", edits.close_after, needs_answer=True),
    "half_body": Kind("announces the right length, sends a part, closes", edits.cut, _AT, needs_answer=True),
    "hang": Kind(
        "no answer until the client leaves or the fault is removed; then drops it, or answers",
        params={"release": ("drop", one_of("drop", "answer"))},
        waits="hang",
    ),
    "delay": Kind("waits, then goes on", params={"seconds": (_REQUIRED, _SECONDS)}, waits="delay"),
    "slow": Kind(
        "drips the right answer",
        edits.slow,
        {"bytes_per_second": (_REQUIRED, number(0.1, 1e9))},
        needs_answer=True,
    ),
    "empty": Kind("an empty body", edits.replaced("", b"")),
    "html": Kind("200 with an HTML page", edits.replaced("text/html", _LOGIN)),
    "redirect": Kind(
        "sends the client elsewhere; location=loop: back to the same URL",
        edits.redirect,
        {"location": (_REQUIRED, _text), "status": (302, integer(300, 399))},
    ),
    "garbage": Kind("bytes that are neither JSON nor video", edits.garbage),
    "wrong_type": Kind("JSON, but no object", edits.wrong_type, {"body": ([1, 2, 3], _anything)}, API),
    "no_id": Kind("the right object without its id", edits.payload(edits.no_id), on=API, needs_answer=True),
    "envelope": Kind(
        'the right object inside {"code": 200, "message": …, "data": …}',
        edits.payload(edits.envelope),
        {"code": (200, _anything)},
        API,
        needs_answer=True,
    ),
    "error_200": Kind(
        "200 with an error's code and message",
        edits.error_200,
        {"code": (401, _anything), "message": ("Invalid API key.", _text)},
        API,
    ),
    "unknown_status": Kind(
        "a status nobody documented",
        edits.payload(edits.unknown_status),
        {"status": ("paused", _text)},
        API,
        needs_answer=True,
    ),
    "unknown_fields": Kind("further fields", edits.payload(edits.unknown_fields), on=API, needs_answer=True),
    "huge": Kind(
        "streams a huge JSON body",
        edits.huge,
        {"bytes": (100_000_000, integer(0, 1 << 40)), "status": (200, _STATUS), "chunked": (True, boolean)},
        API,
    ),
    "truncate": Kind("announces the right length, cuts the file short, closes", edits.cut, _AT, DOWNLOAD, True),
    "expire_midway": Kind("cuts the file short, and its URL has expired", edits.expire_midway, _AT, DOWNLOAD, True),
    "wrong_length": Kind(
        "announces delta bytes too many (then closes) or too few",
        edits.wrong_length,
        {"delta": (-1000, integer(-(1 << 40), 1 << 40))},
        DOWNLOAD,
        needs_answer=True,
    ),
    "chunked": Kind("no Content-Length", edits.chunked, on=DOWNLOAD, needs_answer=True),
    "ignore_range": Kind("the whole file whatever Range says", edits.ignore_range, on=DOWNLOAD, needs_answer=True),
    "content_type": Kind(
        "another Content-Type", edits.content_type, {"value": ("text/plain", _text)}, DOWNLOAD, needs_answer=True
    ),
}


def describe() -> str:
    """Return the table as text, a line a kind."""
    lines = []
    for name, kind in KINDS.items():
        params = ", ".join(n if d is _REQUIRED else f"{n}={json.dumps(d)[:40]}" for n, (d, _) in kind.params.items())
        on = "" if kind.on == ON else f" ({', '.join(kind.on)} only)"
        lines.append(f"  {name:<17} {kind.about}{on}" + (f" [{params}]" if params and len(params) < 90 else ""))
    return "\n".join(lines)
