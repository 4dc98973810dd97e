"""Where listeners or a custom XCom backend see every task, sensors go through a worker: real Airflow."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import LEG

HERE = Path(__file__).parent


class Witnessed:
    """A finished run of the Dag "witnessed", and what the plugin has noted of it."""

    def __init__(self, airflow: AirflowStack, notes: Path) -> None:
        run_id = airflow.finished_run("witnessed")
        self.notes: list[dict[str, Any]] = [json.loads(line) for line in notes.read_text().splitlines()]
        self.log = airflow.log("witnessed", run_id, "wait")
        self.video_id, self.video_url = airflow.xcom("witnessed", run_id, "use")["wrapped"]

    def seen(self, event: str, task_id: str) -> list[dict[str, Any]]:
        """Return the notes of an event of a task."""
        return [note for note in self.notes if (note["event"], note["task_id"]) == (event, task_id)]


@pytest.fixture(scope="module")
def witnessed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witnessed]:
    """A run in an Airflow with a listener and an XCom backend."""
    home = tmp_path_factory.mktemp("witnessed")
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    env = {
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "WITNESS": str(home / "notes.jsonl"),
        "WITNESS_LISTENS": "1",
    }
    config = {"core.plugins_folder": str(HERE / "plugins"), "core.xcom_backend": "witness.WitnessXCom"}
    with AirflowStack(home, HERE / "dags", env, config) as airflow:
        yield Witnessed(airflow, home / "notes.jsonl")


def test_listeners_see_the_sensor_succeed(witnessed: Witnessed) -> None:
    """Once, like every other task: a task that ends in the triggerer would be left out."""
    assert [len(witnessed.seen("success", name)) for name in ("create", "wait", "use")] == [1, 1, 1]
    assert witnessed.seen("running", "wait")
    assert LEG in witnessed.log


def test_the_xcom_backend_sees_the_sensors_xcoms(witnessed: Witnessed) -> None:
    """All of them, so that what reads them through the backend gets what was pushed."""
    pushed = {note["key"]: note["value"] for note in witnessed.seen("xcom", "wait")}
    assert pushed == {
        "return_value": witnessed.video_id,
        "video_url": witnessed.video_url,
        "actual_duration": 3.0,
        "amount": "0.75",
    }
    assert witnessed.video_id in witnessed.video_url
