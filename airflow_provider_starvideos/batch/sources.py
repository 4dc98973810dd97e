"""Where a batch's requests come from: a list, a table, the text of one, or a file.

A row keeps its position: one that holds nothing is None in the list, so that errors name the right row.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import islice
from typing import Any

from airflow_provider_starvideos.api.fields import columns_of, field_of, mapping_of
from airflow_provider_starvideos.api.values import PRINTED_LIST, is_missing, literal, to_python
from airflow_provider_starvideos.batch import files
from airflow_provider_starvideos.batch.files import too_many, unusable

FORMS = f"a list, a table (DataFrame), or the path or URI of a file ({', '.join(files.PARSERS)}; also with .gz)"
REFUSED: Sequence[tuple[Callable[[Any], bool], str]] = (
    (lambda given: isinstance(given, Mapping), "this is one row, or an object of columns: put rows into a list"),
    (lambda given: isinstance(given, bytes | bytearray | memoryview), "this is bytes"),
    (lambda given: isinstance(given, type), "this is a class"),
    (lambda given: isinstance(given, io.IOBase) or callable(getattr(given, "read", None)), "this is an open file"),
    (lambda given: callable(getattr(given, "collect", None)), "this is a lazy table: collect it first"),
    (lambda given: type(given).__name__.endswith("GroupBy"), "this is a grouped table"),
    (lambda given: _is_one_row(given), "this is one row: put it into a list"),
)
"""Iterables whose parts aren't rows, but columns, characters, lines or cells."""


def read_requests(given: Any, storage_conn_id: str | None) -> Sequence[Any]:
    """Return a batch's requests as they were given, unchecked.

    :param given: a list or another iterable; a table of pandas, polars or pyarrow; the text of a JSON or Python list;
        or a path or URI of a file
    :param storage_conn_id: Airflow connection of the file's storage
    :return: the rows; None where one holds nothing
    :raises StarVideosValidationError: it is none of these, or the file can't be read as what its name says
    :raises StarVideosStorageError: the file's storage can't be read
    """
    if isinstance(given, os.PathLike) or callable(getattr(given, "read_bytes", None)):
        given = str(given)
    if not isinstance(given, str):
        return _rows_of(given)
    text = given.strip()
    if is_missing(text):
        raise unusable(f"must be {FORMS}; the value is missing: perhaps a template or an XCom found nothing", given)
    if text.startswith("{"):
        return files.rows_of_json(text, "requests")
    if not PRINTED_LIST.fullmatch(text) and not text.startswith(("[", "(")):
        return files.read_file(text, storage_conn_id, FORMS)
    try:
        return _rows_of(literal(text))
    except ValueError:
        raise unusable(f"must be {FORMS}; this text can't be read as a list", given) from None


def _rows_of(given: Any) -> Sequence[Any]:
    for is_refused, what in REFUSED:
        if is_refused(given):
            raise unusable(f"must be {FORMS}; {what}", given)
    if columns_of(given) is not None:
        return _table_rows(given)
    if isinstance(given, Set):
        # Its order differs from process to process, and a retry must find the same rows.
        given = sorted(given, key=repr)
    try:
        # An upstream's lazy sequence of XComs (a mapped task) is iterable, and not a list.
        rows = list(islice(iter(given), files.MAX_RECORDS + 1))
    except TypeError:
        raise unusable(f"must be {FORMS}", given) from None
    if len(rows) > files.MAX_RECORDS:
        raise too_many(type(given).__name__)
    return [plain_row(row) for row in rows]


def plain_row(row: Any) -> Any:
    """Return a row as JSON can hold it: an object of plain values, or text.

    :param row: whatever it is; what can't be read stays as it is
    :return: the row; None where it is missing
    """
    if is_missing(row):
        return None
    fields = mapping_of(row)
    if fields is None:
        return to_python(row)
    return {str(name): None if is_missing(value) else to_python(value) for name, value in fields.items()}


def _is_one_row(given: Any) -> bool:
    """Return whether the parts of this are the cells of one row: a Series or a named tuple whose labels are fields."""
    if isinstance(given, list) or type(given) is tuple:
        return False
    fields = mapping_of(given)
    return fields is not None and any(map(field_of, fields))


def _table_rows(table: Any) -> Sequence[Any]:
    """Return the rows of a table of pandas, polars or pyarrow, without knowing their libraries."""
    names = list(getattr(table, "column_names", columns_of(table)))
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise unusable(f"must name a column once, not as in {', '.join(twice)}", type(table).__name__)
    rows: Any = None
    if callable(read := getattr(table, "to_dicts", None) or getattr(table, "to_pylist", None)):  # polars, pyarrow
        rows = read()
    elif callable(getattr(table, "reset_index", None)) and callable(getattr(table, "to_dict", None)):  # pandas
        is_named = any(name is not None for name in getattr(table.index, "names", ()))
        rows = (table.reset_index() if is_named else table).to_dict("records")
    if not isinstance(rows, list):
        kind = type(table).__name__
        raise unusable(f"must be {FORMS}; this is a table of an unknown kind ({kind}): give its rows as a list", table)
    return [plain_row(row) for row in rows]
