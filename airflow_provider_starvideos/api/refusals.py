"""Finds an error inside a success (HTTP 200), and the HTTP status that it means.

Such platforms answer ``200 {"code": 402, "message": "insufficient balance"}``. A wrong reading may cost money:

- An error read as an accepted order: the task waits for a video that never comes. **Billed again: no.**
- An accepted order read as a refusal: a retry, or a clear of the task, orders the video again. **Billed again: yes.**
- A refusal read as an unknown outcome: a person has to decide. **Billed again: no.**

So an error refuses an order only if its code is an HTTP status that proves it (``retry.ORDER_OUTCOMES``). With an
unknown code, its words must be ones that no server says after it accepted an order (``REFUSAL_WORDS``). In all other
cases (codes 1001, -1, ``success: false``), and where the answer has a video's id, the outcome is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.api.models import TaskStatus
from airflow_provider_starvideos.api.origins import FOREIGN_WORDS
from airflow_provider_starvideos.api.payloads import Node
from airflow_provider_starvideos.api.reasons import NO_REASON, reason_of

CODE_NAMES = ("code", "errorcode", "errcode", "errno", "statuscode", "resultcode", "retcode")
SUCCESS_NAMES = ("success", "succeeded", "ok")
NO_ERROR = frozenset({"", "0", "00", "000", "0000", "00000", "ok", "success", "succeed", "none", "null", "true"})
HTTP_CODE = re.compile(r"(?:[a-z]+[ _-]?)?([45][0-9]{2})(?:\.0+)?", re.IGNORECASE)  # 402, "402", "E402", "HTTP_402"
LONG_CODE = re.compile(r"(4[0-2][0-9])[0-9]{2,3}")  # 40201, 402001: an HTTP status and a further number
REFUSAL_WORDS: Mapping[int, re.Pattern[str]] = {
    status: re.compile("|".join(patterns), re.IGNORECASE)
    for status, patterns in {
        402: (
            r"insufficient[ _-]?(account |user )?(balance|credit|quota|fund)",
            r"(balance|credit|quota)s? (is |are )?(not enough|insufficient|exceeded|exhausted)",
            r"(no|out of) (credit|quota)|arrears|payment required|余额不足|欠费|额度不足",
        ),
        401: (
            r"(invalid|incorrect|wrong|missing|expired)[ _-]?(api[ _-]?)?(key|token)",
            r"unauthori[sz]ed|authentication[ _-]?fail|无效的?(令牌|密钥|key)|鉴权失败|未授权",
        ),
        429: (r"rate[ _-]?limit|too[ _-]?many[ _-]?requests|请求过于频繁|限流",),
        422: (
            r"(invalid|missing|unsupported|illegal)[ _-]?(param|argument|value|request|model)",
            r"(invalid|missing|unsupported|illegal)[ _-]?(prompt|image|video|ratio|duration)",
            r"content[ _-]?policy|moderat(ion|ed)|sensitive|prompt (was )?(flagged|rejected|blocked)",
            r"参数(错误|无效)|敏感|违规",
        ),
    }.items()
}
# Together with one of these, the words above may be about something that happened after the order was accepted.
UNSURE_WORDS = re.compile(r"response|result|internal|system error|timeout|系统|超时", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """An error inside a success."""

    code: str  # as the server writes it, for the message
    status: int | None  # the HTTP status that the code means; None: none
    status_by_words: int | None  # the HTTP status that the server's words mean; None: unknown words


def refusal_in(nodes: Sequence[Node], video: Node | None) -> Refusal | None:
    """Return the error inside a success, if there is one."""
    words = next(filter(None, (reason_of(node.fields) for node in nodes)), "")
    by_words = _status_by_words(words) if words else None
    codes = [code for node in nodes for code in _codes_of(node, has_failed=node is video and _has_failed(node))]
    for code in codes:
        if (status := http_status_of(code)) is not None:
            return Refusal(f"code {code!r}", status, None)
    if video is not None and _has_failed(video):
        return None  # its code and its words are the reason why it failed
    for code in codes:
        if not _is_harmless(words, nodes, video):
            return Refusal(f"code {code!r}", None, by_words or _status_by_words(str(code)))
    if any(_is_false(node.fields.get(name)) for node in nodes for name in SUCCESS_NAMES):
        return Refusal("success is false", None, by_words)
    if nodes and nodes[0] is not video and nodes[0].status is TaskStatus.FAILED and not nodes[0].video_id:
        return Refusal("its status is an error", None, by_words)
    # Without a status nothing proves a video: then any "error" counts, and words that only a refusal has.
    if (video is None or video.status is None) and (by_words or any(node.fields.get("error") for node in nodes)):
        return Refusal("an error without a code", None, by_words)
    return None


def http_status_of(code: Any) -> int | None:
    """Return the HTTP status from 400 that a code means (402, ``"E402"``, ``"40201"``), or None."""
    text = str(code).strip()
    match = HTTP_CODE.fullmatch(text) or LONG_CODE.fullmatch(text)
    return int(match.group(1)) if match else None


def _codes_of(node: Node, *, has_failed: bool) -> list[Any]:
    """Return the codes of an object, and of the error in it, that don't mean success."""
    error = node.fields.get("error")
    inner = error.get("code") if isinstance(error, Mapping) and not has_failed else None
    codes = [*(node.fields.get(name) for name in CODE_NAMES), inner]
    return [code for code in codes if isinstance(code, str | int | float) and not _is_success(code)]


def _has_failed(video: Node) -> bool:
    return video.status is TaskStatus.FAILED


def _is_success(code: str | float) -> bool:
    if isinstance(code, bool):
        return code
    text = str(code).strip().lower()
    return text in NO_ERROR or re.fullmatch(r"(0+|2[0-9]{2})(\.0+)?", text) is not None


def _is_harmless(words: str, nodes: Sequence[Node], video: Node | None) -> bool:
    """Return whether an unknown code is no error: the answer says success, or has a video with a status."""
    if words:
        return False
    says_success = any(NO_REASON.fullmatch(node.text(("message", "msg"))) for node in nodes)
    return says_success or (video is not None and video.status is not None)


def _is_false(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")


def _status_by_words(words: str) -> int | None:
    if UNSURE_WORDS.search(words) or FOREIGN_WORDS.search(words):
        return None
    return next((status for status, pattern in REFUSAL_WORDS.items() if pattern.search(words)), None)
