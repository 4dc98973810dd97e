"""Requests that aren't files: what is right for each kind (CASES.md A1 to A3)."""

from __future__ import annotations

import csv
import io
import json
from collections import UserDict, UserString, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tests.batch.inputs import (
    ARRAY,
    CSV,
    DEFAULT,
    FRAME,
    KITE,
    KITES,
    LINES,
    PAIR,
    Kind,
    Made,
    library,
)

Named = namedtuple("Named", "prompt duration")


@dataclass
class Request:
    prompt: str
    duration: int | None = None


class Columns:
    """A table of an unknown library: going through it gives its columns' names."""

    columns = ("prompt", "duration")

    def __iter__(self) -> Any:
        return iter(self.columns)


class Result:
    """A database's result: its rows are tuples that know their columns."""

    def __iter__(self) -> Any:
        row = type(
            "Row", (tuple,), {"_mapping": property(lambda row: dict(zip(("prompt", "duration"), row, strict=True)))}
        )
        return iter([row(("A kite", 5)), row(("A dog", None))])


def sqlite_rows() -> Any:
    """Return the rows of a query."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("select 'A kite' as prompt, 5 as duration union all select 'A dog', null").fetchall()
    connection.close()
    return sorted(rows, key=lambda row: row["prompt"], reverse=True)


def model() -> Any:
    """Return models of pydantic."""
    pydantic = pytest.importorskip("pydantic")
    made = pydantic.create_model("Request", prompt=(str, ...), duration=(int | None, None))
    return [made(prompt="A kite", duration=5), made(prompt="A dog")]


def attrs_rows() -> Any:
    """Return instances of an attrs class."""
    attr = pytest.importorskip("attr")
    made = attr.make_class("Request", ["prompt", "duration"])
    return [made("A kite", 5), made("A dog", None)]


ROWS: dict[str, Kind] = {
    "list of objects": Kind(PAIR, KITES),
    "tuple of objects": Kind(tuple(PAIR), KITES),
    "generator": Kind(Made(lambda folder: iter(list(PAIR))), KITES),
    "dict_values": Kind({"a": KITE, "b": {"prompt": "A dog"}}.values(), KITES),
    "map": Kind(Made(lambda folder: map(dict, PAIR)), KITES),
    "set of prompts": Kind({"A kite"}, [{"prompt": "A kite"}]),
    "prompts": Kind(["A kite", "A dog"], [{"prompt": "A kite"}, {"prompt": "A dog"}]),
    "DataFrame of pandas": Kind(library("pandas", lambda pd: pd.DataFrame(FRAME)), KITES),
    "DataFrame of pandas with an index that has a name": Kind(
        library("pandas", lambda pd: pd.DataFrame(FRAME).set_index("prompt")), KITES
    ),
    "DataFrame of pandas with columns of one name": Kind(
        library("pandas", lambda pd: pd.DataFrame([["A kite", "A dog"]], columns=["prompt", "prompt"])),
        "name a column once",
    ),
    "DataFrame of polars": Kind(library("polars", lambda pl: pl.DataFrame(FRAME)), KITES),
    "LazyFrame of polars": Kind(library("polars", lambda pl: pl.LazyFrame(FRAME)), "lazy table"),
    "grouped DataFrame": Kind(library("pandas", lambda pd: pd.DataFrame(FRAME).groupby("prompt")), "requests"),
    "Table of pyarrow": Kind(library("pyarrow", lambda pa: pa.table(FRAME)), KITES),
    "RecordBatch of pyarrow": Kind(library("pyarrow", lambda pa: pa.RecordBatch.from_pydict(FRAME)), KITES),
    "column of pyarrow": Kind(library("pyarrow", lambda pa: pa.array(["A kite"])), [{"prompt": "A kite"}]),
    "Series of pandas": Kind(library("pandas", lambda pd: pd.Series(["A kite", None])), [{"prompt": "A kite"}]),
    "Series of polars": Kind(library("polars", lambda pl: pl.Series(["A kite", None])), [{"prompt": "A kite"}]),
    "Series of polars with structs": Kind(library("polars", lambda pl: pl.Series(PAIR)), KITES),
    "Index of pandas": Kind(library("pandas", lambda pd: pd.Index(["A kite"])), [{"prompt": "A kite"}]),
    "one row of a DataFrame": Kind(
        library("pandas", lambda pd: pd.Series({"prompt": "A kite", "ratio": "1:1"})), "this is one row"
    ),
    "rows of iterrows": Kind(library("pandas", lambda pd: list(pd.DataFrame(FRAME).iterrows())), "row 1: request"),
    "rows of itertuples": Kind(library("pandas", lambda pd: pd.DataFrame(FRAME).itertuples(index=False)), KITES),
    "list of Series": Kind(library("pandas", lambda pd: [row for _, row in pd.DataFrame(FRAME).iterrows()]), KITES),
    "list of DataFrames": Kind(library("pandas", lambda pd: [pd.DataFrame(FRAME)]), "row 1: request"),
    "array of numpy": Kind(
        library("numpy", lambda np: np.array(["A kite", "A dog"])), [{"prompt": "A kite"}, {"prompt": "A dog"}]
    ),
    "array of numpy with objects": Kind(library("numpy", lambda np: np.array(PAIR, dtype=object)), KITES),
    "array of numpy with records": Kind(
        library("numpy", lambda np: np.array([("A kite", 5)], dtype=[("prompt", "U9"), ("duration", "i4")])), [KITE]
    ),
    "array of numpy with two dimensions": Kind(
        library("numpy", lambda np: np.array([["A kite", "A dog"]])), "row 1: request"
    ),
    "array of numpy without dimension": Kind(library("numpy", lambda np: np.array("A kite")), "requests"),
    "array of numpy with bytes": Kind(library("numpy", lambda np: np.array([b"A kite"])), "row 1: request"),
    "table of an unknown library": Kind(Columns(), "table of an unknown kind"),
    "names of columns": Kind(["prompt", "duration"], "a table's head"),
    "lines of a CSV": Kind(CSV.splitlines(), "a table's head"),
    "table printed as text": Kind(["   prompt  duration\n0  A kite  5"], "a table's head"),
    "cells of csv.reader": Kind(Made(lambda folder: csv.reader(io.StringIO(CSV))), "row 1: request"),
    "rows of csv.DictReader": Kind(Made(lambda folder: csv.DictReader(io.StringIO(CSV))), KITES),
    "open file": Kind(Made(lambda folder: io.StringIO(CSV)), "an open file"),
    "named tuples": Kind([Named("A kite", 5), Named("A dog", None)], KITES),
    "one named tuple": Kind(Named("A kite", "5"), "one row"),
    "dataclass instances": Kind([Request("A kite", 5), Request("A dog")], KITES),
    "one dataclass instance": Kind(Request("A kite", 5), "one row"),
    "models of pydantic": Kind(Made(lambda folder: model()), KITES),
    "one model of pydantic": Kind(Made(lambda folder: model()[0]), "one row"),
    "instances of an attrs class": Kind(Made(lambda folder: attrs_rows()), KITES),
    "rows of SQLAlchemy": Kind(Result(), KITES),
    "rows of sqlite3": Kind(Made(lambda folder: sqlite_rows()), KITES),
    "tuples of a cursor": Kind([("A kite", 5)], "row 1: request"),
    "tuples of one column": Kind([("A kite",)], "row 1: request"),
    "other mappings": Kind([UserDict(KITE)], [KITE]),
    "other text": Kind([UserString("A kite")], "row 1: request"),
    "one object": Kind(KITE, "put rows into a list"),
    "object of columns": Kind(FRAME, "put rows into a list"),
    "items of an object": Kind(KITE.items(), "row 1: request"),
    "keys of an object": Kind(KITE.keys(), "a table's head"),
    "bytes": Kind(b'["A kite"]', "bytes"),
    "bytes as a row": Kind([b"A kite"], "row 1: request"),
    "nothing": Kind(None, "requests"),
    "a number": Kind(5, "requests"),
    "an object without parts": Kind(SimpleNamespace(prompt="A kite"), "requests"),
    "a class": Kind(Request, "requests"),
    "text of a JSON list": Kind(ARRAY, KITES),
    "text of a Python list": Kind(repr(PAIR), KITES),
    "text of a Python list with nan": Kind("[{'prompt': 'A kite', 'duration': nan}]", [{"prompt": "A kite"}]),
    "text of a list of numpy": Kind("['A kite' 'A dog']", [{"prompt": "A kite"}, {"prompt": "A dog"}]),
    "text of a list with types of numpy": Kind(
        "[np.str_('A kite'), np.str_('A dog')]", [{"prompt": "A kite"}, {"prompt": "A dog"}]
    ),
    "text of one object": Kind(json.dumps(KITE), [KITE]),
    "text of JSON Lines": Kind(LINES, KITES),
    "text that is missing": Kind("None", "the value is missing"),
    "text that is a prompt": Kind("A kite", "requests"),
    "text of a CSV": Kind(CSV, "requests"),
    # A2
    "row of JSON text": Kind([json.dumps(KITE)], [KITE]),
    "row of Python text": Kind([repr(KITE)], [KITE]),
    "row of JSON text encoded twice": Kind([json.dumps(json.dumps(KITE))], [KITE]),
    "row of JSON text that is cut": Kind(['{"prompt": "A kite"'], "looks like a JSON object"),
    "row of YAML text": Kind(["{prompt: A kite}"], "looks like a JSON object"),
    "row of JSON text of a list": Kind(['["A kite"]'], "the text of a list"),
    "row of JSON text of a list that is cut": Kind(['["A kite", "A'], "looks like a list"),
    "row of JSON text of a number": Kind(["5"], "the text of a number"),
    "row of JSON text of a truth value": Kind(["true"], "a truth value"),
    "row of bytes as text": Kind(["b'A kite'"], "the text of bytes"),
    "row that begins with a bracket": Kind(
        ["[close-up] A kite", "(slow) A kite", '"Kite" in the sky'],
        [{"prompt": "[close-up] A kite"}, {"prompt": "(slow) A kite"}, {"prompt": '"Kite" in the sky'}],
    ),
    "row of JSON text with other names": Kind(['{"scene": "A kite"}'], "isn't a field"),
    "prompt that is a JSON object of fields": Kind([{"prompt": json.dumps(KITE)}], "a whole request"),
    "prompt that is a JSON object of its own": Kind(
        [{"prompt": '{"scene": "A kite"}'}], [{"prompt": '{"scene": "A kite"}'}]
    ),
    "prompt that is the text of a list": Kind([{"prompt": "['A kite']"}], "the text of a list"),
    "row of JSON text with the escapes of HTML": Kind(["{&quot;prompt&quot;: &quot;A kite&quot;}"], "escapes of HTML"),
    "row that is a printed dataclass": Kind([repr(Request("A kite", 5))], "a whole request"),
    "row that is a printed OrderedDict": Kind(["OrderedDict([('prompt', 'A kite')])"], "a whole request"),
    "row of a form": Kind(["prompt=A+kite&duration=5"], "a whole request"),
    "row that is a printed Series": Kind(["prompt      A kite\nName: 0, dtype: object"], "a whole request"),
    "prompt that is a printed column": Kind([{"prompt": "0    A kite\n1    A dog\ndtype: object"}], "a printed table"),
    "prompt that a person has labelled": Kind(["Prompt: A kite"], [{"prompt": "Prompt: A kite"}]),
    "head again, in a file of two exports": Kind([KITE, {"prompt": "prompt", "name": "name"}], "a column's name"),
    "prompt that was decoded with losses": Kind([{"prompt": "A caf\ufffd"}], "in another encoding"),
    "prompt of UTF-8 that was read as Windows-1252": Kind(
        [{"prompt": "A café in Zürich".encode().decode("cp1252")}], "in another encoding"
    ),
    "prompts with accents": Kind(
        ["A café in Zürich", "NÃO, café, naïve", "一只风筝", "Ein Drache, 20 °C"],
        [
            {"prompt": "A café in Zürich"},
            {"prompt": "NÃO, café, naïve"},
            {"prompt": "一只风筝"},
            {"prompt": "Ein Drache, 20 °C"},
        ],
    ),
    "URLs of images": Kind(["https://cdn.example.com/a.png"], "this is a URL"),
    "URL without a scheme": Kind([{"prompt": "//cdn.example.com/a"}], "this is a URL"),
    "URI of a file": Kind([{"prompt": "s3://bucket/rows.csv"}], "this is a URL"),
    "name of a file": Kind(["prompts/kite.txt", "a.PNG", r"C:\rows.csv", "rows.csv.gz"], "a file's name"),
    "prompt that speaks of a file": Kind(
        ["A screen shows kite.png", "A kite.", "Node.js"],
        [{"prompt": "A screen shows kite.png"}, {"prompt": "A kite."}, {"prompt": "Node.js"}],
    ),
    "template that isn't rendered": Kind([{"prompt": "A {{ product }} in the sky"}], "a template that wasn't rendered"),
    "placeholders that aren't filled": Kind(
        ["A {product} kite", "A ${product}", "A %(product)s kite"], "wasn't rendered"
    ),
    "braces that are meant": Kind(
        ["A kite {in the sky}", "{image1} flies", "100 % kite", "So {slow: 0.5}"],
        [{"prompt": text} for text in ("A kite {in the sky}", "{image1} flies", "100 % kite", "So {slow: 0.5}")],
    ),
    "formula": Kind(['="A kite"', "=A1&B1"], "a spreadsheet's formula"),
    "end of what psql prints": Kind(["A kite", "(1 row)"], "the end of a printed table"),
    "block of code, as a language model writes it": Kind(
        [{"prompt": '```json\n{"prompt": "A"}\n```'}], "a block of code"
    ),
    "placeholder in a URL": Kind(
        [KITE | {"reference_images": ["https://cdn.example.com/{sku}.png"]}], "a template that wasn't rendered"
    ),
    "percent sign in a URL that isn't filled": Kind(
        [KITE | {"reference_images": ["https://cdn.example.com/%s.png"]}], "a part of it is missing"
    ),
    "query of a URL that lacks its value": Kind(
        [KITE | {"reference_images": ["https://cdn.example.com/a?sku=None&v=1"]}], "a part of it is missing"
    ),
    "block that isn't rendered": Kind([{"prompt": "A {% if a %}kite{% endif %}"}], "a template that wasn't rendered"),
    "template in a URL that isn't rendered": Kind(
        [KITE | {"reference_images": "https://cdn.example.com/{{sku}}.png"}], "a template that wasn't rendered"
    ),
    "URL whose file is missing": Kind(
        [KITE | {"reference_images": ["https://cdn.example.com/None.png"]}], "a part of it is missing"
    ),
    "URL whose folder is missing": Kind(
        [KITE | {"first_image": "https://cdn.example.com/undefined/a.png", "last_image": "s3://b/nan"}],
        "a part of it is missing",
    ),
    # A3
    "blank rows beside a default": Kind(
        [KITE, {}, {"prompt": None, "duration": ""}, None, "", "  ", float("nan"), {"prompt": "NaN"}], [KITE], DEFAULT
    ),
    "rows of missing values in a DataFrame": Kind(
        library("pandas", lambda pd: pd.DataFrame({"prompt": ["A kite", None], "duration": [5, None]})), [KITE], DEFAULT
    ),
    "row with the model alone": Kind([KITE, {"model": "starvideos_o3"}], [KITE], DEFAULT),
    "row with a name alone, and a default": Kind([{"name": "a"}], [{"prompt": "the default"}], DEFAULT),
    "row with a name alone, without a default": Kind([{"name": "a"}], "row 1: prompt"),
    "row with a duration alone, and a default": Kind(
        [{"duration": 5}], [{"prompt": "the default", "duration": 5}], DEFAULT
    ),
    "blank rows alone": Kind([{}, None, ""], "all of them empty", DEFAULT),
    "no rows": Kind([], "must have 1 to", DEFAULT),
    "rows keep their numbers": Kind([{}, None, {"prompt": "p", "duration": 99}], "row 3: duration", DEFAULT),
}
