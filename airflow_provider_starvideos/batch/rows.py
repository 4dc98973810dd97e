"""A batch's rows: the checked orders, and by what each is found again after a crash.

Every problem of every row is reported in one error, before the first is ordered.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.api.models import REQUEST_FIELDS, VideoRequest
from airflow_provider_starvideos.api.validation import build_request, shown
from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

TIMING = ("duration", "ratio")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
MAX_ROWS = 100_000


@dataclass(frozen=True)
class Row:
    """One order of a batch.

    :param number: from 1, as the rows were given
    :param request: what to order
    :param key: equal in two tries if the same is ordered, wherever the row stands then
    :param name: the file's name without ``.mp4``, where the row gives one
    """

    number: int
    request: VideoRequest
    key: str
    name: str | None = None


def read_rows(given: Sequence[Any], defaults: Mapping[str, Any], base_url: str) -> list[Row]:
    """Check all rows.

    :param given: per row a mapping of request fields (and ``name``), or a prompt
    :param defaults: request fields of rows that don't give them; a ``duration`` or ``ratio`` only where it applies
    :param base_url: the API's base URL
    :return: the rows in their order
    :raises StarVideosValidationError: with every problem of every row
    """
    if not given or len(given) > MAX_ROWS:
        raise StarVideosValidationError([Problem("requests", f"must have 1 to {MAX_ROWS} rows", str(len(given)))])
    problems: list[Problem] = []
    rows: list[Row] = []
    seen: Counter[str] = Counter()
    names: dict[str, int] = {}
    for number, one in enumerate(given, 1):
        try:
            fields = _fields(one, defaults)
            name = _name(fields.pop("name", None), number, names)
            request = build_request(**fields)
        except StarVideosValidationError as error:
            problems += [Problem(f"row {number}: {each.field}", each.rule, each.value) for each in error.problems]
            continue
        digest = request.fingerprint(base_url)
        seen[digest] += 1  # two equal rows are two videos
        rows.append(Row(number, request, f"{digest}.{seen[digest]}", name))
    if problems:
        raise StarVideosValidationError(problems)
    return rows


def digest_of(rows: Sequence[Row]) -> str:
    """Return a digest of what is ordered, in its order."""
    return hashlib.sha256(" ".join(row.key for row in rows).encode()).hexdigest()[:32]


def _fields(one: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(one, str):
        one = {"prompt": one}
    if not isinstance(one, Mapping):
        raise StarVideosValidationError(
            [Problem("request", "must be an object of request fields, or a prompt", shown(one))]
        )
    known = (*REQUEST_FIELDS, "name")
    unknown = [name for name, value in one.items() if name not in known and _given(value)]
    if unknown:
        rule = f"isn't a field of a request; they are {', '.join(known)}"
        raise StarVideosValidationError([Problem(str(name)[:80], rule, shown(one[name])) for name in unknown])
    given = {name: value for name, value in one.items() if name in known and _given(value)}
    apply = {name: value for name, value in defaults.items() if _given(value) and name not in given}
    if given.get("reference_videos") or apply.get("reference_videos"):
        # The output follows the clip there: a default that was meant for the other rows doesn't apply.
        apply = {name: value for name, value in apply.items() if name not in TIMING}
    return apply | given


def _name(value: Any, number: int, names: dict[str, int]) -> str | None:
    if value is None:
        return None
    text = str(value).strip()
    if not NAME.fullmatch(text):
        rule = "must be a file's name without its ending (letters, digits and . _ -)"
        raise StarVideosValidationError([Problem("name", rule, shown(value))])
    if text in names:
        raise StarVideosValidationError([Problem("name", f"must be unique, row {names[text]} has it", shown(value))])
    names[text] = number
    return text


def _given(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
