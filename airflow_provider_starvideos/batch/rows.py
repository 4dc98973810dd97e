"""A batch's rows: the checked orders, and by what each is found again after a crash.

Every problem of every row is reported in one error, before the first is ordered. What gives nothing is no row.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_starvideos.api.fields import mapping_of, mapping_of_text, read_fields
from airflow_provider_starvideos.api.models import REQUEST_FIELDS, VideoRequest
from airflow_provider_starvideos.api.validation import build_request, shown
from airflow_provider_starvideos.api.values import as_list, is_missing
from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError
from airflow_provider_starvideos.orders.record import Row, key_of, spans_of

LOG = logging.getLogger(__name__)
TIMING = ("duration", "ratio")
FIELDS = (*REQUEST_FIELDS, "name", "variant")
LISTS = ("reference_images", "reference_videos")
ALWAYS_THE_SAME = {"model"}  # says nothing of a row
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
SUFFIX = re.compile(r"(?:\.mp4)+$", re.IGNORECASE)
RESERVED_NAME = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)  # by Windows
MAX_ROWS = 100_000
SHOWN_SPANS = 20
NO_ROW = "must be an object of request fields, or a prompt"


def read_rows(given: Sequence[Any], defaults: Mapping[str, Any], base_url: str) -> list[Row]:
    """Check all rows. One that gives nothing of its own is left out, and keeps its number.

    :param given: per row whatever holds request fields (and ``name``), or a prompt
    :param defaults: request fields, and ``variant``, of rows that don't give them; ``duration`` and ``ratio`` only
        where they apply
    :raises StarVideosValidationError: with every problem of every row
    """
    problems: list[Problem] = []
    checked: list[tuple[int, VideoRequest, str | None, str | None]] = []
    defaults = dict(defaults)
    default_variant = defaults.pop("variant", None)
    names: dict[str, tuple[int, str]] = {}
    empty: list[int] = []
    if len(given) - sum(one is None for one in given) > MAX_ROWS:
        raise _wrong_count(given, 0)
    for number, one in enumerate(given, 1):
        wrong: list[Problem] = []
        own = _own_fields(one, wrong)
        if not own.keys() - ALWAYS_THE_SAME and not wrong:
            empty.append(number)
            continue
        name = _name(own.pop("name", None), number, names, wrong)
        variant = _variant(own.pop("variant", default_variant))
        try:
            if own or name or not wrong:
                checked.append((number, build_request(**_with_defaults(own, defaults)), name, variant))
        except StarVideosValidationError as error:
            wrong += error.problems
        problems += [Problem(f"row {number}: {each.field}", each.rule, each.value) for each in wrong]
    if problems:
        raise StarVideosValidationError(problems)
    if not checked:
        raise _wrong_count(given, len(empty))
    _log_left_out(empty, len(given))
    return _keyed(checked, base_url)


def _wrong_count(given: Sequence[Any], empty: int) -> StarVideosValidationError:
    found = f"{len(given)}, all of them empty" if empty else str(len(given))
    return StarVideosValidationError([Problem("requests", f"must have 1 to {MAX_ROWS} rows", found)])


def _log_left_out(empty: Sequence[int], count: int) -> None:
    if empty:
        spans, rows = spans_of(empty), "row" if len(empty) == 1 else "rows"
        numbers = ", ".join(spans[:SHOWN_SPANS]) + (", …" if len(spans) > SHOWN_SPANS else "")
        LOG.warning("Left out %d of %d rows, which give nothing to order: %s %s.", len(empty), count, rows, numbers)


def _keyed(checked: Sequence[tuple[int, VideoRequest, str | None, str | None]], base_url: str) -> list[Row]:
    """Give each row its key. Two equal rows are two videos, told apart by their names, else by their order."""
    digests = [_digest(request, base_url, variant) for _, request, _, variant in checked]
    seen: Counter[str] = Counter()
    rows: list[Row] = []
    for digest, (number, request, name, variant) in sorted(
        zip(digests, checked, strict=True), key=lambda one: (one[1][2] or "", one[1][0])
    ):
        seen[digest] += 1
        rows.append(Row(number, request, key_of(digest, seen[digest]), name, variant))
    return sorted(rows, key=lambda row: row.number)


def _digest(request: VideoRequest, base_url: str, variant: str | None) -> str:
    digest = request.fingerprint(base_url)
    return digest if variant is None else hashlib.sha256(f"{digest} {variant}".encode()).hexdigest()[:32]


def digest_of(rows: Sequence[Row]) -> str:
    """Return a digest of what is ordered, in its order."""
    return hashlib.sha256(" ".join(row.key for row in rows).encode()).hexdigest()[:32]


def _own_fields(one: Any, wrong: list[Problem]) -> dict[str, Any]:
    """Return what a row gives itself; nothing if it isn't a row at all, or gives nothing."""
    if is_missing(one):
        return {}
    fields = mapping_of_text(one) if isinstance(one, str) else mapping_of(one)
    if isinstance(fields, str):
        rule = f'{NO_ROW}; this is {fields}. If it is a prompt, give {{"prompt": "…"}}'
        wrong.append(Problem("request", rule, shown(one)))
        return {}
    if fields is None:
        wrong.append(Problem("request", NO_ROW, shown(one)))
        return {}
    own, problems = read_fields(fields, FIELDS, shown)
    wrong += problems
    return {name: value for name, value in own.items() if value is not None and not _is_empty_list(name, value)}


def _is_empty_list(name: str, value: Any) -> bool:
    items = as_list(value, MAX_ROWS) if name in LISTS else None
    return items is not None and all(map(is_missing, items))


def _with_defaults(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    apply = {name: value for name, value in defaults.items() if name not in own and not is_missing(value)}
    if own.get("reference_videos") or apply.get("reference_videos"):
        # The output follows the clip there: a default that was meant for the other rows doesn't apply.
        apply = {name: value for name, value in apply.items() if name not in TIMING}
    return apply | dict(own)


def _variant(value: Any) -> str | None:
    is_whole = isinstance(value, float) and value.is_integer()  # a column of numbers with gaps, in pandas
    return None if is_missing(value) else str(int(value) if is_whole else value).strip() or None


def _name(value: Any, number: int, names: dict[str, tuple[int, str]], wrong: list[Problem]) -> str | None:
    """Return the file's name: one that no disk takes for another row's, without the ending that it gets anyway."""
    if value is None:
        return None
    is_whole = isinstance(value, float) and value.is_integer()  # a column of numbers with gaps, in pandas
    text = SUFFIX.sub("", str(int(value) if is_whole else value).strip())
    rule = None
    if isinstance(value, bool) or not NAME.fullmatch(text) or text.endswith("."):
        rule = "must be a file's name without its ending (letters, digits and . _ -, no dot at the end)"
    elif RESERVED_NAME.fullmatch(text):
        rule = "must be a name that Windows doesn't reserve"
    elif text.casefold() in names:
        other, spelled = names[text.casefold()]
        rule = f"must be unique, row {other} has it" + ("" if spelled == text else f" as {spelled!r}")
    else:
        names[text.casefold()] = (number, text)
    if rule:
        wrong.append(Problem("name", rule, shown(value)))
    return text
