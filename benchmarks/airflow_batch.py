"""What a thousand videos cost a whole Airflow: in one task, and as mapped orders and mapped waits.

    python -m benchmarks.airflow_batch [--videos 1000] [--mapped 100]

Both run in turns on the same real Airflow, with the same local StarVideos, whose videos take about as long. CPU is that
of all Airflow processes, those that have ended too, less what the idle Airflow took just before. The mapped figures are
measured for ``--mapped`` videos and multiplied. Exits with 1 where a target is missed.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from airflow_provider_starvideos.emulator import Emulator
from benchmarks.airflow_worker_runs import KEY, SETTLE_SECONDS, WORKER_RUN, cpu_seconds, idle_rate
from dev.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags_batch"
INTERVAL = 10.0
VIDEO_SECONDS = (20.0, 40.0)
MAX_CPU = 0.05  # CPU seconds per video, in all
PATIENCE_SECONDS = 1200


class Figures(NamedTuple):
    """What one way took.

    :param videos: made
    :param wall: seconds
    :param cpu: seconds above idle
    :param worker_runs: processes of tasks on a worker
    :param posts: orders sent
    :param gets: polls
    """

    videos: int
    wall: float
    cpu: float
    worker_runs: int
    posts: int
    gets: int


def measured(airflow: AirflowStack, emulator: Emulator, dag_id: str, idle: float) -> Figures:
    """Run a Dag to its end."""
    airflow.wait_for_dag(dag_id)
    emulator.reset()
    cpu, began = cpu_seconds(airflow), time.monotonic()
    run_id = airflow.trigger(dag_id)
    if airflow.wait_for_run(dag_id, run_id, timeout=PATIENCE_SECONDS) != "success":
        raise RuntimeError(f"{dag_id} failed:\n{airflow.summary(dag_id, run_id)}")
    wall = time.monotonic() - began
    time.sleep(SETTLE_SECONDS)
    cpu = cpu_seconds(airflow) - cpu - idle * (time.monotonic() - began)
    folder = airflow.logs_dir / f"dag_id={dag_id}" / f"run_id={run_id}"
    worker_runs = sum(file.read_text(errors="replace").count(WORKER_RUN) for file in folder.rglob("attempt=*.log"))
    requests = emulator.requests
    return Figures(emulator.billed.videos, wall, cpu, worker_runs, requests["create"], requests["query"])


def run(videos: int, mapped: int) -> tuple[Figures, Figures, Figures]:
    """Measure a batch, one of ten rows, and mapped tasks."""
    with tempfile.TemporaryDirectory() as folder, Emulator(seconds=VIDEO_SECONDS, key=KEY) as emulator:
        file = Path(folder) / "requests.jsonl"
        file.write_text("".join(f"{json.dumps({'prompt': f'batch {number}'})}\n" for number in range(videos)))
        connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": KEY}
        env = {
            "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
            "BATCH_REQUESTS": str(file),
            "BATCH_SMALL": json.dumps([f"small {number}" for number in range(10)]),
            "BATCH_INTERVAL": str(INTERVAL),
            "BATCH_MAPPED": str(mapped),
        }
        with AirflowStack(Path(folder) / "airflow", DAGS, env) as airflow:
            airflow.wait_for_dag("bench_batch")
            idle = idle_rate(airflow)
            small = measured(airflow, emulator, "bench_small", idle)
            many = measured(airflow, emulator, "bench_batch", idle)
            return many, small, measured(airflow, emulator, "bench_mapped", idle)


def figures_line(name: str, one: Figures, times: float = 1) -> str:
    """Return a line of figures."""
    each = one.cpu / one.videos
    return (
        f"{name}: {one.wall * times:.0f} s, {one.cpu * times:.1f} CPU s above idle ({each:.3f} per video), "
        f"{one.worker_runs * times:.0f} worker runs, {one.posts * times:.0f} POSTs, {one.gets * times:.0f} GETs"
    )


def main() -> int:
    """Measure, and compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--mapped", type=int, default=100)
    args = parser.parse_args()
    many, small, mapped = run(args.videos, args.mapped)
    print(f"videos take {VIDEO_SECONDS[0]:g} to {VIDEO_SECONDS[1]:g} s, a poll every {INTERVAL:g} s")
    print(figures_line(f"batch of {many.videos}", many))
    print(figures_line(f"batch of {small.videos}", small))
    print(figures_line(f"mapped create and sensor, {mapped.videos}", mapped))
    times = many.videos / mapped.videos
    print(figures_line(f"mapped, extrapolated to {many.videos}", mapped, times))
    print(f"batch / mapped, CPU per video: {many.cpu / many.videos / (mapped.cpu / mapped.videos):.3f}")
    missed = [
        text
        for text, holds in {
            f"CPU seconds per video at most {MAX_CPU}": many.cpu / many.videos <= MAX_CPU,
            f"as many worker runs for {many.videos} as for {small.videos}": many.worker_runs == small.worker_runs,
            "one GET per video and interval at most": many.gets <= many.videos * (many.wall / INTERVAL + 1),
            "one POST per video": many.posts == many.videos,
        }.items()
        if not holds
    ]
    for text in missed:
        print(f"MISSED: {text}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
