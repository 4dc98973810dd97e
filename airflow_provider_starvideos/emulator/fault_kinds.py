"""What can go wrong, as one table: each kind of fault with its parameters and how it edits the right answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Literal

from airflow_provider_starvideos.emulator.responses import Answer, Body, json_answer
from airflow_provider_starvideos.emulator.settings import CheckError, boolean, integer, number, one_of

ON = ("create", "query", "download")
API = ("create", "query")
DOWNLOAD = ("download",)

_REQUIRED = object()

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may know of the request that it spoils."""

    url: str  # the request's URL with its query, for a redirect onto itself
    revoke: Callable[[], None]  # makes the URL of this download expire now


Edit = Callable[[Answer, Params, Scene], Answer]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault."""

    about: str  # what it does, for people
    edit: Edit | None = None  # turns the right answer into the wrong one; None for one that only waits
    # its own parameters: name to (default, check)
    params: Mapping[str, tuple[object, Callable[[object], object]]] = field(default_factory=dict)
    on: tuple[str, ...] = ON  # the requests that it can spoil
    # it changes the right answer, so the request is handled (a create: accepted and billed) first
    needs_answer: bool = False
    waits: Literal["delay", "hang"] | None = None  # it waits before anything is sent

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


# Edits of answers.


def _with_status(_: Answer, params: Params, scene: Scene) -> Answer:
    body = params["body"]
    headers = dict(params["headers"])
    retry_after = params["retry_after"]
    if params["retry_after_date"] is not None:
        retry_after = formatdate(time.time() + params["retry_after_date"], usegmt=True)
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    if body is None:
        message = f"fault injected: {params['status']}"
        body = {"error": {"message": message, "code": f"emulated_{params['status']}"}}
    if isinstance(body, str):
        content_type = headers.pop("Content-Type", "text/html" if body.lstrip().startswith("<") else "text/plain")
        return Answer(params["status"], Body(body.encode()), content_type, headers)
    return json_answer(body, params["status"], headers)


def _cut(answer: Answer, params: Params, scene: Scene) -> Answer:
    at = params["at"]
    return replace(answer, cut=int(answer.body.size * at) if at < 1 else min(int(at), answer.body.size))


def _expire_midway(answer: Answer, params: Params, scene: Scene) -> Answer:
    scene.revoke()
    return _cut(answer, params, scene)


def _huge(answer: Answer, params: Params, scene: Scene) -> Answer:
    head, tail = b'{"error": "', b'"}'
    body = Body(head, max(0, params["bytes"] - len(head) - len(tail)), tail, b"x")
    return Answer(params["status"], body, "application/json", length=None if params["chunked"] else "exact")


def _redirect(_: Answer, params: Params, scene: Scene) -> Answer:
    location = scene.url if params["location"] == "loop" else params["location"]
    return Answer(params["status"], Body(b""), headers={"Location": location})


def _changed(**fields: Callable[[Answer, Params], Any]) -> Edit:
    """Return an edit of some fields of the answer."""
    return lambda answer, params, _: replace(answer, **{name: value(answer, params) for name, value in fields.items()})


def _payload(change: Callable[[dict[str, Any], Params], Any]) -> Edit:
    """Return an edit of the JSON object in the body."""
    return lambda answer, params, _: json_answer(change(dict(answer.payload), params), answer.status)


def _body(data: bytes, content_type: str | None = None) -> Edit:
    """Return an edit that puts another body in; without a type, under the type of the right one."""

    def edit(answer: Answer, params: Params, scene: Scene) -> Answer:
        kind = content_type if content_type is not None else answer.content_type or "application/json"
        return Answer(answer.status, Body(data), kind)

    return edit


_STATUS = integer(200, 599)
_AT = {"at": (0.5, _at)}
_SECONDS = number(0, 3600, " seconds")
_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"
_LIMITED = {"error": {"message": "Too many requests.", "code": "rate_limit_exceeded"}}
_BROKEN = {"error": {"message": "Internal server error.", "code": "internal_error"}}


def _status(about: str, status: object, body: object = None, retry_after: object = None) -> Kind:
    params = {
        "status": (status, _STATUS),
        "body": (body, _anything),
        "headers": ({}, _headers),
        "retry_after": (retry_after, _retry_after),
        "retry_after_date": (None, number(-86_400, 86_400, " seconds from now", optional=True)),
    }
    return Kind(about, _with_status, params)


def _right(
    about: str,
    edit: Edit,
    on: tuple[str, ...] = ON,
    params: Mapping[str, tuple[object, Callable[[object], object]]] | None = None,
) -> Kind:
    """Return a kind that changes the right answer."""
    return Kind(about, edit, params or {}, on, needs_answer=True)


KINDS: dict[str, Kind] = {
    "status": _status("answers with a status, and a body (JSON or text) and headers", _REQUIRED),
    "rate_limit": _status("429, with Retry-After", 429, _LIMITED, "1"),
    "server_error": _status("500, with a JSON body", 500, _BROKEN),
    "bad_gateway_html": _status("502, with a proxy's HTML page", 502, _PAGE.format("502 Bad Gateway")),
    "reset": Kind("TCP reset instead of an answer", _changed(ending=lambda answer, params: "reset")),
    "close": Kind("closes the connection without an answer", _changed(ending=lambda answer, params: "close")),
    "close_after": _right(
        "answers right, then closes the connection unannounced", _changed(cut=lambda answer, params: answer.body.size)
    ),
    "half_body": _right("announces the right length, sends a part, closes", _cut, params=_AT),
    "hang": Kind(
        "no answer until the client leaves or the fault is removed; then drops it, or answers",
        params={"release": ("drop", one_of("drop", "answer"))},
        waits="hang",
    ),
    "delay": Kind("waits, then goes on", params={"seconds": (_REQUIRED, _SECONDS)}, waits="delay"),
    "slow": _right(
        "drips the right answer",
        _changed(bytes_per_second=lambda answer, params: params["bytes_per_second"]),
        params={"bytes_per_second": (_REQUIRED, number(0.1, 1e9))},
    ),
    "empty": Kind("an empty body", _body(b"", "")),
    "html": Kind("200 with an HTML page", _body(_PAGE.format("Please sign in").encode(), "text/html")),
    "redirect": Kind(
        "sends the client elsewhere; location=loop: back to the same URL",
        _redirect,
        {"location": (_REQUIRED, _text), "status": (302, integer(300, 399))},
    ),
    "garbage": Kind("bytes that are neither JSON nor video", _body(b'\x00\xff{"id": nonsense')),
    "wrong_type": Kind(
        "JSON, but no object",
        lambda answer, params, _: json_answer(params["body"], answer.status),
        {"body": ([1, 2, 3], _anything)},
        API,
    ),
    "no_id": _right(
        "the right object without its id",
        _payload(lambda payload, _: {name: value for name, value in payload.items() if name != "id"}),
        API,
    ),
    "envelope": _right(
        'the right object inside {"code": 200, "message": …, "data": …}',
        _payload(lambda payload, params: {"code": params["code"], "message": "success", "data": payload}),
        API,
        {"code": (200, _anything)},
    ),
    "error_200": Kind(
        "200 with an error's code and message",
        lambda _, params, __: json_answer({"code": params["code"], "message": params["message"], "data": None}),
        {"code": (401, _anything), "message": ("Invalid API key.", _text)},
        API,
    ),
    "unknown_status": _right(
        "a status that isn't documented",
        _payload(lambda payload, params: payload | {"status": params["status"]}),
        API,
        {"status": ("paused", _text)},
    ),
    "unknown_fields": _right(
        "further fields",
        _payload(
            lambda payload, _: payload | {"progress": 42, "metadata": {"region": "moon", "tags": [1, None]}, "": []}
        ),
        API,
    ),
    "huge": Kind(
        "streams a huge JSON body",
        _huge,
        {"bytes": (100_000_000, integer(0, 1 << 40)), "status": (200, _STATUS), "chunked": (True, boolean)},
        API,
    ),
    "truncate": _right("announces the right length, cuts the file short, closes", _cut, DOWNLOAD, _AT),
    "expire_midway": _right("cuts the file short, and its URL has expired", _expire_midway, DOWNLOAD, _AT),
    "wrong_length": _right(
        "announces delta bytes too many (then closes) or too few",
        _changed(length=lambda answer, params: max(0, answer.body.size + params["delta"])),
        DOWNLOAD,
        {"delta": (-1000, integer(-(1 << 40), 1 << 40))},
    ),
    "chunked": _right("no Content-Length", _changed(length=lambda answer, params: None), DOWNLOAD),
    "ignore_range": _right(
        "the whole file whatever Range says", lambda answer, params, _: answer.whole or answer, DOWNLOAD
    ),
    "content_type": _right(
        "another Content-Type",
        _changed(content_type=lambda answer, params: params["value"]),
        DOWNLOAD,
        {"value": ("text/plain", _text)},
    ),
}


def describe() -> str:
    """Return the table as text, a line per kind."""
    lines = []
    for name, kind in KINDS.items():
        params = ", ".join(n if d is _REQUIRED else f"{n}={json.dumps(d)[:40]}" for n, (d, _) in kind.params.items())
        on = "" if kind.on == ON else f" ({', '.join(kind.on)} only)"
        lines.append(f"  {name:<17} {kind.about}{on}" + (f" [{params}]" if params and len(params) < 90 else ""))
    return "\n".join(lines)
