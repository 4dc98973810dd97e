"""Decides which secrets are removed from texts that are shown: the key, and what makes a URL grant access.

A server may echo the key or the URL of a signed input, and a library may quote the answer. A URL is shown without its
whole query, so that an unknown signer's signature isn't shown either.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from airflow_provider_starvideos.api.urls import BASE64_OF_HTTP, JWT, PATH_TOKENS

HIDDEN = "…"
NOT_IN_URLS = r"\s\"'<>"
SLASH = r"(?:\\*/|%(?:25)*2f)"
# A URL in a text: as it is, in JSON with its slashes escaped, or percent-encoded within another URL.
URL = re.compile(rf"https?(?::|%(?:25)*3a){SLASH}{{2}}[^{NOT_IN_URLS}]+", re.ASCII | re.IGNORECASE)
QUERY = re.compile(  # of a request's line, which has no host: ``GET /in/cat.png?X-Amz-Signature=…``
    rf"(?<=[^\s?])(?:\?|%(?:25)*3f)(?:[\w-]{{40,}}|[\w.~-]{{1,100}}(?:=|%(?:25)*3d))[^{NOT_IN_URLS}]*",
    re.ASCII | re.IGNORECASE,
)
EQUALS, AND = r"(?:=|\\+u003d|%(?:25)*3d)", r"(?:&(?:amp;)?|\\+u0026|%(?:25)*26)"
PAIRS = re.compile(  # a query alone: at least two parameters
    rf"(?<![\w.~=-])[\w.~-]{{1,100}}{EQUALS}[^{NOT_IN_URLS}&]*(?:{AND}[\w.~-]{{1,100}}{EQUALS}[^{NOT_IN_URLS}&]*)+",
    re.ASCII | re.IGNORECASE,
)
TOKENS = re.compile(  # segments of a path that grant access
    "|".join(
        (
            *(one.removeprefix("^") for one in PATH_TOKENS),
            r"/[\w-]{43}(?=/)|/[\w-]{27}=(?=/)",  # imgproxy, thumbor: they don't expire, so ``urls`` keeps them
            r"/bot\d{6,}(?::|%3a)[\w-]{30,}",  # Telegram
        )
    ),
    re.ASCII | re.IGNORECASE,
)
BARE_TOKENS = re.compile(  # grant access in any position, or are a URL in base64, which may
    rf"{JWT.pattern}|{BASE64_OF_HTTP.pattern}|bce-auth-v1/[\w/.:;-]+"
    r"|xox[a-z]-[\w-]{10,}"  # Slack
    r"|(?:1\d{9}|[0-9a-f]{8})-\w{0,99}-\w{0,99}-[0-9a-f]{32,64}\b"  # type A of CDNs
    r"|(?<!\w)(?:\w{1,20}=[^\s~\"'<>]{0,500}~){1,9}(?:hmac|md5)=[0-9a-f]+",  # Akamai
    re.ASCII,
)
BETWEEN = r"(\\?[\"']?\s*(?:[=:>]|%(?:25)*3d)\s*\\?[\"']?)"  # a name and its value, in a query, a header, JSON or XML
BEFORE = r"(?:(?<![a-z0-9_-])|(?<=%26)|(?<=%2526)|(?<=u0026))"  # a name that isn't part of a word
SIGNATURES = tuple(
    re.compile(rf"{BEFORE}({names}){BETWEEN}[a-z0-9+/=_~.%:,!*-]{{{least},}}", re.ASCII | re.IGNORECASE)
    for names, least in (
        (
            (
                r"x-[a-z0-9]{2,8}-(?:signature|credential|policy|[a-z0-9-]*token)|q-(?:ak|signature|url-param-list)"
                r"|(?:aws|oss|kss)accesskeyid|googleaccessid|ucloudpublickey|key-pair-id|auth_key|tempauth|rlkey"
                r"|wssecret|upsig|ssig|_upt|hdn[a-z]{2}|__[a-z]*(?:token|gda)__|pub_secret"
            ),
            1,
        ),
        (  # a shorter value is a word of a message
            (
                r"(?:[\w-]*[-_])?sig(?:n(?:ature(?:provided)?)?)?|[\w-]*token|auth_info|authorization|credential|policy"
                r"|verify|hmac|jwt|secure|secret|(?:\w*access_?key_?)id|accesskey"
            ),
            16,
        ),
    )
)
STORED = re.compile(r"(?!https?:)\w[\w+.-]*://", re.IGNORECASE)  # the beginning of a store's URI
ONE_URL = re.compile(rf"https?://[^{NOT_IN_URLS}\\%,;|]+", re.IGNORECASE)
SUSPECT = re.compile(r"[=:%/~-]|eyJ|aHR0c")  # a text without any of these has nothing to hide
# One parameter of any name except an id, with a value that no message has.
PARAMETER = re.compile(r"(?<![\w-])(?![\w-]*id=)([\w-]{1,40}=)[\w+~%-]{32,}={0,2}", re.ASCII | re.IGNORECASE)
VERSIONS = re.compile(r"(?:version_?id|generation)=[\w.-]+", re.ASCII | re.IGNORECASE)
MOST_ENCODINGS = 9  # percent-encodings of a URL within another that are undone to read its path


def hide_url(url: str) -> str:
    """Return a URL without what may grant access: user, query, fragment, and the tokens of its path.

    A store's URI (``s3://conn_id@bucket/key?versionId=3``) keeps its connection and version: they are no secrets. Any
    other text comes back unchanged.
    """
    found = re.fullmatch(r"(\w[\w+.-]*://)(?:([^/?#]*)@)?([^?#]*)(.*)", url, re.DOTALL)
    if not found:
        return url
    scheme, user, path, rest = found.groups()
    if not scheme.lower().startswith("http"):
        user = "" if user is None else f"{user}@" if ":" not in user else f"{HIDDEN}@"
        is_name = "=" not in rest or VERSIONS.fullmatch(rest[1:])  # a key may hold a "?" or a "#"
        return scheme + user + path + (rest if is_name else f"?{HIDDEN}")
    host, slash, path = path.partition("/")
    path, *query = re.split(r"%(?:25)*3f", slash + path, maxsplit=1, flags=re.IGNORECASE)
    path = re.sub(r"(:/{1,2})[^/@]*@", r"\1", path)  # of a URL within this one
    path = BARE_TOKENS.sub(HIDDEN, TOKENS.sub(f"/{HIDDEN}", path))
    return scheme + host + path + (f"?{HIDDEN}" if rest or query else "")


def is_hidden(value: Any) -> bool:
    """Return whether ``hide`` removed something from a value's URLs, so that they can't be fetched."""
    if isinstance(value, Mapping):
        return any(map(is_hidden, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_hidden, value))
    return isinstance(value, str) and bool(re.search(rf"://(?:\S*[/?])?{HIDDEN}", value))


def restored(shown: Any, again: Any) -> Any:
    """Return the value that ``hide`` was given, from its result and from the same value, made again.

    Texts are kept from ``shown``, because a template may make them by chance. Hidden parts are taken from ``again``. If
    they have changed, a comparison of fingerprints shows it.

    :param shown: what ``hide`` returned
    :param again: of the same shape; where the shape differs, ``again`` counts
    """
    if isinstance(shown, Mapping) and isinstance(again, Mapping):
        return {name: restored(one, again.get(name)) for name, one in shown.items()}
    if isinstance(shown, list | tuple) and isinstance(again, list | tuple) and len(shown) == len(again):
        return [restored(one, other) for one, other in zip(shown, again, strict=True)]
    return again if is_hidden(shown) else shown


def hide_urls(text: str) -> str:
    """Return a text with its URLs hidden as by ``hide_url``, and without the values of signatures."""
    text = URL.sub(_hidden_run, text)
    text = PAIRS.sub(HIDDEN, QUERY.sub(f"?{HIDDEN}", text))
    text = BARE_TOKENS.sub(HIDDEN, TOKENS.sub(f"/{HIDDEN}", text))
    for signature in SIGNATURES:
        text = signature.sub(rf"\1\2{HIDDEN}", text)
    return PARAMETER.sub(rf"\1{HIDDEN}", text)


def _hidden_run(found: re.Match[str]) -> str:
    """Return a URL of a text hidden. It is decoded first, so that nothing in it is missed."""
    url = found[0]
    decoded = re.sub(r"\\+u00([0-7][0-9a-f])", lambda one: f"%{one[1]}", url, flags=re.IGNORECASE).replace("\\", "")
    for _ in range(MOST_ENCODINGS):
        decoded, before = unquote(html.unescape(decoded)), decoded
        if decoded == before:
            break
    hidden = hide_url(decoded)
    return url if hidden == decoded else hidden


def hide(value: Any) -> Any:
    """Return a value for XComs, rendered fields, files and the UI, with each URL and text in it hidden.

    :param value: of any type; of an object that isn't JSON's, such as a DataFrame, the text is hidden
    """
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        if not SUSPECT.search(value):
            return value
        return hide_url(value) if STORED.match(value) or ONE_URL.fullmatch(value) else hide_urls(value)
    if isinstance(value, Mapping):
        return {name: hide(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return (tuple if isinstance(value, tuple) else list)(hide(one) for one in value)
    text = str(value)
    hidden = hide(text)
    return value if hidden == text else hidden


@lru_cache(maxsize=16)
def forms_of(key: str) -> tuple[str, ...]:
    """Return how a key may be written, the longest first: as it is, and in URLs, JSON, HTML and base64."""
    coded = base64.b64encode(key.encode(errors="replace")).decode()
    found = {key, quote(key, safe=""), quote(key), json.dumps(key)[1:-1], html.escape(key), coded, coded.rstrip("=")}
    found |= {key.replace("/", "\\/"), re.sub(r"[&<>]", lambda one: f"\\u{ord(one[0]):04x}", key)}
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=16)
def _pattern_of(key: str) -> re.Pattern[str]:
    # In any case: a host's name is read in lower case.
    return re.compile("|".join(map(re.escape, forms_of(key))), re.IGNORECASE)


def redacted(text: str, key: str, limit: int) -> str:
    """Return a text without the key, without signatures and control characters, cut to ``limit`` characters."""
    if not text:
        return ""
    # The key is removed before the cut, which could leave a part of it. URLs are hidden after the cut, because that
    # search takes the square of a text's length, and a cut query is hidden too.
    text = _printable(hide_urls(_pattern_of(key).sub("***", text)[: 2 * limit]))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_harmless(text: str, key: str, limit: int) -> bool:
    """Return whether a text may be shown as it is: it is short, and has nothing to remove."""
    return len(text) <= limit and redacted(text, key, limit) == _printable(text)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text).strip()
