"""Saving on a real Airflow, and the ETL example from a bucket to a bucket, over the real S3 protocol."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.storage.buckets import S3, SECRET

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "example_dags"
KEY = "storage-key-that-must-show-up-nowhere"
SIGNS = ("X-Amz-", "Signature=", "AWSAccessKeyId=", SECRET, KEY)
PICTURES = ("cat.png", "lamp-front.png", "lamp-side.png", "mug-empty.png", "mug-full.png", "ride-4s.mp4")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A StarVideos server that fails every order whose references it can't fetch."""
    with Emulator(seconds=2, key=KEY, references="required") as running:
        yield running


@pytest.fixture(scope="module")
def s3(emulator: Emulator, s3_server: S3) -> S3:
    """An S3 server with the products' pictures in one bucket, and another one for videos."""
    s3_server.empty("videos", "inputs")
    for name in PICTURES:
        with urlopen(emulator.sample(name), timeout=60) as answer:
            s3_server.put("inputs", name, answer.read())
    return s3_server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Dags save to."""
    return tmp_path_factory.mktemp("saved")


@pytest.fixture(scope="module")
def airflow(
    emulator: Emulator, s3: S3, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    """An Airflow with the ETL example and the Dags of ``dags/storage.py``, and connections to both servers."""
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(HERE / "dags" / "storage.py", dags)
    shutil.copy(EXAMPLES / "etl.py", dags)
    shutil.copytree(EXAMPLES / "data", dags / "data")
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    env = {
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection,
        "STORAGE_TESTS_FOLDER": str(folder),
        "STARVIDEOS_EXAMPLE_INPUTS": "s3://aws_default@inputs",
        "STARVIDEOS_EXAMPLE_DESTINATION": "s3://aws_default@videos/products/",
    }
    with AirflowStack(tmp_path_factory.mktemp("airflow"), dags, env) as running:
        yield running


def started_by_asset(airflow: AirflowStack, dag_id: str) -> str:
    """Wait for the run that an asset event starts, and for its end."""

    def ended() -> str | None:
        runs = airflow.api.get(f"/dags/{dag_id}/dagRuns")["dag_runs"]
        return str(runs[-1]["dag_run_id"]) if runs else None

    run_id = wait_until(ended, f"a run of {dag_id}")
    airflow.expect_end(dag_id, run_id)
    return run_id


def everything_kept(airflow: AirflowStack) -> str:
    """Return all that this Airflow has written: every table of its database, every log."""
    with airflow.db() as db:
        tables = airflow.database.tables()
        rows = [str([tuple(row) for row in db.execute(f'SELECT * FROM "{name}"')]) for name in tables]
    logs = [file.read_text(errors="replace") for file in airflow.logs_dir.rglob("*") if file.is_file()]
    return "\n".join(rows + logs)


def test_the_example_ends_in_the_bucket(airflow: AirflowStack, emulator: Emulator, s3: S3, tmp_path: Path) -> None:
    """Pictures out of a bucket, videos into one, a row about each, and an event that starts the second Dag."""
    airflow.wait_for_dag("starvideos_etl_report")
    database = tmp_path / "videos.db"
    run_id = airflow.finished_run("starvideos_etl", {"database": str(database)})
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM videos ORDER BY sku").fetchall()
    assert [row["sku"] for row in rows] == ["BIKE-03", "KITE-01", "LAMP-07", "MUG-12"]
    for row in rows:
        bucket, _, name = row["uri"].removeprefix("s3://aws_default@").partition("/")
        kept = s3.client.get_object(Bucket=bucket, Key=name)
        data = kept["Body"].read()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["size_bytes"], row["sha256"])
        assert kept["ContentType"] == "video/mp4"
        order = emulator.order(row["video_id"])
        assert order.request["prompt"] == row["prompt"]
        assert order.billed_seconds == row["seconds"]
        assert not [entry for entry in emulator.journal(0, "fetched", id=row["video_id"]) if entry.get("error")]
    assert len(s3.names("videos")) == 4
    reported = started_by_asset(airflow, "starvideos_etl_report")
    report = airflow.xcom("starvideos_etl_report", reported, "report")
    assert report["videos"] == 4
    assert report["bytes"] == sum(row["size_bytes"] for row in rows)
    assert airflow.xcom("starvideos_etl", run_id, "save", map_index=0) in {row["uri"] for row in rows}


def test_saving_to_a_disk(airflow: AirflowStack, folder: Path) -> None:
    """Deferred or not: the file, its XComs downstream, and the asset event that starts another Dag."""
    airflow.wait_for_dag("storage_started")
    run_id = airflow.finished_run("storage_local", state="failed")
    states = {
        one["task_id"]: (one["state"], one["try_number"]) for one in airflow.task_instances("storage_local", run_id)
    }
    assert states == {
        "create": ("success", 1),
        "save": ("success", 1),
        "use": ("success", 1),
        "blocking": ("success", 1),
        "taken": ("failed", 1),
    }
    video_id = airflow.xcom("storage_local", run_id, "create")
    file = folder / "storage_local" / f"{video_id}.mp4"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    facts = {"uri": f"file://{file}", "video_id": video_id, "size": file.stat().st_size, "sha256": digest}
    assert airflow.xcom("storage_local", run_id, "use") == {**facts, "kind": "video/mp4"}
    assert (folder / "blocking.mp4").read_bytes() == file.read_bytes()
    assert "it is a folder" in airflow.log("storage_local", run_id, "taken")
    extra = airflow.xcom("storage_started", started_by_asset(airflow, "storage_started"), "look")
    assert (extra["uri"], extra["sha256"], extra["duration"]) == (facts["uri"], digest, 3.0)
    assert extra["source"] == {"dag_id": "storage_local", "task_id": "save", "run_id": run_id}


def test_inputs_are_signed_and_the_signature_is_kept_nowhere(airflow: AirflowStack, emulator: Emulator) -> None:
    """The server could read the picture; no log, XCom, rendered field, record, trigger or event has the signature."""
    billed = emulator.billed.videos
    run_id = airflow.finished_run("storage_inputs", state="failed")
    order = emulator.order(airflow.xcom("storage_inputs", run_id, "signed"))
    assert order.status == "completed"
    (url,) = order.request["referenceImages"]
    assert [sign for sign in SIGNS if sign in url], "the order itself has it"
    missing = airflow.task("storage_inputs", run_id, "missing")
    assert missing is not None
    assert (missing["state"], missing["try_number"]) == ("failed", 1)
    assert "reference_images[0]: must exist" in airflow.log("storage_inputs", run_id, "missing")
    assert emulator.billed.videos == billed + 1, "what is missing isn't ordered"
    kept = everything_kept(airflow)
    assert "cat.png" in kept
    assert not [sign for sign in SIGNS if sign in kept]
