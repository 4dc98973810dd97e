"""What the project is tested on: `make matrix` and CI have the same rows, and they are those that the docs promise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev import matrix

ROOT = Path(__file__).parents[2]
JOBS: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
MINORS = ["3.0", "3.1", "3.2", "3.3"]


def pins_of(constraints: str) -> dict[str, str]:
    """Return the versions that a file of constraints names."""
    text = (ROOT / "constraints" / f"{constraints}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([\d.]+)", text, re.MULTILINE))


def test_the_rows() -> None:
    """Each minor version of Airflow, the newest on each Python, and the lowest versions of the direct dependencies."""
    rows = {(row.airflow, row.python) for row in matrix.ROWS}
    assert rows == {(one, "3.11") for one in (*MINORS, "lowest")} | {("3.3", one) for one in ("3.11", "3.12", "3.13")}
    assert {row.airflow for row in matrix.ROWS if row.real} == {MINORS[0], MINORS[-1]}
    assert len({row.venv for row in matrix.ROWS}) == len(matrix.ROWS)


def test_ci_has_the_same() -> None:
    """The fast tests everywhere, those on a real Airflow on the oldest and the newest."""
    fast = JOBS["fast"]["strategy"]["matrix"]["include"]
    assert {(row["airflow"], row["python"]) for row in fast} == {(row.airflow, row.python) for row in matrix.ROWS}
    assert JOBS["real-airflow"]["strategy"]["matrix"]["airflow"] == [row.airflow for row in matrix.ROWS if row.real]


@pytest.mark.parametrize("minor", MINORS)
def test_a_row_is_of_its_airflow(minor: str) -> None:
    """The constraints name a patch of that minor version; there are none of a version without a row."""
    assert pins_of(f"airflow-{minor}")["apache-airflow"].startswith(f"{minor}.")
    assert {path.stem for path in (ROOT / "constraints").iterdir()} == {"lowest", *(f"airflow-{one}" for one in MINORS)}


def test_the_lowest_are_what_the_project_allows() -> None:
    """Each direct dependency with a lower bound has that bound, or the first release after it."""
    text = (ROOT / "pyproject.toml").read_text()
    bounds = dict(re.findall(r'"([a-z0-9-]+)>=([\d.]+)', text.partition("dependencies = [")[2].partition("]")[0]))
    pins = pins_of("lowest")
    assert {"apache-airflow", "aiohttp"} <= bounds.keys()

    def numbers(one: str) -> list[int]:
        return [int(part) for part in one.split(".")]

    for name, bound in bounds.items():
        assert numbers(pins[name])[:2] == numbers(bound)[:2], name
        assert numbers(pins[name]) >= numbers(bound), name
