"""Texts from outside, without secrets: everything that decides what is taken out of them stands here.

A server may echo what it was sent: the key, and the URL of a signed input. So may a library, quoting an answer that it
can't read.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from urllib.parse import quote

SIGNED = re.compile(r"(https?:(?:\\?/){2}[^\s?\"'<>]+)\?[^\s\"'<>]*", re.ASCII | re.IGNORECASE)
"""A URL with a query, which may hold the signature of an input."""
SIGNED_QUOTED = re.compile(
    r"(https?(?:%(?:25)*3a)(?:%(?:25)*2f){2}\S+?)%(?:25)*3f[^\s\"'<>]*", re.ASCII | re.IGNORECASE
)
"""The same within another URL."""
BETWEEN = r"(\\?[\"']?\s*(?:[=:>]|%(?:25)*3d)\s*\\?[\"']?)"
"""What stands between a name and its value in a query, a header, JSON or XML."""
SIGNATURES = tuple(
    re.compile(rf"(?<![a-z0-9])({names}){BETWEEN}[a-z0-9+/=_~.%-]{{{least},}}", re.ASCII | re.IGNORECASE)
    for names, least in (
        ("x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid", 1),
        ("signature(?:provided)?|sig", 16),  # what is shorter is a word of a message
    )
)


@lru_cache(maxsize=16)
def forms_of(key: str) -> tuple[str, ...]:
    """Return how a key may be written, the longest first: as it is, and as URLs, JSON, HTML and base64 have it."""
    coded = base64.b64encode(key.encode(errors="replace")).decode()
    found = {key, quote(key, safe=""), quote(key), json.dumps(key)[1:-1], html.escape(key), coded, coded.rstrip("=")}
    found |= {key.replace("/", "\\/"), re.sub(r"[&<>]", lambda one: f"\\u{ord(one[0]):04x}", key)}
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=16)
def _pattern_of(key: str) -> re.Pattern[str]:
    # Whatever their case: a host's name is read in lower case.
    return re.compile("|".join(map(re.escape, forms_of(key))), re.IGNORECASE)


def redacted(text: str, key: str, limit: int) -> str:
    """Return a text without the key, without signatures and without whatever upsets a log; shortened.

    :param key: the API key
    :param limit: characters that are left, at most
    """
    if not text:
        return ""
    # The key before the cut: a part of it would be left where the cut goes through it. URLs after the cut: the
    # search takes the square of a text's length, and of a cut query nothing is left anyway.
    text = without_signatures(_pattern_of(key).sub("***", text)[: 2 * limit])
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def without_signatures(text: str) -> str:
    """Return a text whose URLs have lost their queries, and its signatures their values."""
    text = SIGNED.sub(r"\1?…", text)
    text = SIGNED_QUOTED.sub(r"\1?…", text)
    for signature in SIGNATURES:
        text = signature.sub(r"\1\2…", text)
    return text


def is_harmless(text: str, key: str, limit: int) -> bool:
    """Tell whether a text may be shown as it is, because it is short and nothing would be taken out of it."""
    return (
        len(text) <= limit
        and redacted(text, key, limit) == "".join(c if c.isprintable() else " " for c in text).strip()
    )
