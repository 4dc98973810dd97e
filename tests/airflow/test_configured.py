"""An Airflow whose administrator has changed its configuration.

With a listener and an XCom backend, which see every task, sensors go through a worker. Rows C17 and C18:
default_deferrable without a triggerer, and pokes that fail, each in a process.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import LEG, VIDEO_SECONDS

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def configured(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow with a listener and an XCom backend, which note what they see, and with ``default_deferrable``."""
    home, dags = tmp_path_factory.mktemp("configured"), tmp_path_factory.mktemp("dags")
    for name in ("witnessed.py", "without_triggerer.py"):
        shutil.copy(HERE / "dags" / name, dags)
    connection = {
        "conn_type": "starvideos",
        "host": emulator.base_url,
        "password": emulator.key,
        "extra": {"allow_private_downloads": True},
    }
    env = {
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_NOBODY_HOME": json.dumps(connection | {"host": "http://127.0.0.1:9"}),
        "WITNESS": str(home / "notes.jsonl"),
        "WITNESS_LISTENS": "1",
    }
    config = {
        "core.plugins_folder": str(HERE / "plugins"),
        "core.xcom_backend": "witness.WitnessXCom",
        "operators.default_deferrable": "False",
    }
    with AirflowStack(home, dags, env, config) as airflow:
        yield airflow


class Witnessed:
    """A finished run of the Dag "witnessed", and what the plugin has noted of it."""

    def __init__(self, airflow: AirflowStack) -> None:
        run_id = airflow.finished_run("witnessed")
        lines = (airflow.home / "notes.jsonl").read_text().splitlines()
        self.notes: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.log = airflow.log("witnessed", run_id, "wait")
        self.video_id, self.video_url = airflow.xcom("witnessed", run_id, "use")["wrapped"]

    def seen(self, event: str, task_id: str) -> list[dict[str, Any]]:
        """Return the notes of an event of a task."""
        return [note for note in self.notes if (note["event"], note["task_id"]) == (event, task_id)]


@pytest.fixture(scope="module")
def witnessed(configured: AirflowStack) -> Witnessed:
    """The first run."""
    return Witnessed(configured)


@pytest.fixture(scope="module")
def alone(configured: AirflowStack, witnessed: Witnessed) -> AirflowStack:
    """The same Airflow, without a triggerer from now on."""
    configured.kill("triggerer")
    return configured


def test_listeners_see_the_sensor_succeed(witnessed: Witnessed) -> None:
    """Once, like every other task: a task that ends in the triggerer would be left out."""
    assert [len(witnessed.seen("success", name)) for name in ("create", "wait", "use")] == [1, 1, 1]
    assert witnessed.seen("running", "wait")
    assert LEG in witnessed.log
    assert "Pausing task as DEFERRED" in witnessed.log, "it asks for that itself"


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


def test_c17_nothing_is_deferred_where_default_deferrable_says_so(alone: AirflowStack) -> None:
    """Create, sensor, download and batch end without a triggerer."""
    alone.finished_run("without_triggerer")


def test_c18_failed_polls_are_counted_from_poke_to_poke(
    alone: AirflowStack, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fourth in a row, over twenty seconds, ends the sensor; three, and an answer, don't. Nothing is left of it."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
    emulator.update(seconds="hold")
    video_id = StarVideosHook().create_video(prompt="flaky").id
    emulator.finish(video_id)
    emulator.update(seconds=VIDEO_SECONDS)
    fault = emulator.add_fault(on="query", kind="server_error", times=3, match=video_id)
    run_id = alone.finished_run("api_down", {"video_id": video_id}, state="failed")
    emulator.clear_faults(fault)
    states = {ti["task_id"]: (ti["state"], ti["try_number"]) for ti in alone.task_instances("api_down", run_id)}
    assert states == {"down": ("failed", 1), "flaky": ("success", 1)}
    log = alone.log("api_down", run_id, "down")
    for fact in ("failed (1 in a row)", "failed (3 in a row)", "4 polls in a row failed", "Billed: once"):
        assert fact in log
    assert "failed (3 in a row)" in alone.log("api_down", run_id, "flaky")
    with alone.db() as db:
        keys = {row[0] for row in db.execute("SELECT key FROM xcom WHERE dag_id = 'api_down'")}
    assert keys == {"return_value", "video_url", "actual_duration", "amount", "failure"}
