"""What the README and example_dags/ show works as it is."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from airflow.sdk import DAG

ROOT = Path(__file__).parents[2]
ASKS_A_PERSON = {"approve"}  # which Airflow 3.0 can't do, and says so
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))


def dags(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, DAG]:
    """Run a Dag file, and return the Dags that it makes."""
    made: dict[str, DAG] = {}
    original = DAG.__exit__

    def noted(self: DAG, *args: object) -> None:
        made[self.dag_id] = self
        original(self, *args)

    monkeypatch.setattr(DAG, "__exit__", noted)
    runpy.run_path(str(path))
    return made


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_imports_without_a_warning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings are errors here; each file makes Dags with tasks, under ids that say where they come from."""
    if path.stem in ASKS_A_PERSON and not AIRFLOW_V_3_1_PLUS:
        with pytest.raises((ValueError, AirflowOptionalProviderFeatureException), match=r"3\.1"):
            dags(path, monkeypatch)
        return
    made = dags(path, monkeypatch)
    assert made
    assert all(dag_id.startswith("starvideos_") and dag.task_ids for dag_id, dag in made.items())


def test_the_ten_line_example_has_ten_lines_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Dag, as a reader copies it: create → wait → save."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 11
    file = tmp_path / "kite.py"
    file.write_text(code[1])
    (dag,) = dags(file, monkeypatch).values()
    assert [task.task_id for task in dag.topological_sort()] == ["create", "wait", "save"]
