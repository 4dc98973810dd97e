"""Waits of Anthropic's provider, for ``benchmarks.airflow_worker_runs``: many batches, ordered before."""

import json
import os

from airflow.providers.anthropic.sensors.batch import AnthropicBatchSensor
from airflow.sdk import DAG, task

IDS = json.loads(os.environ["WAITS_BATCHES"])


@task(multiple_outputs=True)
def order():
    """Return the ids, each under a separate key."""
    return {str(number): one for number, one in enumerate(IDS)}


with DAG("waits_peer", max_active_tasks=len(IDS) + 1):
    ordered = order()
    for number in range(len(IDS)):
        AnthropicBatchSensor(
            task_id=f"wait_{number}",
            batch_id=ordered[str(number)],
            deferrable=True,
            poke_interval=float(os.environ["WAITS_INTERVAL"]),
            timeout=3600,
        )
