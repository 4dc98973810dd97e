"""No table of cells, however mangled, orders more rows than hold something, and no missing value is ordered."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.batch.rows import Row, read_rows
from airflow_provider_starvideos.batch.sources import read_requests
from airflow_provider_starvideos.exceptions import StarVideosValidationError
from tests.batch.inputs import U, V
from tests.batch.inputs_cells import MISSING

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
NOTHING = [word for word in MISSING.values() if isinstance(word, str)]
DEFAULTS = {"prompt": "the default", "duration": 5}
SPELLINGS = {
    "prompt": ["prompt", " Prompt", "PROMPT "],
    "reference_images": ["reference_images", "referenceImages", "Reference Images"],
    "name": ["name", "Name"],
    "": ["", "  ", "Unnamed: 3"],
}
CONTENT = {
    "prompt": ["A kite", "a, b; c | d", 'He says "go"', "two\nlines", "None of the lights", "2024"],
    "reference_images": [U, f"{U},{V}", f"['{U}' '{V}']"],
    "name": ["a", "b", "1_000"],
    "": ["0", "left over"],
}
missing = st.sampled_from(["", " ", *NOTHING])


@st.composite
def tables(draw: Any) -> tuple[list[str], list[list[str]], int]:
    """Draw a head, rows of cells, and how many of them hold anything."""
    others = st.lists(st.sampled_from(sorted(SPELLINGS)), min_size=1, max_size=3)  # one column has no separator
    columns = draw(st.permutations(["prompt", *draw(others)]))
    head = [draw(st.sampled_from(SPELLINGS[column])) for column in columns]
    rows, filled = [], 0
    for _ in range(draw(st.integers(0, 8))):
        kept = draw(st.sampled_from(["nothing", "some", "all"]))
        cells, holds = [], False
        for column in columns:
            is_given = kept == "all" or (kept == "some" and draw(st.booleans()))
            holds |= is_given
            cells.append(draw(st.sampled_from(CONTENT[column])) if is_given else draw(missing))
        rows.append(cells + draw(st.lists(st.sampled_from(["", " "]), max_size=2)))
        filled += holds
    return head, rows, filled


def read(name: str, data: bytes) -> list[Row]:
    """Return the rows that a file orders; none where it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return read_rows(read_requests(str(path), None), DEFAULTS, "")
        except StarVideosValidationError:
            return []


def text_of(head: list[str], rows: list[list[str]], **dialect: Any) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, **dialect)
    writer.writerows([head, *rows])
    return text.getvalue()


@SETTINGS
@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
    pack=st.booleans(),
    padding=st.integers(0, 3),
)
def test_a_table_orders_no_more_rows_than_hold_something(
    table: Any, delimiter: str, quoting: Any, end: str, encoding: str, pack: bool, padding: int
) -> None:
    """A3, A9: with a default prompt, however it is written. What isn't refused is ordered whole, as it is written."""
    head, rows, filled = table
    text = text_of(head, rows, delimiter=delimiter, quoting=quoting, lineterminator=end)
    data = (text + (delimiter * len(head) + end) * padding).encode(encoding)
    ordered = read("r.csv.gz" if pack else "r.csv", gzip.compress(data) if pack else data)
    assert len(ordered) in (0, filled), text
    prompts = {cell for cells in rows for cell in cells} | {DEFAULTS["prompt"]}
    assert {row.request.prompt for row in ordered} <= prompts


@SETTINGS
@example(table=(["reference_images", "prompt"], [["", ""]], 0), cut=25, put='"[[]]"')
@example(table=(["reference_images", "prompt"], [["", ""]], 0), cut=25, put="|")
@given(table=tables(), cut=st.integers(0, 200), put=st.text(",;\t|\"'\n\r \\aN0[]{}\ufeff\x00", max_size=6))
def test_a_broken_table_orders_no_more_rows_than_it_has_lines(table: Any, cut: int, put: str) -> None:
    """A1, A9: with anything anywhere, where quotes may be left open and lines be cut."""
    head, rows, _ = table
    text = text_of(head, rows)
    text = text[:cut] + put + text[cut:]
    lines = [line for line in text.replace("\r", "\n").split("\n") if any(map(str.isalnum, line))]
    ordered = read("r.csv", text.encode())
    assert len(ordered) <= max(0, len(lines) - 1)  # the head is none


@SETTINGS
@given(
    rows=st.lists(
        st.none()
        | missing
        | st.sampled_from(["A kite", '{"prompt": "A kite"}'])
        | st.dictionaries(st.sampled_from(["prompt", "duration", "model", "colour"]), st.none() | missing, max_size=3)
        | st.sampled_from([{"prompt": "A kite"}, {"duration": 4}, {"name": "a"}]),
        max_size=8,
    ),
    twice=st.booleans(),
    array=st.booleans(),
)
def test_json_orders_no_more_rows_than_hold_something(rows: list[Any], twice: bool, array: bool) -> None:
    """A2, A3: also where it was encoded twice."""
    lines = [json.dumps(json.dumps(row) if twice else row) for row in rows]
    ordered = read("r.json", (f"[{','.join(lines)}]" if array else "\n".join(lines)).encode())
    full = [row for row in rows if row in ("A kite", '{"prompt": "A kite"}') or (isinstance(row, dict) and _holds(row))]
    assert len(ordered) in (0, len(full))
    assert {row.request.prompt for row in ordered} <= {"A kite", DEFAULTS["prompt"]}


def _holds(row: dict[str, Any]) -> bool:
    return any(value in ("A kite", 4, "a") for value in row.values())


@SETTINGS
@given(
    word=st.sampled_from(NOTHING),
    case=st.sampled_from([str.lower, str.upper, str.title, str.swapcase]),
    around=st.sampled_from(
        ["{}", " {} ", "\n{}", "'{}'", '"{}"', "[{}]", "({})", "<{}>", "{}.", "{} {}", "{}, {}", "\ufeff{}"]
    ),
)
def test_no_missing_word_is_ever_ordered(word: str, case: Any, around: str) -> None:
    """A6: in any case, with whatever a program prints around it."""
    prompt = around.replace("{}", case(word))
    with pytest.raises(StarVideosValidationError, match=r"^The StarVideos request has 1 problem.*\n  - row 1: prompt"):
        read_rows([{"prompt": prompt, "duration": 5}], {}, "")


@SETTINGS
@example(prompt="0")
@given(prompt=st.text() | st.text("-–—_ .,nNaAoOeEuUlL#/<>[]{}()'\"", max_size=8))
def test_what_is_ordered_says_something(prompt: str) -> None:
    """A6: any text is refused, or goes out as it is."""
    try:
        ordered = build_request(prompt=prompt).prompt
    except StarVideosValidationError:
        return
    assert ordered == prompt
    assert ordered.strip().casefold() not in {word.strip().casefold() for word in NOTHING}
    assert any(not one.isspace() and one not in "-–—_.,;:#/<>[]{}()'\"" for one in ordered)
