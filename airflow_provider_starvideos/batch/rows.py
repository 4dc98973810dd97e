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
    checked: list[tuple[int, VideoRequest, str | None]] = []
    names: dict[str, int] = {}
    for number, one in enumerate(given, 1):
        wrong: list[Problem] = []
        fields = _fields(one, defaults, wrong)
        name = _name(fields.pop("name", None), number, names, wrong)
        try:
            if fields or not wrong:
                checked.append((number, build_request(**fields), name))
        except StarVideosValidationError as error:
            wrong += error.problems
        problems += [Problem(f"row {number}: {each.field}", each.rule, each.value) for each in wrong]
    if problems:
        raise StarVideosValidationError(problems)
    return _keyed(checked, base_url)


def _keyed(checked: Sequence[tuple[int, VideoRequest, str | None]], base_url: str) -> list[Row]:
    """Give each row its key. Two equal rows are two videos, told apart by their names, else by their order."""
    digests = [request.fingerprint(base_url) for _, request, _ in checked]
    seen: Counter[str] = Counter()
    rows: list[Row] = []
    for digest, (number, request, name) in sorted(
        zip(digests, checked, strict=True), key=lambda one: (one[1][2] or "", one[1][0])
    ):
        seen[digest] += 1
        rows.append(Row(number, request, f"{digest}.{seen[digest]}", name))
    return sorted(rows, key=lambda row: row.number)


def digest_of(rows: Sequence[Row]) -> str:
    """Return a digest of what is ordered, in its order."""
    return hashlib.sha256(" ".join(row.key for row in rows).encode()).hexdigest()[:32]


def _fields(one: Any, defaults: Mapping[str, Any], wrong: list[Problem]) -> dict[str, Any]:
    """Return a row's request arguments, with the defaults that apply; none if it isn't a row at all."""
    if isinstance(one, str):
        one = {"prompt": one}
    if not isinstance(one, Mapping):
        wrong.append(Problem("request", "must be an object of request fields, or a prompt", shown(one)))
        return {}
    known = (*REQUEST_FIELDS, "name")
    unknown = [name for name, value in one.items() if name not in known and _given(value)]
    rule = f"isn't a field of a request; they are {', '.join(known)}"
    wrong += [Problem(shown(str(name)).strip("'\""), rule, shown(one[name])) for name in unknown]
    given = {name: value for name, value in one.items() if name in known and _given(value)}
    apply = {name: value for name, value in defaults.items() if _given(value) and name not in given}
    if given.get("reference_videos") or apply.get("reference_videos"):
        # The output follows the clip there: a default that was meant for the other rows doesn't apply.
        apply = {name: value for name, value in apply.items() if name not in TIMING}
    return apply | given


def _name(value: Any, number: int, names: dict[str, int], wrong: list[Problem]) -> str | None:
    if value is None:
        return None
    text = str(value).strip()
    if not NAME.fullmatch(text):
        rule = "must be a file's name without its ending (letters, digits and . _ -)"
        wrong.append(Problem("name", rule, shown(value)))
    elif text in names:
        wrong.append(Problem("name", f"must be unique, row {names[text]} has it", shown(value)))
    else:
        names[text] = number
    return text


def _given(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
