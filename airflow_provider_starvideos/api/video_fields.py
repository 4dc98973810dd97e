"""The fields of a video in an answer: its result's URL, its length, its price, its time. What can't be right is None.

Each function gets the objects of the answer that are about the video, the nearest first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.payloads import Node
from airflow_provider_starvideos.api.validation import is_http_url

LARGEST_NUMBER = 2.0**53
LATEST_CREATED = 1e11  # Unix seconds; a later time is in milliseconds, or wrong
LARGEST_AMOUNT = Decimal(10) ** 9
A_DECIMAL = re.compile(r"[0-9]{1,10}(\.[0-9]{1,18})?", re.ASCII)
URL_NAMES = ("videourl", "resulturl", "url")  # of the result; in this order, wherever they are
URL_LISTS = ("output", "videos", "results", "result", "data", "video")  # hold the URL itself, or a list of URLs
VIDEO_FILE = re.compile(r"\.(mp4|mov|webm|m4v)$", re.IGNORECASE)


def result_url(parts: Sequence[Node]) -> str | None:
    """Return the URL of the result: by its names first, then as plain text in a list."""
    for name in URL_NAMES:
        for part in parts:
            url = part.fields.get(name)
            # A URL with half a surrogate pair or a control character can't be fetched, nor stored in every database.
            if isinstance(url, str) and url and url.isprintable() and (name == URL_NAMES[0] or is_http_url(url)):
                return url
    for part in parts:
        for name in URL_LISTS:
            value = part.fields.get(name)
            urls = [str(one).strip() for one in (value if isinstance(value, list) else [value]) if is_http_url(one)]
            videos = [url for url in urls if VIDEO_FILE.search(urlsplit(url).path)] if len(urls) > 1 else urls
            if videos:
                return videos[0]
    return None


def amount(parts: Sequence[Node]) -> Decimal | None:
    """Return what was billed, exactly as it is written; None unless it is a plain number up to ``LARGEST_AMOUNT``."""
    value = _first(parts, "amount")
    if isinstance(value, str) and A_DECIMAL.fullmatch(value.strip()):
        number = Decimal(value.strip())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(repr(value))
    else:
        return None
    return abs(number) if number.is_finite() and 0 <= number <= LARGEST_AMOUNT else None


def seconds(parts: Sequence[Node]) -> float | None:
    """Return how long the video is."""
    return _number_within(_first(parts, "actualduration"), 0.0, LARGEST_NUMBER)


def created(parts: Sequence[Node]) -> int | None:
    """Return when the video was ordered, in Unix seconds."""
    number = _number_within(_first(parts, "created"), 1.0, LATEST_CREATED)
    return None if number is None else int(number)


def _first(parts: Sequence[Node], name: str) -> Any:
    """Return the first value that isn't None of some objects."""
    return next((value for part in parts if (value := part.fields.get(name)) is not None), None)


def _number_within(value: Any, lowest: float, limit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if lowest <= number < limit else None
