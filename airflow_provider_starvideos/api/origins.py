"""Who gave an answer: the API itself, or something in front of it (a gateway, a proxy, a framework's error page).

Only the API itself ends a wait for a video, and only its own 503 proves that an order wasn't accepted. An answer that
isn't certainly the API's doesn't count as the API's.

===============================================================  ============  =====================================
answer                                                           ``from_api``  why
===============================================================  ============  =====================================
``{"error": text, object or list of such}``                      yes           the API's error shapes
``{"code": …, "message" or "msg" or "data": …}``, also in a 200  yes           the API's envelope
404 ``{"message": …}`` that speaks of a video or a task          yes           a gateway doesn't know of videos
``{"message": …}`` alone                                         no            AWS and Kong answer so
``{"message": "No handler found for GET /…"}``                   no            the server has no routes: a restart
``timestamp`` + ``path``, ``statusCode``, ``fault``, …           no            Spring, Azure, Apigee (FOREIGN_FIELDS)
an ``error`` that only names the status ("Not Found")            no            any framework's default
503 whose ``message`` only names the status                      no            any gateway's default
words such as upstream, deadline, reset by peer                  no            the API has no upstream to speak of
3xx, 407, 421, 444, 460, 494 to 499, 502, 504, 520 to 599        no            statuses of gateways, proxies, CDNs
HTML, plain text, XML, a list, an empty or a too large body      no            not the API's form
a success without a video and without an error                   no            it says nothing that is known
===============================================================  ============  =====================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

INTERMEDIARY_STATUSES = frozenset(
    {*range(300, 400), 407, 408, 421, 444, 460, 463, 464, *range(494, 500), 502, 504, 511, *range(520, 600)}
)  # nginx: 444, 494-499; AWS's load balancers: 460, 463, 464, 561; Cloudflare: 520-530
FOREIGN_FIELDS = (
    {"timestamp", "path"},  # Spring's default page, Spring Cloud Gateway, Zuul
    {"timestamp", "status"},
    {"statusCode"},  # Azure API Management, Nest, Fastify
    {"http_status_code"},  # Gravitee
    {"httpCode"},  # IBM API Connect
    {"fault"},  # Apigee, WSO2
    {"type", "title"},  # RFC 9457: Cloudflare's answer to who accepts JSON
    {"ray_id"},  # Cloudflare
    {"error_msg"},  # APISIX; the API's own, of a failed video, has an id too
)  # an object with all fields of one of these isn't the API's
FOREIGN_WORDS = re.compile(
    r"\b(upstream|gateway|(reverse |http )?proxy|proxying|back-?end|load.?balancer|ring-balancer|no healthy"
    r"|circuit.?break\w*|timed? ?-?out|connection (refused|reset|error|closed)|no handler found|cannot (get|post)"
    r"|no (static )?(route|resource)|route not found|missing authentication token|sentinel|envoy|nginx|istio"
    r"|deadline.?exceeded|context (deadline|cancell?ed)|reset by peer|stream (reset|error|closed|terminated|idle)\w*"
    r"|broken pipe|unexpected eof|disconnect\w*|serviceunavailable\w*)\b",
    re.IGNORECASE,
)
GRPC_CODES = frozenset(range(1, 17))  # of a gateway that translates gRPC; the API's codes are HTTP statuses
OF_A_VIDEO = re.compile(r"\b(video|task|job|project|generation)s?\b|视频|任务", re.IGNORECASE)
A_PATH = re.compile(r"\S*/\S*")
A_STATUS_NAME = re.compile(
    r"(bad request|unauthorized|payment required|forbidden|not found|method not allowed|not acceptable|conflict|gone"
    r"|unprocessable (entity|content)|too many requests|internal server error|not implemented|bad gateway"
    r"|(service )?(temporarily )?unavailable|gateway time-?out)[.!]?",
    re.IGNORECASE,
)


CACHE_HEADERS = ("x-cache", "x-cache-status", "x-proxy-cache", "cf-cache-status")
A_HIT = re.compile(r"(?:(?! from ).)*(?<![a-z])hit(?![a-z])", re.IGNORECASE)  # not in the name of the cache


def is_repeated(headers: Mapping[str, str]) -> bool:
    """Return whether a cache says that it has repeated an earlier answer: it proves nothing of this request.

    :param headers: by lower-case names
    """
    age = headers.get("age", "").strip()
    is_old = age.isascii() and age.isdecimal() and age.strip("0") != ""
    return is_old or any(A_HIT.match(headers.get(name, "")) for name in CACHE_HEADERS)


def is_from_api(status: int, payload: Any) -> bool:
    """Return whether an error is from the API itself, by the table in this module's docstring."""
    if status in INTERMEDIARY_STATUSES or not isinstance(payload, dict):
        return False
    if any(fields <= payload.keys() for fields in FOREIGN_FIELDS):
        return False
    words = _words(payload)
    code = payload.get("code")
    if FOREIGN_WORDS.search(words) or (isinstance(code, int) and code in GRPC_CODES):
        return False
    if status == 503 and _only_names_the_status(payload):
        return False  # the API's 503 would prove that an order wasn't accepted, and any gateway can say this
    error = payload.get("error")
    if isinstance(error, str) and error.strip():
        return not A_STATUS_NAME.fullmatch(error.strip()) or code is not None
    if isinstance(error, list) and error:
        error = error[0] if isinstance(error[0], dict) else {"message": error[0]}
    if isinstance(error, dict) and any(error.get(name) for name in ("message", "msg", "code")):
        return True
    if code is not None:
        return any(name in payload for name in ("message", "msg", "data"))
    return status == 404 and OF_A_VIDEO.search(A_PATH.sub("", words)) is not None


def _only_names_the_status(payload: dict[str, Any]) -> bool:
    error = payload.get("error")
    holders = [payload, error] if isinstance(error, dict) else [payload, {"message": error}]
    said = [holder.get(name) for holder in holders for name in ("message", "msg")]
    texts = [text.strip() for text in said if isinstance(text, str) and text.strip()]
    return bool(texts) and all(A_STATUS_NAME.fullmatch(text) for text in texts)


def _words(payload: dict[str, Any]) -> str:
    """Return the texts of an answer's top level and of its ``error``."""
    error = payload.get("error")
    holders = [payload, error] if isinstance(error, dict) else [payload]
    return " ".join(value for holder in holders for value in holder.values() if isinstance(value, str))
