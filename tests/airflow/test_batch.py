"""Batches on a real Airflow: every source, what comes after them, and how many processes it takes."""

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import LEG, wait_until_settled

FILE = '{"prompt": "kite", "name": "kite"}\n"lamp"\n'
CONFS: dict[str, tuple[str, dict[str, Any]]] = {
    "list": ("batch_list", {}),
    "10": ("batch_task", {"rows": 10}),
    "200": ("batch_task", {"rows": 200}),
    "places": ("batch_places", {"rows": 12}),
    "file": ("batch_file", {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file of requests is, and where videos go."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "rows.jsonl").write_text(FILE)
    return folder


@pytest.fixture(scope="module")
def runs(airflow: AirflowStack, emulator: Emulator, folder: Path) -> dict[str, str]:
    """All runs, side by side, from their beginning to their good ends."""
    for dag_id in {dag_id for dag_id, _ in CONFS.values()}:
        airflow.wait_for_dag(dag_id)
    paths = {"file": str(folder / "rows.jsonl"), "folder": str(folder)}
    found = {name: airflow.trigger(dag_id, conf | paths) for name, (dag_id, conf) in CONFS.items()}
    for name, (dag_id, _) in CONFS.items():
        airflow.expect_end(dag_id, found[name])
    return found


def legs(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str = "batch") -> int:
    """Count the processes that worked on the task's one try: each reads the journal first."""
    (ti,) = [one for one in airflow.task_instances(dag_id, run_id) if one["task_id"] == task_id]
    assert (ti["state"], ti["try_number"]) == ("success", 1)
    files = airflow.log_files(dag_id, run_id, task_id)
    return sum(file.read_text().count(LEG) for file in files)


def test_a_list_and_what_is_mapped_over_it(airflow: AirflowStack, emulator: Emulator, runs: dict[str, str]) -> None:
    """Templates are rendered, shared arguments apply, ids come in order, each can be mapped over; blocking too."""
    run_id = runs["list"]
    ids = airflow.xcom("batch_list", run_id, "batch")
    orders = [emulator.order(video_id) for video_id in ids]
    assert [order.request["prompt"] for order in orders] == [f"{run_id} a", f"{run_id} b"]
    assert [order.request["duration"] for order in orders] == [4, 4]
    assert [airflow.xcom("batch_list", run_id, "each", map_index=index) for index in (0, 1)] == ids
    blocking = airflow.xcom("batch_list", run_id, "blocking")
    assert [emulator.order(video_id).prompt for video_id in blocking] == [f"{run_id} c", f"{run_id} d"]
    assert airflow.xcom("batch_list", run_id, "batch", "counts") == {
        "rows": 2,
        "completed": 2,
        "amount": "2.0",
        "amount_unknown": 0,
    }
    spending = airflow.xcom("batch_list", run_id, "batch", "spending")
    assert (spending["orders"], spending["seconds_ordered"], spending["seconds_delivered"]) == (2, 8, 8.0)
    assert (spending["amount"], spending["amount_unknown"]) == ("2.0", 0)
    assert legs(airflow, "batch_list", run_id) == 2
    assert legs(airflow, "batch_list", run_id, "blocking") == 1
    wait_until_settled(airflow, "batch_list", run_id, "batch")
    wait_until_settled(airflow, "batch_list", run_id, "blocking")


@pytest.mark.parametrize("count", [10, 200])
def test_as_many_processes_however_many_rows(
    airflow: AirflowStack, emulator: Emulator, runs: dict[str, str], count: int
) -> None:
    """One that orders, one that ends."""
    run_id = runs[str(count)]
    ids = airflow.xcom("batch_task", run_id, "batch")
    assert len(set(ids)) == count
    assert [emulator.order(video_id).prompt for video_id in ids[:3]] == [f"{run_id} fox {n}." for n in range(3)]
    assert len([order for order in emulator.orders if order.prompt.startswith(run_id)]) == count
    assert legs(airflow, "batch_task", run_id) == 2
    wait_until_settled(airflow, "batch_task", run_id, "batch")


def test_fewer_places_than_rows(airflow: AirflowStack, emulator: Emulator, runs: dict[str, str]) -> None:
    """The rest is ordered as slots get free; one try, each row once."""
    run_id = runs["places"]
    assert len(set(airflow.xcom("batch_places", run_id, "batch"))) == 12
    assert len([order for order in emulator.orders if order.prompt.startswith(run_id)]) == 12
    assert 3 <= legs(airflow, "batch_places", run_id) <= 4


def test_a_file_and_a_manifest(airflow: AirflowStack, emulator: Emulator, runs: dict[str, str], folder: Path) -> None:
    """JSON Lines in, videos and a manifest out, and a task that reads it."""
    run_id = runs["file"]
    uri = airflow.xcom("batch_file", run_id, "batch")
    assert uri == f"file://{folder}/batch_file/manifest.jsonl"
    told = airflow.xcom("batch_file", run_id, "read")
    assert [(one["amount"], one["orders"]) for one in told] == [("0.75", 1)] * 2
    assert [(one["row"], one["status"], one["request"]["prompt"]) for one in told] == [
        (1, "saved", "kite"),
        (2, "saved", "lamp"),
    ]
    assert (folder / "batch_file" / "kite.mp4").stat().st_size == told[0]["size_bytes"]
    log = airflow.log("batch_file", run_id, "batch")
    assert f"Row 1: Ordered StarVideos video {told[0]['id']}" in log
    assert emulator.key not in log


def test_no_dag_orders_more_than_the_connection_allows(airflow: AirflowStack, emulator: Emulator) -> None:
    """Refused before the first order, with the numbers, and without a retry; what is allowed is ordered."""
    run_id = airflow.finished_run("batch_limits", state="failed")
    states = {ti["task_id"]: (ti["state"], ti["try_number"]) for ti in airflow.task_instances("batch_limits", run_id)}
    assert states == {"too_many": ("failed", 1), "allowed": ("success", 1), "too_long": ("failed", 1)}
    prompts = [order.prompt for order in emulator.orders if order.prompt.startswith(run_id)]
    assert prompts == [f"{run_id} few"] * 3
    many, few, long = (airflow.log("batch_limits", run_id, task_id) for task_id in ("too_many", "allowed", "too_long"))
    assert "4 orders: 4 new, and 0 of this task before, over all its tries; the connection" in many
    assert "a video 6 s long; the connection" in long
    assert "About to order 3 videos, 9 s: 3 text to video. Rows: 3, ordered already: 0." in few


def test_statsd_gets_what_was_billed(metrics: Any, runs: dict[str, str]) -> None:
    """In millionths."""
    assert any(line.rstrip().endswith(":750000|c") for line in metrics.named("amount_micros"))
