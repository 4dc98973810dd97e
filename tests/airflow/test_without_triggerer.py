"""Rows C17 and C18 on a real Airflow: default_deferrable without a triggerer; pokes that fail, each in a process."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from dev.airflow_stack import AirflowStack

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def alone(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow whose administrator has no triggerer, and says so in the configuration."""
    connection = {
        "conn_type": "starvideos",
        "host": emulator.base_url,
        "password": emulator.key,
        "extra": {"allow_private_downloads": True},
    }
    env = {
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_NOBODY_HOME": json.dumps(connection | {"host": "http://127.0.0.1:9"}),
    }
    config = {"operators.default_deferrable": "False"}
    with AirflowStack(tmp_path_factory.mktemp("alone"), HERE / "dags", env, config) as airflow:
        airflow.kill("triggerer")
        yield airflow


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
    emulator.update(seconds=3)
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
