"""The rules of a request, from the vendor's page "StarVideos O3 - Create Task". ``MODES`` says what each mode takes.

Values may come from templates and tables, so they are read generously (``api.values``). All problems are reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.fields import read_fields
from airflow_provider_starvideos.api.models import MODEL, REQUEST_FIELDS, GenerationMode, VideoRequest
from airflow_provider_starvideos.api.prompts import UNRENDERED, broken_prompt_rule
from airflow_provider_starvideos.api.redaction import hide_urls, is_hidden
from airflow_provider_starvideos.api.values import (
    LONGEST_URL,
    as_list,
    is_glued,
    is_missing,
    to_python,
    whole,
)
from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

DURATION_SECONDS = range(3, 16)
RATIOS = ("1:1", "9:16", "16:9")
# Stores of inputs; the provider presigns such an input before it orders (``storage.inputs``).
STORAGE_SCHEMES = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "wasb", "wasbs", "oss", "file", "memory"}
)
SHOWN_CHARACTERS = 80  # of a value, in a message
READ_CHARACTERS = 1000  # of a value that is to be shown; a data URL may have millions
MOST_ITEMS = 1000  # of a list of references that are read; a ``range`` may have billions, and no mode takes ten
MOST_LISTED = 10  # of a list's wrong items that get their own line
MISSING_PROMPT = (
    "must be given and not blank; the value is missing: perhaps a template, an XCom or a join found nothing"
)
# In a URL's path, of a template that found nothing. A folder may be called "nan" or "null".
NO_NAME = re.compile(
    r"/(?:None|undefined|<NA>|%3CNA%3E)(?:\.\w+)?(?:[/?#]|$)|/(?:nan|NaN|NaT|null)(?:\.\w+)?(?:[?#]|$)"
    r"|[?&][\w.-]+=(?:None|undefined)(?:[&#]|$)|%[sd](?![0-9A-Fa-f])"
)


@dataclass(frozen=True)
class ModeRule:
    """What one mode takes."""

    max_images: int = 0
    max_videos: int = 0
    frames: bool = False
    timing: bool = True  # ``duration`` and ``ratio`` apply


MODES: Mapping[GenerationMode, ModeRule] = {
    GenerationMode.TEXT: ModeRule(),
    GenerationMode.IMAGES: ModeRule(max_images=7),
    GenerationMode.FRAMES: ModeRule(frames=True),
    GenerationMode.VIDEO: ModeRule(max_videos=1, timing=False),
    GenerationMode.IMAGE_AND_VIDEO: ModeRule(max_images=1, max_videos=1, timing=False),
    GenerationMode.IMAGES_AND_VIDEO: ModeRule(max_images=4, max_videos=1, timing=False),
}


def derive_mode(*, images: int, videos: int, frames: bool) -> GenerationMode:
    """Return the mode for numbers of reference images and videos, and for a first or last frame."""
    if videos:
        if images == 0:
            return GenerationMode.VIDEO
        return GenerationMode.IMAGE_AND_VIDEO if images == 1 else GenerationMode.IMAGES_AND_VIDEO
    if frames:
        return GenerationMode.FRAMES
    return GenerationMode.IMAGES if images else GenerationMode.TEXT


def build_request(
    *,
    prompt: Any = None,
    duration: Any = None,
    ratio: Any = None,
    reference_images: Any = None,
    first_image: Any = None,
    last_image: Any = None,
    reference_videos: Any = None,
    model: Any = MODEL,
) -> VideoRequest:
    """Return the order that these arguments make (see ``StarVideosCreateOperator``), read generously and checked.

    :raises StarVideosValidationError: with every broken rule
    """
    read = _Reader()
    text = read.prompt("prompt", prompt)
    given_model = read.choice("model", model, (MODEL,)) or MODEL
    seconds = read.whole_number("duration", duration, DURATION_SECONDS)
    given_ratio = read.choice("ratio", ratio, RATIOS)
    images = read.urls("reference_images", reference_images)
    first, last = read.url("first_image", first_image), read.url("last_image", last_image)
    videos = read.urls("reference_videos", reference_videos)

    frames = {"first_image": first, "last_image": last}
    mode = derive_mode(images=len(images), videos=len(videos), frames=any(frames.values()))
    rule = MODES[mode]
    read.at_most("reference_images", images, rule.max_images, mode)
    read.at_most("reference_videos", videos, rule.max_videos, mode)
    for name, other in (("first_image", "last_image"), ("last_image", "first_image")):
        if frames[other] and not frames[name]:
            read.problem(name, f"must be given together with {other}", frames[name])
        if frames[name] and not rule.frames:
            read.problem(name, "can't be combined with reference_images or reference_videos", frames[name])
    if not rule.timing:
        for name, value in (("duration", duration), ("ratio", ratio)):
            if not is_missing(value):
                broken = "doesn't apply with reference_videos, the output follows the clip: leave it out"
                read.problem(name, broken, value)
    if read.problems:
        raise StarVideosValidationError(read.problems)
    return VideoRequest(text, mode, seconds, given_ratio, images, first, last, videos, given_model)


def read_request(given: Mapping[str, Any]) -> VideoRequest:
    """Return the order that these names and values make, however the names are spelled.

    :raises StarVideosValidationError: with every broken rule
    """
    fields, problems = read_fields(given, REQUEST_FIELDS, shown)
    try:
        request = build_request(**fields)
    except StarVideosValidationError as error:
        problems += error.problems
    if problems:
        raise StarVideosValidationError(problems)
    return request


class _Reader:
    """Reads values and collects their problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, field: str, rule: str, value: Any) -> None:
        self.problems.append(Problem(field, rule, shown(value)))

    def prompt(self, field: str, value: Any) -> str:
        value = to_python(value)
        if is_missing(value):
            self.problem(field, MISSING_PROMPT, value)
            return ""
        if not isinstance(value, str):
            self.problem(field, "must be text", value)
            return ""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.problem(field, "must be valid Unicode text, without lone surrogates", value)
        if rule := broken_prompt_rule(value):
            self.problem(field, rule, value)
        return value

    def choice(self, field: str, value: Any, allowed: Sequence[str]) -> str | None:
        value = to_python(value)
        if is_missing(value):
            return None
        if isinstance(value, str) and value.strip() in allowed:
            return value.strip()
        self.problem(field, f"must be {' or '.join(repr(one) for one in allowed)}", value)
        return None

    def whole_number(self, field: str, value: Any, allowed: range) -> int | None:
        if is_missing(value):
            return None
        number = whole(value)
        if number is None or number not in allowed:
            self.problem(field, f"must be a whole number from {allowed[0]} to {allowed[-1]}", value)
            return None
        return number

    def url(self, field: str, value: Any) -> str | None:
        value = to_python(value)
        if is_missing(value):
            return None
        is_url = (is_http_url(value) or is_storage_uri(value)) and len(value) <= LONGEST_URL
        if isinstance(value, str) and is_glued(value):
            self.problem(field, "must be one URL; this seems to hold several", value)
        elif isinstance(value, str) and UNRENDERED.search(value):
            self.problem(field, "must be a URL; this holds a template that wasn't rendered", value)
        elif isinstance(value, str) and NO_NAME.search(value):
            self.problem(field, "must be a URL; a part of it is missing: perhaps a template found nothing", value)
        elif not is_url:
            self.problem(field, "must be an http:// or https:// URL, or a storage URI such as s3://bucket/key", value)
        if not is_url:
            # Still "given": with a broken first_image the mode isn't text to video.
            return value if isinstance(value, str) else shown(value)
        return str(value).strip()

    def urls(self, field: str, value: Any) -> tuple[str, ...]:
        items = as_list(value, MOST_ITEMS + 1)
        if items is None or len(items) > MOST_ITEMS:
            self.problem(field, "must be a list of URLs" if items is None else "must be a few URLs", value)
            return ()
        kept = [(position, item) for position, item in enumerate(items) if not is_missing(item)]
        end = len(self.problems) + MOST_LISTED
        urls = tuple(self.url(f"{field}[{position}]", item) or "" for position, item in kept)
        if left := len(self.problems[end:]):
            del self.problems[end:]
            self.problem(field, f"must hold URLs only; {left} further items are none", value)
        return urls

    def at_most(self, field: str, values: Sequence[str], limit: int, mode: GenerationMode) -> None:
        if len(values) > limit:
            rule = f"must be at most {limit} for" if limit else "can't be combined with the inputs of"
            self.problem(field, f"{rule} {mode.value}", len(values))


def is_http_url(value: Any) -> bool:
    """Return whether ``value`` is a whole http(s) URL with a host, and without blanks or control characters."""
    if not isinstance(value, str) or not value.strip().isprintable() or " " in value.strip():
        return False
    try:
        parts = urlsplit(value.strip())
        _ = parts.port  # raises for a port that isn't one
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not is_hidden(value.strip())


def is_storage_uri(value: Any) -> bool:
    """Return whether ``value`` names an object in a store of ``STORAGE_SCHEMES``."""
    if not isinstance(value, str) or not value.strip().isprintable():
        return False
    scheme, separator, rest = value.strip().partition("://")
    return bool(separator) and scheme.lower() in STORAGE_SCHEMES and bool(rest.strip("/"))


def shown(value: Any) -> str:
    """Return ``value`` for a message: short, and without a URL's password and query, which may hold a signature."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001  an int of thousands of digits, a list in a list in a list …, a broken __repr__
        text = f"a {type(value).__name__} that can't be shown"
    text = hide_urls(text[:READ_CHARACTERS])
    # In any position, for example in a list, and also without a scheme: that may be the mistake.
    text = re.sub(r"([A-Za-z]+://)?[^\s?#]*@", r"\1…@", text)
    text = re.sub(r"[?#].*", "?…", text, flags=re.DOTALL)
    text = repr(text) if isinstance(value, str) else text
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
