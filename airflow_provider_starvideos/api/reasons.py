"""The server's words about a refusal or a failed video, wherever an answer has them, as one short text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from airflow_provider_starvideos.api.models import plain
from airflow_provider_starvideos.api.origins import A_STATUS_NAME

REASON_NAMES = (  # by plain name, the most specific first; ``message`` comes late: an envelope's says "success"
    *("error", "detail", "errors", "failreason", "failurereason", "failedreason", "errormsg", "errormessage"),
    *("errmsg", "errordescription", "errorinfo", "message", "msg", "reason", "fault", "faultstring"),
)
TEXTS_IN_OBJECT = (*REASON_NAMES, "description", "code", "type")
NO_REASON = re.compile(r"(success(ful(ly)?)?|succeeded|ok|done|null|none|操作成功|请求成功|成功)[.!。]?", re.IGNORECASE)
PAGE_TEXT = re.compile(r"<(title|message)[^>]*>([^<]{1,500})</\1>", re.IGNORECASE)
MOST_TEXTS = 5  # of a list
MAX_DEPTH = 4
MAX_BODY_CHARACTERS = 4000  # of a page that are searched


def reason_of(payload: Any, body: bytes = b"") -> str:
    """Return why, in the server's words, not redacted and not cut; empty without any.

    :param payload: the answer's JSON, or the part of it that is the video; None where it isn't JSON
    :param body: the whole answer, for plain text and pages
    """
    if payload is None:
        return _of_text(body)
    # An object's values count by their names; a text or a list of texts, as some servers answer, counts as it is.
    return _of_object(payload, REASON_NAMES, 0) if isinstance(payload, Mapping) else _of(payload, 0)


def _of_object(value: Mapping[str, Any], names: tuple[str, ...], depth: int) -> str:
    fields: dict[str, Any] = {}
    for name, inner in value.items():
        fields.setdefault(plain(str(name)), inner)
    bare = ""
    for name in names:
        if (inner := fields.get(name)) is None:
            continue
        found = _of(inner, depth + 1)
        if found and not A_STATUS_NAME.fullmatch(found):
            return found
        bare = bare or found  # "Bad Request": used only where nothing else is given
    return bare


def _of(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        return ""
    if isinstance(value, str):
        return "" if NO_REASON.fullmatch(value.strip()) else value.strip()
    if isinstance(value, list):
        texts = [text for text in (_of(one, depth + 1) for one in value[:MOST_TEXTS]) if text]
        return "; ".join(dict.fromkeys(texts)) + (" …" if len(value) > MOST_TEXTS else "")
    if isinstance(value, Mapping):
        if found := _of_object(value, TEXTS_IN_OBJECT, depth):
            where = value.get("loc") or value.get("field") or value.get("path")
            return f"{_path(where)}: {found}" if _path(where) else found
        # a field's name → what is wrong with it
        wrong = {str(name): _of(inner, depth + 1) for name, inner in list(value.items())[:MOST_TEXTS]}
        return "; ".join(f"{name}: {text}" for name, text in wrong.items() if text)
    return ""


def _path(where: Any) -> str:
    if isinstance(where, str):
        return where.strip()
    return ".".join(str(part) for part in where if isinstance(part, str | int)) if isinstance(where, list) else ""


def _of_text(body: bytes) -> str:
    text = body[:MAX_BODY_CHARACTERS].decode(errors="replace").strip()
    if text.startswith("<"):
        title = PAGE_TEXT.search(text)
        return unescape(title.group(2)).strip() if title else ""
    # Cut JSON says less than the error that it can't be read, and binary data says nothing.
    silent = text.startswith(("{", "[")) or "\ufffd" in text or "\0" in text or NO_REASON.fullmatch(text)
    return "" if silent else text
