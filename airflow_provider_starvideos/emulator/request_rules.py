"""What the server accepts: every rule of the create request, written from the vendor's page alone.

The provider has its own copy of these rules on purpose: a bug in a shared copy would be in both, unseen by any test.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MODEL = "starvideos_o3"
RATIOS = ("1:1", "9:16", "16:9")
DEFAULT_RATIO = "9:16"
DURATIONS = range(3, 16)
DEFAULT_DURATION = 3


@dataclass(frozen=True, slots=True)
class Mode:
    """One of the six ways to order a video."""

    name: str  # how it is called here
    images: range  # how many ``referenceImages``
    videos: range  # how many ``referenceVideos``
    frames: bool = False  # whether it takes ``first_image`` and ``last_image``

    @property
    def timed(self) -> bool:
        """Whether ``duration`` and ``ratio`` apply. With a clip, the output follows the clip."""
        return 1 not in self.videos


_NONE, _ONE = range(1), range(1, 2)

MODES = (
    Mode("text", images=_NONE, videos=_NONE),
    Mode("image_reference", images=range(1, 8), videos=_NONE),
    Mode("first_last_frame", images=_NONE, videos=_NONE, frames=True),
    Mode("video_reference", images=_NONE, videos=_ONE),
    Mode("image_video", images=_ONE, videos=_ONE),
    Mode("multi_image_video", images=range(2, 5), videos=_ONE),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request."""

    field: str  # name on the wire
    message: str  # the rule, and what came instead


class InvalidRequestError(Exception):
    """A request breaks the rules.

    :param problems: all that is wrong with it, at least one.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.field} {problem.message}" for problem in problems))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request as the server understands it."""

    prompt: str  # the prompt
    mode: Mode  # which of the six modes
    duration: int | None  # seconds; None where it follows the clip
    ratio: str | None  # width to height; None where it follows the clip
    images: tuple[str, ...]  # reference images' URLs
    frames: tuple[str, ...]  # first and last frame's URLs, or empty
    videos: tuple[str, ...]  # reference clips' URLs
    ignored: tuple[str, ...]  # fields that came but don't apply in this mode


def check(body: object) -> Accepted:
    """Read a create request.

    :param body: the decoded JSON body.
    :returns: the request as understood.
    :raises InvalidRequestError: it breaks a rule. Every problem is listed.
    """
    if not isinstance(body, dict):
        raise InvalidRequestError([Problem("body", f"must be a JSON object (got {_show(body)})")])
    # A wrong type is reported once; rules about amounts then see what could be read.
    problems = [
        Problem(name, f"must be {rule} (got {_show(body[name])})" if name in body else "is required")
        for name, (required, rule, good) in FIELDS.items()
        if (name in body and not good(body[name])) or (required and name not in body)
    ]
    clip = "referenceVideos" in body
    problems += _combination(body)
    if not clip:
        problems += _timing(body, {problem.field for problem in problems})
    if problems:
        raise InvalidRequestError(problems)
    images, videos = tuple(body.get("referenceImages", ())), tuple(body.get("referenceVideos", ()))
    frames = (body["first_image"], body["last_image"]) if "first_image" in body else ()
    mode = next(
        mode
        for mode in MODES
        if len(images) in mode.images and len(videos) in mode.videos and bool(frames) == mode.frames
    )
    return Accepted(
        prompt=body["prompt"],
        mode=mode,
        duration=body.get("duration", DEFAULT_DURATION) if mode.timed else None,
        ratio=body.get("ratio", DEFAULT_RATIO) if mode.timed else None,
        images=images,
        frames=frames,
        videos=videos,
        ignored=() if mode.timed else tuple(name for name in ("duration", "ratio") if name in body),
    )


def _combination(body: Mapping[str, Any]) -> list[Problem]:
    """Check which references come together, and how many."""
    first, last = "first_image" in body, "last_image" in body
    images, videos = body.get("referenceImages"), body.get("referenceVideos")
    problems = []
    if first != last:
        missing, given = ("last_image", "first_image") if first else ("first_image", "last_image")
        problems.append(Problem(missing, f"is required with {given}"))
    if first or last:
        beside = [name for name in ("referenceImages", "referenceVideos") if name in body]
        problems += [Problem(name, "must not come with first_image and last_image") for name in beside]
    if isinstance(videos, list) and len(videos) > 1:
        problems.append(Problem("referenceVideos", f"must hold at most 1 URL (got {len(videos)})"))
    most, where = (4, " beside referenceVideos") if "referenceVideos" in body else (7, "")
    if isinstance(images, list) and len(images) > most:
        problems.append(Problem("referenceImages", f"must hold at most {most} URLs{where} (got {len(images)})"))
    return problems


def _timing(body: Mapping[str, Any], wrong: set[str]) -> list[Problem]:
    """Check the values of duration and ratio, where they apply and have the right type."""
    problems = []
    if "duration" in body and "duration" not in wrong and body["duration"] not in DURATIONS:
        problems.append(Problem("duration", f"must be from 3 to 15 seconds (got {body['duration']})"))
    if "ratio" in body and "ratio" not in wrong and body["ratio"] not in RATIOS:
        problems.append(Problem("ratio", f"must be one of {', '.join(RATIOS)} (got {_show(body['ratio'])})"))
    return problems


def _is_model(value: object) -> bool:
    return value == MODEL


def _is_text(value: object) -> bool:
    return _is_string(value) and bool(str(value).strip())


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_string(value: object) -> bool:
    # JSON can write half of a surrogate pair, which is no character and can't be stored as UTF-8.
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def is_url(value: object) -> bool:
    """Return whether a value is an absolute http(s) URL."""
    # No space, control or invisible character: a URL doesn't have them, and urlsplit would take some out unseen.
    if not isinstance(value, str) or any(unicodedata.category(character)[0] in "CZ" for character in value):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_urls(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(is_url(item) for item in value)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


FIELDS: dict[str, tuple[bool, str, Callable[[object], bool]]] = {
    # name on the wire: required, rule, check of the type
    "model": (True, f"{MODEL!r}", _is_model),
    "prompt": (True, "a string that is not blank", _is_text),
    "duration": (False, "an integer", _is_integer),
    "ratio": (False, "a string", _is_string),
    "referenceImages": (False, "an array of absolute http(s) URLs, not empty", _is_urls),
    "first_image": (False, "an absolute http(s) URL", is_url),
    "last_image": (False, "an absolute http(s) URL", is_url),
    "referenceVideos": (False, "an array of absolute http(s) URLs, not empty", _is_urls),
}
