"""Batches with a library on a real Airflow: what has changed is ordered, once, by whichever run comes first."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import wait_until_settled

pytestmark = pytest.mark.timeout(300)


def rows(*prompts: str) -> list[dict[str, str]]:
    """Return rows, each with its prompt's number as its name."""
    return [{"prompt": f"library {prompt}", "name": f"row-{number}"} for number, prompt in enumerate(prompts)]


def billed(emulator: Emulator) -> Counter[str]:
    """Return how often each of these tests' prompts was ordered."""
    return Counter(one.prompt.split()[1] for one in emulator.orders if one.prompt.startswith("library "))


def counts(airflow: AirflowStack, run_id: str) -> dict[str, Any]:
    """Return how a run's rows ended."""
    found = airflow.xcom("library", run_id, "batch", "counts")
    return {name: found[name] for name in ("rows", "saved", "reused") if name in found}


def test_nights(airflow: AirflowStack, emulator: Emulator, tmp_path: Path) -> None:
    """A first night; a second one, in which a product has changed, a file is lost, and two runs begin at once; a
    clear of a success. Each run has all of its files.
    """
    airflow.wait_for_dag("library")

    def run(*prompts: str) -> str:
        return airflow.trigger("library", {"rows": rows(*prompts), "folder": str(tmp_path)})

    def succeeds(run_id: str) -> None:
        airflow.expect_end("library", run_id)
        prompts = counts(airflow, run_id)["rows"]
        assert len(list((tmp_path / run_id.replace(":", "")).glob("row-*.mp4"))) == prompts

    first = run("a", "b", "c")
    succeeds(first)
    assert billed(emulator) == {"a": 1, "b": 1, "c": 1}
    assert counts(airflow, first) == {"rows": 3, "saved": 3}

    lost = emulator.orders[[one.prompt for one in emulator.orders].index("library b")].id
    next((tmp_path / "library").glob(f"?/*-{lost}.mp4")).unlink()
    both = [run("a", "b", "changed", "d", "e", "f") for _ in range(2)]
    for run_id in both:
        succeeds(run_id)
    assert billed(emulator) == {"a": 1, "b": 2, "c": 1, "changed": 1, "d": 1, "e": 1, "f": 1}
    ended = [counts(airflow, run_id) for run_id in both]
    assert sum(one.get("saved", 0) for one in ended) == 5
    assert sum(one.get("reused", 0) for one in ended) == 7
    logs = "".join(airflow.log("library", run_id, "batch") for run_id in both)
    assert "Row 2: its entry in the library can't be used" in logs
    assert "Row 1: its entry" not in logs

    wait_until_settled(airflow, "library", both[0], "batch")
    airflow.clear("library", both[0], ["batch"])
    succeeds(both[0])
    assert counts(airflow, both[0]) == {"rows": 6, "reused": 6}
    assert sum(billed(emulator).values()) == 8
    assert list((tmp_path / "library" / "claims").iterdir()) == []
