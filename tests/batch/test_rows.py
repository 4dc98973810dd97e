"""Rows and where they come from: everything that is wrong is in one error, before anything is ordered."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.api.models import GenerationMode
from airflow_provider_starvideos.batch import files
from airflow_provider_starvideos.batch import rows as rows_module
from airflow_provider_starvideos.batch.rows import MAX_ROWS, digest_of, read_rows
from airflow_provider_starvideos.batch.sources import read_requests
from airflow_provider_starvideos.exceptions import StarVideosStorageError, StarVideosValidationError
from tests.batch.desk import Desk, prompts

URL = "https://example.com/api"
CLIP = "https://example.com/clip.mp4"


def rows(given: Any, **defaults: Any) -> list[Any]:
    """Read rows as the operator does."""
    return list(read_rows(read_requests(given, None), defaults, URL))


def problems(given: Any, **defaults: Any) -> list[tuple[str, str, str]]:
    """Read rows that are wrong; return the error."""
    with pytest.raises(StarVideosValidationError) as caught:
        rows(given, **defaults)
    return [(one.field, one.rule, one.value) for one in caught.value.problems]


def test_every_problem_of_every_row() -> None:
    """Row number, field, rule and value; also several of one row, and whatever kind they are of."""
    given = [
        {"prompt": "good", "name": "a"},
        {"prompt": "", "duration": 99, "colour": "red", "name": "../a"},
        {"prompt": "p", "ratio": "4:3", "name": "a"},
        7,
        {"prompt": "p", "first_image": "https://example.com/a.png"},
    ]
    found = problems(given)
    assert [one[0] for one in found] == [
        "row 2: colour",
        "row 2: name",
        "row 2: prompt",
        "row 2: duration",
        "row 3: name",
        "row 3: ratio",
        "row 4: request",
        "row 5: last_image",
    ]
    told = {field: (rule, value) for field, rule, value in found}
    assert told["row 2: duration"] == ("must be a whole number from 3 to 15", "99")
    assert told["row 3: name"] == ("must be unique, row 1 has it", "'a'")
    assert "they are prompt, duration, ratio" in told["row 2: colour"][0]


@pytest.mark.parametrize("name", ["a\x1b[31m\nERROR fake", "\ud800", "https://b/x?X-Amz-Signature=SECRET", "n" * 500])
def test_a_column_s_name_may_be_anything(name: str) -> None:
    """In a file without a head it is data: it is shown as a value, in one printable, short line."""
    ((field, _, _),) = problems([{"prompt": "p", name: "value"}])
    assert field.isprintable()
    assert len(field) < 100
    assert "SECRET" not in field


def test_the_message_is_capped(desk: Desk) -> None:
    """A thousand wrong rows are a message of fifty lines, that says how many more there are; nothing is ordered."""
    with pytest.raises(Exception, match="1000 problems") as caught:
        desk.run([{"prompt": "", "duration": number} for number in [5] * 1000])
    lines = str(caught.value).splitlines()
    assert len(lines) == 53
    assert lines[-1].startswith("More: ")
    assert "… and 950 more" in str(caught.value)
    assert desk.emulator.requests["create"] == 0
    assert desk.variables.journals == {}


@pytest.mark.parametrize("count", [0, MAX_ROWS + 1])
def test_how_many_rows(count: int) -> None:
    """None is as wrong as too many."""
    assert problems(["a"] * count) == [("requests", f"must have 1 to {MAX_ROWS} rows", str(count))]


def test_defaults_apply_where_a_row_gives_nothing() -> None:
    """A blank cell gives nothing. With a clip the output follows it, so that duration and ratio don't apply."""
    found = rows(
        ["just a prompt", {"prompt": "p", "duration": "", "ratio": "1:1"}, {"prompt": "p", "reference_videos": [CLIP]}],
        duration=5,
        ratio="16:9",
    )
    requests = [row.request for row in found]
    assert [(one.duration, one.ratio) for one in requests] == [(5, "16:9"), (5, "1:1"), (None, None)]
    assert requests[2].mode == GenerationMode.VIDEO
    assert rows([{"ratio": "1:1"}], prompt="shared")[0].request.prompt == "shared"


def test_a_row_that_gives_what_does_not_apply_is_told() -> None:
    """Only defaults are left out in silence."""
    found = problems([{"prompt": "p", "reference_videos": [CLIP], "duration": 5}], duration=7)
    assert [one[0] for one in found] == ["row 1: duration"]


def test_equal_rows_are_two_videos() -> None:
    """Each has its own key, whatever is between them. The names distinguish them, not the order."""
    first = rows(["a", "b", "a"])
    assert len({row.key for row in first}) == 3
    assert {row.key for row in first} == {row.key for row in rows(["b", "a", "a"])}
    named = {row.name: row.key for row in rows([{"prompt": "a", "name": "x"}, {"prompt": "a", "name": "y"}])}
    swapped = {row.name: row.key for row in rows([{"prompt": "a", "name": "y"}, {"prompt": "a", "name": "x"}])}
    assert named == swapped
    assert [row.number for row in rows([{"prompt": "a", "name": "y"}, "b", {"prompt": "a", "name": "x"}])] == [1, 2, 3]


def test_the_digest_tells_what_is_ordered_in_which_order() -> None:
    """A signature isn't part of it, the order of the rows is."""
    assert digest_of(rows(["a", "b"])) != digest_of(rows(["b", "a"]))
    one, two = ({"prompt": "a", "reference_images": [f"https://b/x.png?X-Amz-Signature={sign}"]} for sign in "12")
    assert digest_of(rows([one])) == digest_of(rows([two]))


READ: dict[str, Callable[[Path], Any]] = {
    "list": lambda path: [{"prompt": "a, b", "duration": 5}, "plain"],
    "tuple": lambda path: ({"prompt": "a, b", "duration": "5"}, "plain"),
    "text of a JSON list": lambda path: '  [{"prompt": "a, b", "duration": 5}, "plain"]',
    "text of a Python list": lambda path: "[{'prompt': 'a, b', 'duration': 5}, 'plain']",
    "generator": lambda path: iter([{"prompt": "a, b", "duration": 5}, "plain"]),
    "jsonl": lambda path: _file(path / "r.jsonl", '{"prompt": "a, b", "duration": 5}\n"plain"\n\n'),
    "ndjson, crlf": lambda path: _file(path / "r.NDJSON", '{"prompt": "a, b", "duration": 5}\r\n"plain"\r\n'),
    "csv": lambda path: _file(path / "r.csv", 'prompt,duration\n"a, b",5\nplain,\n'),
    "csv with a mark and crlf": lambda path: _file(path / "r.csv", '\ufeffprompt , duration\r\n"a, b",5\r\nplain\r\n'),
    "uri": lambda path: f"file://{_file(path / 'r.jsonl', READ_LINES)}",
}
READ_LINES = '{"prompt": "a, b", "duration": 5}\n"plain"'


def _file(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


@pytest.mark.parametrize("source", READ.values(), ids=READ)
def test_every_source_gives_the_same(source: Callable[[Path], Any], tmp_path: Path) -> None:
    """Whatever the requests come in, the orders are these."""
    found = rows(source(tmp_path))
    assert [(row.number, row.request.prompt, row.request.duration) for row in found] == [
        (1, "a, b", 5),
        (2, "plain", None),
    ]


def test_csv_cells_may_hold_lists_and_lines(tmp_path: Path) -> None:
    """A cell is read as a template's outcome is: a URL, or the text of a list of them."""
    text = 'prompt,reference_images\n"one\ntwo","[""https://a/1.png"", ""https://a/2.png""]"\nthree,https://a/3.png\n'
    found = rows(_file(tmp_path / "r.csv", text))
    assert [(row.request.prompt, len(row.request.reference_images)) for row in found] == [("one\ntwo", 2), ("three", 1)]


def test_json_lines_end_where_json_says(tmp_path: Path) -> None:
    """A text with characters that Python takes for the end of a line is one line."""
    prompt = "one\u2028two\u0085three\x0bfour"
    line = json.dumps({"prompt": prompt}, ensure_ascii=False)
    assert rows(_file(tmp_path / "r.jsonl", f"{line}\n"))[0].request.prompt.startswith("one\u2028two\u0085three")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("r.jsonl", '{"prompt": "a"}\n{"prompt": \nnope\n', ["line 2", "line 3"]),
        ("r.csv", "prompt,duration\na,5,6\nb\nc,5,6,7\n", ["line 2", "line 4"]),
        ("r.csv", 'prompt\n"a\n', ["line 2"]),
        ("r.csv", "prompt,duration,prompt \na,5,b\n", ["head"]),
        ("r.txt", "a", ["requests"]),
        ("none.jsonl", None, ["requests"]),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, text: str | None, told: list[str]) -> None:
    """Every line that can't be read is named; a file that isn't there is bad input, not worth a retry."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert [one[0] for one in problems(str(path))] == told


def test_a_file_of_another_encoding(tmp_path: Path) -> None:
    """Not guessed: a wrong guess is a video of mojibake."""
    path = tmp_path / "r.csv"
    path.write_bytes("prompt\nein Bär\n".encode("latin-1"))
    assert "must be text in UTF-8" in problems(str(path))[0][1]


def test_a_storage_that_cannot_be_asked(tmp_path: Path) -> None:
    """May be better at the next try, and names no signature."""
    with pytest.raises(StarVideosStorageError, match="nothing was ordered"):
        read_requests(f"{tmp_path}/r.csv/r.csv" if (tmp_path / "r.csv").write_text("prompt\n") else "", None)


@pytest.mark.parametrize("given", [None, {"prompt": "a"}, b"[]", 7, "a red fox", "[{"])
def test_what_requests_cannot_be(given: Any) -> None:
    """One clear problem."""
    assert [one[0] for one in problems(given)] == ["requests"]


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("r.jsonl", '{"prompt": "a"}', "requests"),
        ("r.csv", "prompt", "requests"),
        ("r.jsonl", "{", "line 1"),
    ],
)
def test_a_file_that_is_far_too_long_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str, told: str
) -> None:
    """A quarter of a gigabyte of short lines would be many gigabytes of objects, and minutes."""
    monkeypatch.setattr(files, "MAX_ROWS", 10)
    monkeypatch.setattr(rows_module, "MAX_ROWS", 10)
    read: list[str] = []
    lines = files._lines
    monkeypatch.setattr(files, "_lines", lambda text: (read.append(one) or one for one in lines(text)))
    assert problems(_file(tmp_path / name, f"{line}\n" * 1000))[0][0] == told
    assert len(read) < 20


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.jsonl", '{"prompt": "a"}\n\n{}\n{"prompt": "b", "duration": 99}\n'),
        ("r.csv", "prompt,duration\na,\n\n,\nb,99\n"),
    ],
)
def test_a_row_keeps_the_number_that_it_has_in_its_file(
    tmp_path: Path, name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A3: what is left out counts, so that an error names the right row; the log says which rows are left out."""
    assert problems(_file(tmp_path / name, text))[0][0] == "row 4: duration"
    found = rows(_file(tmp_path / name, text.replace("99", "9")))
    assert [row.number for row in found] == [1, 4]
    assert "Left out 2 of 4 rows, which give nothing to order: rows 2-3." in caplog.text


def test_a_file_of_padded_rows_is_read(tmp_path: Path) -> None:
    """A3: a spreadsheet may pad to its last row. Those rows don't count against the most that there may be."""
    path = _file(tmp_path / "r.csv", "prompt,name\na,b.mp4.MP4\n" + ",\n" * (MAX_ROWS + 1))
    assert [(row.request.prompt, row.name) for row in rows(path, duration=5)] == [("a", "b")]


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl"])
def test_there_is_an_end_to_padded_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A quarter of a gigabyte of line ends isn't gone through."""
    monkeypatch.setattr(files, "MAX_RECORDS", 10)
    assert problems(_file(tmp_path / name, "prompt" * (name == "r.csv") + "\n" * 20))[0][0] == "requests"


def test_rows_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator may go on for ever."""
    monkeypatch.setattr(files, "MAX_RECORDS", 10)
    assert "at most 10 rows" in problems(itertools.repeat("a kite"))[0][1]


def test_a_file_that_would_unpack_to_more_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes of gzip may be gigabytes."""
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "r.csv.gz"
    path.write_bytes(gzip.compress(b"prompt\n" + b"a" * 100_000))
    assert "at most 1000 bytes" in problems(str(path))[0][1]


def test_ten_thousand_rows_are_read(tmp_path: Path) -> None:
    """And numbered as they are."""
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in prompts(10_000)))
    assert rows(str(path))[9_999].number == 10_000
