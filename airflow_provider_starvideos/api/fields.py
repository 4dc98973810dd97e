"""Reads an order's fields from an object, another library's row, or text, under any spelling of their names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.api.values import is_missing, kind_of, literal, to_python
from airflow_provider_starvideos.exceptions import Problem

# What tables call a column that has no name: mostly the index of pandas.
UNNAMED = re.compile(r"(?:unnamed: ?\d+.*|__index_level_\d+__|level_\d+|index|column_?\d+|_c\d+|\d*)\s*", re.IGNORECASE)
LITERAL = re.compile(r"[{\[(\"'0-9+.-]|[bru]['\"]", re.IGNORECASE)  # how the text of a JSON or Python value begins
BROKEN_LITERALS = {  # how the text of one begins that can't be read
    r"\{\s*(?:\}|[\"'\w]+\s*[\"']?\s*[:=])": "a JSON object",
    r"[\[(]\s*[\[({\"']": "a list",
}


@lru_cache(maxsize=1024)
def _squeezed(name: str) -> str:
    return re.sub(r"[\s\ufeff\u200b_.-]+", "", name).casefold()


_BY_SQUEEZED = {_squeezed(name): name for name in (*REQUEST_FIELDS, "name", "variant")}


def field_of(name: Any) -> str | None:
    """Return the field that a name means, however it is spelled (``referenceImages``, `` Prompt ``), or None."""
    return _BY_SQUEEZED.get(_squeezed(str(name))) if isinstance(name, str) else None


def read_fields(
    given: Mapping[Any, Any], known: Sequence[str], show: Callable[[Any], str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the known fields of an object (None: the value is missing), and what is wrong with its names.

    :param given: names and values; an unknown name without a value is ignored
    :param show: makes a value short and harmless, for the problems
    """
    found: dict[str, Any] = {}
    names: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        field, missing = field_of(name), is_missing(value)
        if field and field in known:
            if missing:
                found.setdefault(field, None)
            elif found.get(field) is not None:
                problems.append(Problem(field, f"must be given once, not also as {show(names[field])}", show(value)))
            else:
                found[field], names[field] = to_python(value), name
        elif not missing:
            title = show(str(name)).strip("'\"") if str(name).strip() else "column without a name"
            is_unnamed = UNNAMED.fullmatch(str(name))
            hint = " (a column without a name: the index of a table? leave it out)" if is_unnamed else ""
            rule = f"isn't a field of a request; they are {', '.join(known)}{hint}"
            problems.append(Problem(title, rule, show(value)))
    return found, problems


def _record_names(row: Any) -> Any:
    names = getattr(getattr(row, "dtype", None), "names", None)  # a record of numpy
    return {name: row[name] for name in names} if names and not getattr(row, "ndim", 0) else None


def _series(row: Any) -> Any:
    """Return a row of a DataFrame: a Series labelled with names of fields."""
    index = getattr(row, "index", None)
    if index is None or callable(index) or not hasattr(row, "to_dict"):
        return None
    return row.to_dict() if any(map(field_of, index)) else None


def _dataclass(row: Any) -> Any:
    if not dataclasses.is_dataclass(row) or isinstance(row, type):
        return None
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def _called(name: str) -> Callable[[Any], Any]:
    def call(row: Any) -> Any:
        method = getattr(row, name, None)
        return method() if callable(method) and not isinstance(row, type) else None

    return call


READERS: Sequence[Callable[[Any], Any]] = (  # for rows of other libraries; each gives None for another's row
    _called("_asdict"),  # named tuples, also those of itertuples()
    _called("asDict"),  # rows of Spark
    lambda row: getattr(row, "_mapping", None),  # rows of SQLAlchemy
    _called("model_dump"),  # pydantic
    _dataclass,
    lambda row: {one.name: getattr(row, one.name) for one in getattr(type(row), "__attrs_attrs__", ())} or None,
    lambda row: {key: row[key] for key in row.keys()} if callable(getattr(row, "keys", None)) else None,  # noqa: SIM118
    _record_names,
    _series,
    _called("as_py"),  # of pyarrow
)


def columns_of(value: Any) -> Any:
    """Return a table's columns; None for what isn't a table."""
    columns = None if isinstance(value, type) else getattr(value, "columns", None)
    return None if callable(columns) else columns


def mapping_of(row: Any) -> Mapping[Any, Any] | None:
    """Return the fields of one row, whichever library made it; None: it has no names."""
    if isinstance(row, Mapping):
        return row
    if row is None or isinstance(row, str | bytes | int | float | list) or type(row) is tuple:
        return None
    if columns_of(row) is not None:
        return None
    for read in READERS:
        found = None
        with suppress(Exception):  # it isn't such a row after all
            found = read(row)
        if isinstance(found, Mapping):
            return found
    return None


def mapping_of_text(text: str) -> Mapping[Any, Any] | str:
    """Return the fields that a row of text means: a prompt, or an object written as text.

    :param text: not missing
    :return: the fields; or text that says what it is instead
    """
    stripped = text.strip()
    if all(map(field_of, re.split(r"[\s,;|]+", stripped.splitlines()[0]))):
        return "what a table's head says"
    if not LITERAL.match(stripped):
        return {"prompt": text}
    try:
        value = literal(stripped)
    except ValueError:
        found = next((what for pattern, what in BROKEN_LITERALS.items() if re.match(pattern, stripped)), None)
        return f"text that looks like {found}, and can't be read as one" if found else {"prompt": text}
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str):
        return f"the text of {kind_of(value)}"
    # Text in quotes, or JSON that was encoded twice.
    return {} if is_missing(value) else mapping_of_text(value)
