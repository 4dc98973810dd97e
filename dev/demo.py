"""`make demo`: the example pipeline on a real Airflow, against a local StarVideos; its videos are left in demo/."""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import sys
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dev.airflow_runs import RUN_ENDED, wait_until
from dev.airflow_stack import AirflowStack
from dev.processes import Processes

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "demo"
DAGS = (ROOT / "example_dags", ROOT / "dev" / "demo_dags")
DAG_ID, FAILURES_ID = "starvideos_etl", "starvideos_demo_failures"
KEY = "demo-key"
# Long enough for the wait to be seen, short enough to watch.
VIDEO_SECONDS = "8-15"
LOG_LINES = 40
POLL_SECONDS = 0.5
UNINTERESTING = ("None", "scheduled", "queued")


@contextlib.contextmanager
def emulator(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a StarVideos server as a separate process. Give its addresses and key."""
    ready = folder / "emulator.json"
    module = "airflow_provider_starvideos.emulator"
    options = ["--port", "0", "--key", KEY, "--seconds", VIDEO_SECONDS, "--ready-file", str(ready)]
    with Processes(folder / "logs") as processes:
        processes.start("emulator", [sys.executable, "-m", module, *options], dict(os.environ), cwd=ROOT)

        def check() -> dict[str, Any] | None:
            if not processes.running("emulator"):
                raise RuntimeError(f"the emulator has ended:\n{processes.tail('emulator')}")
            return dict(json.loads(ready.read_text())) if ready.exists() else None

        yield wait_until(check, "the emulator", timeout=30)


def environment(server: dict[str, Any]) -> dict[str, str]:
    """Return the environment of an Airflow that orders from the emulator."""
    connection = {"conn_type": "starvideos", "host": server["base_url"], "password": server["key"]}
    return {
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "STARVIDEOS_EXAMPLE_INPUTS": f"{server['url']}/samples",
        "STARVIDEOS_EXAMPLE_POLL_SECONDS": "3",  # 30 as the vendor recommends would be most of the demo's time
    }


def run_pipeline(airflow: AirflowStack, dag_id: str, params: dict[str, Any], timeout: float) -> tuple[str, str]:
    """Run a Dag to its end, with a line per change of a task; return the run's id and state."""
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id, params)
    began = time.monotonic()
    shown: dict[tuple[str, int], str] = {}
    print(f"\n{dag_id} {run_id}")

    def check() -> str | None:
        state = str(airflow.run(dag_id, run_id)["state"])
        for each in airflow.task_instances(dag_id, run_id):
            name, now = (each["task_id"], each["map_index"]), str(each["state"])
            if now not in UNINTERESTING and shown.get(name) != now:
                shown[name] = now
                print(f"{time.monotonic() - began:6.1f} s  {label(each):14} {now}", flush=True)
        return state if state in RUN_ENDED else None

    try:
        return run_id, wait_until(check, f"the end of {dag_id}", timeout, poll=POLL_SECONDS)
    except TimeoutError as error:
        error.add_note(airflow.summary(dag_id, run_id))
        raise


def label(task: dict[str, Any]) -> str:
    """Name a task instance: ``wait[2]``."""
    index = task["map_index"]
    return str(task["task_id"]) + (f"[{index}]" if index >= 0 else "")


def show_failures(airflow: AirflowStack, run_id: str) -> None:
    """Print the end of each failed task's log."""
    for each in airflow.task_instances(DAG_ID, run_id):
        if each["state"] == "failed":
            log = airflow.log(DAG_ID, run_id, each["task_id"], each["try_number"], map_index=each["map_index"])
            print(f"\n{label(each)} failed:", *log.splitlines()[-LOG_LINES:], sep="\n")


def show_tasks(airflow: AirflowStack, run_id: str) -> None:
    """Print a line per task instance: how it ended, and how long it took."""
    print(f"\n{'task':14} {'state':10} {'tries':>5} {'seconds':>8}")
    for each in airflow.task_instances(DAG_ID, run_id):
        print(f"{label(each):14} {each['state']!s:10} {each['try_number']:5} {each['duration'] or 0:8.1f}")


def rows_of(database: Path) -> list[sqlite3.Row]:
    """Return what the pipeline has loaded."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute("SELECT sku, uri, seconds, size_bytes FROM videos ORDER BY sku").fetchall()


def show_results(database: Path) -> None:
    """Print the table, with where each video lies."""
    print(f"\n{'sku':10} {'seconds':>7} {'KB':>6}  file")
    for row in rows_of(database):
        file = Path(row["uri"].removeprefix("file://"))
        print(f"{row['sku']:10} {row['seconds']:7g} {row['size_bytes'] / 1000:6.0f}  {file.relative_to(ROOT)}")
    print(f"\nThe table: {database.relative_to(ROOT)}")


def demo(folder: Path, timeout: float, *, keep: bool) -> int:
    """Run it all; return the exit code."""
    database = folder / "videos.db"
    with emulator(folder) as server:
        print(f"StarVideos emulator  {server['url']}/\nAirflow is starting, which takes some 15 seconds …", flush=True)
        config = {"starvideos.media_folders": str(folder)}  # what its gallery may show
        with AirflowStack(folder / "airflow", DAGS, environment(server), config) as airflow:
            print(f"Airflow              {airflow.url}/dags/{DAG_ID}")
            print(f"Dags                 {', '.join(map(str, DAGS))}")
            destination = f"{folder}/videos/"
            run_id, state = run_pipeline(
                airflow, DAG_ID, {"database": str(database), "destination": destination}, timeout
            )
            run_pipeline(airflow, FAILURES_ID, {"destination": destination}, timeout)  # which fails, for its pages
            show_tasks(airflow, run_id)
            if state == "success":
                show_results(database)
            else:
                show_failures(airflow, run_id)
            if keep:
                wait_for_ctrl_c(gallery(airflow, run_id), server)
    print(f"\n{DAG_ID}: {state}")
    return 0 if state == "success" else 1


def gallery(airflow: AirflowStack, run_id: str) -> str:
    """Return the address of the run's videos in Airflow's UI."""
    return f"{airflow.url}/dags/{DAG_ID}/runs/{quote(run_id, safe='')}/plugin/starvideos-run"


def wait_for_ctrl_c(page: str, server: dict[str, Any]) -> None:
    """Show the page, and leave everything running until the user has seen enough."""
    print(f"\nThe videos {page}\nStarVideos {server['url']}/\nCtrl-C ends both.", flush=True)
    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(page)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def main() -> int:
    """Read the command line; see to it that one demo runs at a time, in an empty folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave Airflow and the emulator running until Ctrl-C")
    parser.add_argument("--timeout", type=float, default=300, help="seconds that the run may take (default: 300)")
    arguments = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another demo is running here", file=sys.stderr)
            return 1
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        try:
            return demo(FOLDER, arguments.timeout, keep=arguments.keep)
        except KeyboardInterrupt:
            print("\nended by Ctrl-C", file=sys.stderr)
            return 130
        except (RuntimeError, TimeoutError) as error:  # each says what; its notes say where things stood
            print(f"\n{error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
