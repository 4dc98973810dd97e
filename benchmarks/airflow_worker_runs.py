"""What a wait costs a whole Airflow: worker runs, CPU of all its processes, and time; compared with Anthropic's sensor.

    python -m benchmarks.airflow_worker_runs [--waits 50] [--python .venv-bench/bin/python]

Both sensors, as deferrable as they are, wait in turns on the same real Airflow for as many jobs of local servers, which
end some seconds after the last one has begun to wait. The ratios matter; the seconds are this machine's. Exits with 1
if ours needs more worker runs than the peer's. ``--python`` is an environment with Airflow, this package and
apache-airflow-providers-anthropic.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import requests

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack

ROOT = Path(__file__).parents[1]
KEY = "key-of-the-benchmark"
INTERVAL = 5.0
HOLD_SECONDS = 10.0  # how long all wait together
IDLE_SECONDS = 15.0
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 900  # for a busy machine; a quiet one with two cores takes two minutes for each
ENDED = ("success", "failed", "skipped", "upstream_failed", "up_for_retry")
WORKER_RUN = "::group::Pre Execute"  # what Airflow writes to a task's log at the start of each worker run


class Figures(NamedTuple):
    """What the waits of one Dag took.

    :param worker_runs: processes of tasks on a worker, all waits together
    :param cpu: seconds of all Airflow processes, those that have ended too
    :param idle: of those, what an idle Airflow takes in that time
    :param wall: seconds from the run's start to its end, without the time that all waited together
    """

    worker_runs: int
    cpu: float
    idle: float
    wall: float


class Batches(ThreadingHTTPServer):
    """As much of Anthropic's API as its sensor asks: the status of a batch."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.ended = False
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Batches

    def do_GET(self) -> None:
        """Answer with the status of a batch."""
        ended = self.server.ended
        counts = dict.fromkeys(("canceled", "errored", "expired", "processing", "succeeded"), 0)
        batch = {
            "id": self.path.rpartition("/")[2].partition("?")[0],
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts | ({"succeeded": 1} if ended else {"processing": 1}),
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-02T00:00:00Z",
            "ended_at": "2026-01-01T01:00:00Z" if ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        body = json.dumps(batch).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Log nothing."""


@contextlib.contextmanager
def batches() -> Iterator[Batches]:
    """Run a server of batches that have not ended."""
    with Batches() as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever, 0.1)
        try:
            yield server
        finally:
            server.shutdown()


def order(emulator: Emulator, count: int) -> list[str]:
    """Order videos, and return their ids."""
    headers, body = {"Authorization": f"Bearer {KEY}"}, {"model": "starvideos_o3", "prompt": "wait"}
    with requests.Session() as session:
        url = f"{emulator.base_url}/v1/starvideos/videos"
        return [session.post(url, json=body, headers=headers, timeout=10).json()["id"] for _ in range(count)]


def cpu_seconds(airflow: AirflowStack) -> float:
    """Return the CPU time of all Airflow processes so far; an ended one's is in its parent's figures for children."""
    keeper = psutil.Process(airflow.processes.keeper_pid)
    total = 0.0
    for process in [keeper, *keeper.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def idle_rate(airflow: AirflowStack) -> float:
    """Return the CPU seconds that an Airflow takes in a second in which nothing happens."""
    before = cpu_seconds(airflow)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(airflow) - before) / IDLE_SECONDS


def count_worker_runs(airflow: AirflowStack, dag_id: str, run_id: str, names: list[str]) -> int:
    """Count the worker runs that tasks have had."""
    return sum(airflow.log(dag_id, run_id, name).count(WORKER_RUN) for name in names)


def ends_noted(airflow: AirflowStack, run_id: str) -> int:
    """Count the worker runs of waits whose end the scheduler has noted.

    Of a task that is woken before that, Airflow takes the old process's end for the new one's, and fails it.
    """
    lines = airflow.processes.log_file("scheduler").read_text(errors="replace").splitlines()
    mine = (line for line in lines if "Received executor event" in line and f"run_id='{run_id}'" in line)
    return sum("task_id='wait_" in line for line in mine)


def measured(airflow: AirflowStack, dag_id: str, waits: int, idle: float, end_jobs: Callable[[], None]) -> Figures:
    """Run a Dag of waits, end their jobs when all of them wait, and return what that took."""
    names = [f"wait_{number}" for number in range(waits)]
    cpu, began = cpu_seconds(airflow), time.monotonic()
    run_id = airflow.trigger(dag_id)

    def all_wait() -> bool | None:
        with airflow.db() as db:
            query = "SELECT task_id, state FROM task_instance WHERE dag_id = ? AND run_id = ?"
            states = dict(db.execute(query, (dag_id, run_id)).fetchall())
        if any(state in ENDED for name, state in states.items() if name in names) or "failed" in states.values():
            raise RuntimeError(f"{dag_id} ended too soon:\n{airflow.summary(dag_id, run_id)}")
        if any(states[name] != "deferred" for name in names):
            return None
        return ends_noted(airflow, run_id) >= count_worker_runs(airflow, dag_id, run_id, names) or None

    wait_until(all_wait, f"all waits of {dag_id}", PATIENCE_SECONDS)
    time.sleep(HOLD_SECONDS)
    end_jobs()
    if airflow.wait_for_run(dag_id, run_id, timeout=PATIENCE_SECONDS) != "success":
        raise RuntimeError(f"{dag_id} failed:\n{airflow.summary(dag_id, run_id)}")
    wall = time.monotonic() - began - HOLD_SECONDS
    time.sleep(SETTLE_SECONDS)
    worker_runs = count_worker_runs(airflow, dag_id, run_id, names)
    return Figures(worker_runs, cpu_seconds(airflow) - cpu, idle * (time.monotonic() - began), wall)


def run(waits: int, python: Path) -> dict[str, Figures]:
    """Measure both on one Airflow."""
    with (
        Emulator(seconds="hold", key=KEY) as emulator,
        batches() as server,
        tempfile.TemporaryDirectory() as home,
    ):
        videos = order(emulator, waits)
        env = {
            "WAITS_VIDEOS": json.dumps(videos),
            "WAITS_BATCHES": json.dumps([f"msgbatch_{number}" for number in range(waits)]),
            "WAITS_INTERVAL": str(INTERVAL),
            "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(
                {"conn_type": "starvideos", "host": emulator.base_url, "password": KEY}
            ),
            "AIRFLOW_CONN_ANTHROPIC_DEFAULT": json.dumps(
                {"conn_type": "anthropic", "host": server.url, "password": KEY}
            ),
        }

        def end_videos() -> None:
            for video in videos:
                emulator.finish(video)

        def end_batches() -> None:
            server.ended = True

        with AirflowStack(Path(home) / "airflow", ROOT / "benchmarks" / "dags", env, python=python) as airflow:
            for dag_id in ("waits_ours", "waits_peer"):
                airflow.wait_for_dag(dag_id)
            idle = idle_rate(airflow)
            return {
                "ours": measured(airflow, "waits_ours", waits, idle, end_videos),
                "peer": measured(airflow, "waits_peer", waits, idle, end_batches),
            }


def main() -> int:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=50)
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-bench" / "bin" / "python")
    args = parser.parse_args()
    found = run(args.waits, args.python.absolute())
    print(f"{args.waits} waits on one Airflow, a poll every {INTERVAL:g} s")
    for name, figures in found.items():
        print(
            f"{name}: {figures.worker_runs / args.waits:.2f} worker runs per wait, {figures.cpu / args.waits:.2f} CPU "
            f"seconds per wait ({(figures.cpu - figures.idle) / args.waits:.2f} above an idle Airflow), "
            f"{figures.wall:.0f} s without the common wait"
        )
    ours, peer = found["ours"], found["peer"]
    print(
        f"ours / peer: worker runs {ours.worker_runs / peer.worker_runs:.2f} (at most 1), "
        f"CPU {ours.cpu / peer.cpu:.2f}, "
        f"above idle {(ours.cpu - ours.idle) / (peer.cpu - peer.idle):.2f}, time {ours.wall / peer.wall:.2f}"
    )
    return int(ours.worker_runs > peer.worker_runs)


if __name__ == "__main__":
    sys.exit(main())
