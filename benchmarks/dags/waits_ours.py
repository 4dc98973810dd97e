"""Waits of this provider, for ``benchmarks.airflow_worker_runs``: many videos, ordered before."""

import json
import os

from airflow.sdk import DAG, task

from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

IDS = json.loads(os.environ["WAITS_VIDEOS"])


@task(multiple_outputs=True)
def order():
    """Return the ids, each under a separate key."""
    return {str(number): one for number, one in enumerate(IDS)}


with DAG("waits_ours", max_active_tasks=len(IDS) + 1):
    ordered = order()
    for number in range(len(IDS)):
        StarVideosTaskSensor(
            task_id=f"wait_{number}", video_id=ordered[str(number)], poke_interval=float(os.environ["WAITS_INTERVAL"])
        )
