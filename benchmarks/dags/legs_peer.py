"""Waits of Anthropic's provider, for ``benchmarks.airflow_legs``: many batches, ordered before."""

import json
import os

from airflow.providers.anthropic.sensors.batch import AnthropicBatchSensor
from airflow.sdk import DAG, task

IDS = json.loads(os.environ["LEGS_BATCHES"])


@task(multiple_outputs=True)
def order():
    """Return the ids, each under a key of its own."""
    return {str(number): one for number, one in enumerate(IDS)}


with DAG("legs_peer", max_active_tasks=len(IDS) + 1):
    ordered = order()
    for number in range(len(IDS)):
        AnthropicBatchSensor(
            task_id=f"wait_{number}",
            batch_id=ordered[str(number)],
            deferrable=True,
            poke_interval=float(os.environ["LEGS_INTERVAL"]),
            timeout=3600,
        )
