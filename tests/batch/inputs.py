"""What people hand over as a batch's requests: each kind, and what is right for it (CASES.md A1 to A9, C16)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

U, V = "https://cdn.example.com/a.png", "https://cdn.example.com/b.png"
KITE = {"prompt": "A kite", "duration": 5}
PAIR = [KITE, {"prompt": "A dog"}]
KITES = [KITE, {"prompt": "A dog"}]


@dataclass
class Kind:
    """One kind of input.

    :param given: the requests; a function is called with an empty folder
    :param right: the orders, each as far as it matters; or a part of the error's text
    :param defaults: the operator's other arguments
    """

    given: Any
    right: list[dict[str, Any]] | str
    defaults: dict[str, Any] = field(default_factory=dict)

    def make(self, folder: Path) -> Any:
        """Return the requests."""
        return self.given(folder) if isinstance(self.given, Made) else self.given


class Made:
    """Makes requests that need a folder or a library.

    :param make: is given the folder
    """

    def __init__(self, make: Callable[[Path], Any]) -> None:
        self.make = make

    def __call__(self, folder: Path) -> Any:
        return self.make(folder)


def library(name: str, make: Callable[[Any], Any]) -> Made:
    """Return requests of a library that may not be there."""
    return Made(lambda folder: make(pytest.importorskip(name)))


def file(name: str, content: str | bytes, encoding: str = "utf-8") -> Made:
    """Return the path of a file."""

    def write(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return str(path)

    return Made(write)


def cell(value: Any, column: str = "reference_images") -> list[dict[str, Any]]:
    """Return one row with this value."""
    return [{"prompt": "A kite", column: value}]


def images(*urls: str) -> list[dict[str, Any]]:
    """Return the right order of a row with these images."""
    return [{"prompt": "A kite", "referenceImages": list(urls)}]


def parquet(rows: list[Mapping[str, Any]]) -> Made:
    """Return the path of a Parquet file."""

    def write(folder: Path) -> str:
        arrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), folder / "r.parquet")
        return str(folder / "r.parquet")

    return Made(write)


CSV = "prompt,duration\nA kite,5\nA dog,\n"
LINES = '{"prompt": "A kite", "duration": 5}\n{"prompt": "A dog"}\n'
ARRAY = json.dumps(PAIR)
TWICE = "\n".join(json.dumps(json.dumps(row)) for row in PAIR)
FRAME = {"prompt": ["A kite", "A dog"], "duration": [5, None]}
DEFAULT = {"prompt": "the default"}
