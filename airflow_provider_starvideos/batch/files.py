"""Files of requests: from bytes to rows. The name's ending decides how a file is read; its bytes must agree."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_starvideos.api.fields import UNNAMED, field_of
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.batch.rows import FIELDS, MAX_ROWS
from airflow_provider_starvideos.exceptions import Problem, StarVideosStorageError, StarVideosValidationError

MAX_FILE_BYTES = 256 * 1024 * 1024  # unpacked, too
MAX_RECORDS = 1_100_000  # the empty ones too; a spreadsheet has at most 1,048,576
DELIMITERS = ",;\t|"
GZIP = b"\x1f\x8b"
OTHER_KINDS = {
    b"PK\x03\x04": "a ZIP archive, as .xlsx is one",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"PAR1": "Parquet",
    b"%PDF": "a PDF",
}


def unusable(rule: str, value: Any) -> StarVideosValidationError:
    """Return the error of requests that can't be read at all."""
    return StarVideosValidationError([Problem("requests", rule, shown(value))])


def too_many(given: Any) -> StarVideosValidationError:
    """Return the error of requests with too many rows, or without an end."""
    return unusable(f"must have at most {MAX_RECORDS} rows, the empty ones too", given)


def read_file(uri: str, storage_conn_id: str | None, forms: str) -> Sequence[Any]:
    """Return the rows of a file.

    :param uri: its path or URI, whose ending says what it is
    :param storage_conn_id: Airflow connection of its storage
    :param forms: what requests may be, for the error
    :return: the rows; None where one holds nothing
    :raises StarVideosValidationError: it isn't what its ending says
    :raises StarVideosStorageError: its storage can't be read
    """
    name = uri.lower().removesuffix(".gz")
    parse = next((parse for ending, parse in PARSERS.items() if name.endswith(ending)), None)
    if parse is None:
        raise unusable(f"must be {forms}", uri)
    return parse(_unpacked(_bytes(uri, storage_conn_id), uri), uri)


def _bytes(uri: str, storage_conn_id: str | None) -> bytes:
    from airflow_provider_starvideos.storage.uris import object_path

    try:
        path: Any = object_path(uri, storage_conn_id)
        with path.open("rb") as file:
            data = bytes(file.read(MAX_FILE_BYTES + 1))
    except FileNotFoundError as error:
        raise unusable("must name a file that exists", uri) from error
    except IsADirectoryError as error:
        raise unusable("must name a file, not a folder", uri) from error
    except Exception as error:
        what = f"The requests can't be read from {shown(uri)} ({type(error).__name__}: {error}); nothing was ordered."
        raise StarVideosStorageError(what) from error
    return _bounded(data, uri)


def _bounded(data: bytes, uri: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise unusable(f"must be at most {MAX_FILE_BYTES} bytes", uri)
    return data


def _unpacked(data: bytes, uri: str) -> bytes:
    """Unpack by what the bytes are: some stores unpack what is named ``.gz`` by themselves."""
    if not data.startswith(GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _bounded(file.read(MAX_FILE_BYTES + 1), uri)
    except (OSError, EOFError, zlib.error) as error:
        raise unusable(f"must be a whole gzip file ({error})", uri) from error


def _text(data: bytes, uri: str) -> str:
    """Decode UTF-8, UTF-16 or UTF-32, with or without a mark; no other encoding is guessed."""
    found = next((what for start, what in OTHER_KINDS.items() if data.startswith(start)), None)
    if found:
        raise unusable(f"must be text; this file is {found}", uri)
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding, "strict")
    except UnicodeDecodeError as error:
        rule = f"must be text in {encoding.removesuffix('-sig').upper()} ({error.reason} at byte {error.start})"
        raise unusable(rule, uri) from error
    if "\0" in text:
        raise unusable("must be text in UTF-8 or UTF-16; this holds null characters", uri)
    return text.removeprefix("\ufeff")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise json.JSONDecodeError("a field is named twice", "", 0)
    return found


def rows_of_json(text: str, uri: str) -> Sequence[Any]:
    """Return the rows of a JSON array, of one JSON object, or of JSON Lines.

    :param uri: where it is from, for the error
    """
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        try:
            value = json.loads(text, object_pairs_hook=_object)
            return value if isinstance(value, list) else [value]
        except (ValueError, RecursionError) as error:
            if start == "[" and not text.strip().splitlines()[0].rstrip().endswith("]"):
                raise unusable(f"must be a JSON array ({error})", uri) from error
    return _json_lines(text, uri)


def _json_lines(text: str, uri: str) -> list[Any]:
    rows: list[Any] = []
    problems: list[Problem] = []
    count = 0
    for number, line in enumerate(_lines(text), 1):
        if number > MAX_RECORDS:
            raise too_many(uri)
        if not line.strip():
            rows.append(None)
            continue
        count += 1
        if count > MAX_ROWS:
            rows.append(line)
            break  # too many, whatever is left; it may be gigabytes as objects
        try:
            rows.append(json.loads(line, object_pairs_hook=_object))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"line {number}", f"must be a JSON object ({error})", shown(line)))
    if problems:
        raise StarVideosValidationError(problems)
    return rows


def _csv(text: str, uri: str) -> list[Any]:
    text, delimiter = _dialect(text)
    reader = csv.reader(_lines(text), strict=True, delimiter=delimiter)
    problems: list[Problem] = []
    rows: list[Any] = []
    count = 0
    try:
        head = _head(next((cells for cells in reader if _holds(cells)), []), problems, uri)
        for cells in reader:
            if len(rows) >= MAX_RECORDS:
                raise too_many(uri)
            if not _holds(cells):
                rows.append(None)
                continue
            count += 1
            if _holds(cells[len(head) :]):
                rule = "has more cells than the head"
                problems.append(Problem(f"line {reader.line_num}", rule, shown(cells[len(head) :])))
            rows.append(dict(zip(head, cells, strict=False)))
            if count > MAX_ROWS:
                break  # too many, whatever is left
    except csv.Error as error:
        problems.append(Problem(f"line {reader.line_num}", f"must be CSV ({error})", shown(uri)))
    if problems:
        raise StarVideosValidationError(problems)
    return rows


def _holds(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _dialect(text: str) -> tuple[str, str]:
    """Return the text from its head on, and the separator by which the head names most fields."""
    text = text.lstrip("\r\n")
    if text[:4].casefold() == "sep=":  # of Excel
        return text[5:].lstrip("\r\n"), text[4]
    head = text[: text.find("\n") + 1 or None]

    def known(delimiter: str) -> tuple[int, int]:
        cells = head.split(delimiter)
        return sum(field_of(cell.strip(" \"'\r\n")) is not None for cell in cells), len(cells)

    return text, max(DELIMITERS, key=known)


def _head(cells: Sequence[str], problems: list[Problem], uri: str) -> list[str]:
    """Return the columns' names; one without a name gets that of pandas."""
    head = [cell.strip() or f"Unnamed: {position}" for position, cell in enumerate(cells)]
    named = [name for name in head if not UNNAMED.fullmatch(name)]
    twice = sorted({name for name in named if named.count(name) > 1})
    problems += [Problem("head", "must name a column once", shown(name)) for name in twice]
    if head and not any(map(field_of, head)):
        rule = f"must name the columns; none of these is a field of a request, which are {', '.join(FIELDS)}"
        problems.append(Problem("head", rule, shown(", ".join(cells))))
    return head


def _parquet(data: bytes, uri: str) -> Sequence[Any]:
    from airflow_provider_starvideos.batch.sources import read_requests

    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise unusable("is Parquet, which needs pyarrow: install it, or give CSV or JSON Lines", uri) from error
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        if file.metadata.num_rows > MAX_RECORDS:
            raise too_many(uri)
        table = file.read()
    except (ArrowException, OSError) as error:
        raise unusable(f"must be a Parquet file ({error})", uri) from error
    return read_requests(table, None)


def _lines(text: str) -> io.StringIO:
    """Go through a file's lines, with their ends.

    Not ``splitlines``: JSON's strings may hold other characters that it takes for the end of a line.
    """
    return io.StringIO(text, newline="")


def _of_text(parse: Callable[[str, str], Sequence[Any]]) -> Callable[[bytes, str], Sequence[Any]]:
    return lambda data, uri: parse(_text(data, uri), uri)


PARSERS: Mapping[str, Callable[[bytes, str], Sequence[Any]]] = {
    ".json": _of_text(rows_of_json),
    ".jsonl": _of_text(rows_of_json),
    ".ndjson": _of_text(rows_of_json),
    ".csv": _of_text(_csv),
    ".tsv": _of_text(_csv),
    ".parquet": _parquet,
}
