"""Where a batch's requests come from: a list, the text of one, or a file of JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_starvideos.api.validation import as_list, shown
from airflow_provider_starvideos.batch.rows import MAX_ROWS
from airflow_provider_starvideos.exceptions import Problem, StarVideosStorageError, StarVideosValidationError

MAX_FILE_BYTES = 256 * 1024 * 1024
FORMS = "a list, or the path or URI of a .jsonl, .ndjson or .csv file"


def read_requests(given: Any, storage_conn_id: str | None) -> Sequence[Any]:
    """Return a batch's requests as they were given, unchecked.

    :param given: a list; the text of a JSON or Python list; or a path or URI of a file of JSON Lines or CSV
    :param storage_conn_id: Airflow connection of the file's storage
    :raises StarVideosValidationError: it is none of these, or the file can't be read as what its name says
    :raises StarVideosStorageError: the file's storage can't be asked
    """
    if isinstance(given, str):
        text = given.strip()
        if text.startswith(("[", "(")):
            rows = as_list(text)
            if rows is None:
                raise _unusable(f"must be {FORMS}; this text can't be read as a list", given)
            return rows
        return _read_file(text, storage_conn_id)
    if not isinstance(given, Mapping | bytes | bytearray) and given is not None:
        try:
            # An upstream's lazy sequence of XComs (a mapped task) is iterable, and not a list.
            return list(given)
        except TypeError:
            pass
    raise _unusable(f"must be {FORMS}", given)


def _read_file(uri: str, storage_conn_id: str | None) -> Sequence[Any]:
    name = uri.lower()
    parse = next((parse for ending, parse in PARSERS.items() if name.endswith(ending)), None)
    if parse is None:
        raise _unusable(f"must be {FORMS}", uri)
    try:
        text = _bytes(uri, storage_conn_id).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(f"must be text in UTF-8 ({error.reason} at byte {error.start})", uri) from error
    return parse(text, uri)


def _bytes(uri: str, storage_conn_id: str | None) -> bytes:
    from airflow_provider_starvideos.storage.uris import object_path

    try:
        path: Any = object_path(uri, storage_conn_id)
        with path.open("rb") as file:
            data = bytes(file.read(MAX_FILE_BYTES + 1))
    except FileNotFoundError as error:
        raise _unusable("must name a file that exists", uri) from error
    except Exception as error:
        what = f"The requests can't be read from {shown(uri)} ({type(error).__name__}: {error}); nothing was ordered."
        raise StarVideosStorageError(what) from error
    if len(data) > MAX_FILE_BYTES:
        raise _unusable(f"must be at most {MAX_FILE_BYTES} bytes", uri)
    return data


def _json_lines(text: str, uri: str) -> list[Any]:
    rows: list[Any] = []
    problems: list[Problem] = []
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        if len(rows) + len(problems) > MAX_ROWS:
            break  # too many, whatever is left; it may be gigabytes as objects
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"line {number}", f"must be a JSON object ({error})", shown(line)))
    if problems:
        raise StarVideosValidationError(problems)
    return rows


def _csv(text: str, uri: str) -> list[Any]:
    reader = csv.DictReader(_lines(text), strict=True)
    problems: list[Problem] = []
    rows: list[Any] = []
    try:
        head = [name.strip() for name in reader.fieldnames or ()]
        twice = sorted({name for name in head if head.count(name) > 1})
        problems += [Problem("head", "must name a column once", shown(name)) for name in twice]
        for row in reader:
            if len(rows) > MAX_ROWS:
                break  # too many, whatever is left
            extra = row.pop(None, None)
            if extra:
                problems.append(Problem(f"line {reader.line_num}", "has more cells than the head", shown(extra)))
            rows.append({str(name).strip(): value for name, value in row.items()})
    except csv.Error as error:
        problems.append(Problem(f"line {reader.reader.line_num}", f"must be CSV ({error})", shown(uri)))
    if problems:
        raise StarVideosValidationError(problems)
    return rows


def _lines(text: str) -> Iterator[str]:
    """Yield a file's lines, with their ends.

    Not ``splitlines``: JSON's strings may hold other characters that it takes for the end of a line.
    """
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


PARSERS: Mapping[str, Callable[[str, str], Sequence[Any]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv,
}


def _unusable(rule: str, value: Any) -> StarVideosValidationError:
    return StarVideosValidationError([Problem("requests", rule, shown(value))])
