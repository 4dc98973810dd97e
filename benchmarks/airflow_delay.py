"""On a real Airflow: the time from a video's completion to the start of the task after its sensor.

``python -m benchmarks.airflow_delay``. Chains of create → sensor → use, for several intervals; the simulation in
``benchmarks.delay`` says what of it is the interval's, the rest is Airflow's own scheduling.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack

INTERVALS = (5, 10, 20)
CHAINS = 6
DAG = f"""
from airflow.sdk import DAG, task
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

with DAG("delay"):
    @task
    def use(video_id):
        return video_id

    for interval in {INTERVALS}:
        for number in range({CHAINS}):
            create = StarVideosCreateOperator(
                task_id=f"create_{{interval}}_{{number}}", prompt=f"{{interval}} {{number}}"
            )
            wait = StarVideosTaskSensor(
                task_id=f"wait_{{interval}}_{{number}}", video_id=create.output, poke_interval=interval
            )
            use.override(task_id=f"use_{{interval}}_{{number}}")(wait.output)
"""


def main() -> int:
    """Measure, and print a line for each interval."""
    with tempfile.TemporaryDirectory() as folder, Emulator(seconds="30-60", references="off") as emulator:
        home = Path(folder)
        (home / "dags").mkdir()
        (home / "dags" / "delay.py").write_text(DAG)
        connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
        env = {"AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection)}
        with AirflowStack(home / "airflow", home / "dags", env) as airflow:
            airflow.wait_for_dag("delay")
            run_id = airflow.trigger("delay")
            if airflow.wait_for_run("delay", run_id, timeout=400) != "success":
                print(airflow.summary("delay", run_id))
                return 1
            started = {
                one["task_id"]: datetime.fromisoformat(one["start_date"]).timestamp()
                for one in airflow.task_instances("delay", run_id)
            }
            orders = emulator.orders
    for interval in INTERVALS:
        found = [order for order in orders if order.prompt.startswith(f"{interval} ")]
        late = [started[f"use_{order.prompt.replace(' ', '_')}"] - (order.completed_at or 0.0) for order in found]
        polls = [order.queries for order in found]
        print(f"every {interval} s: {statistics.mean(late):.1f} s late on average, {statistics.mean(polls):.1f} polls")
    return 0


if __name__ == "__main__":
    sys.exit(main())
