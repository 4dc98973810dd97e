"""Many videos in one task, and a task for each, for ``benchmarks.airflow_batch``."""

import json
import os

from airflow.sdk import DAG

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

REQUESTS = os.environ["BATCH_REQUESTS"]
INTERVAL = float(os.environ["BATCH_INTERVAL"])
MAPPED = int(os.environ["BATCH_MAPPED"])

with DAG("bench_batch"):
    StarVideosBatchOperator(task_id="batch", requests=REQUESTS, poll_interval=INTERVAL)

with DAG("bench_small"):
    StarVideosBatchOperator(task_id="batch", requests=json.loads(os.environ["BATCH_SMALL"]), poll_interval=INTERVAL)

with DAG("bench_mapped", max_active_tasks=1000):
    create = StarVideosCreateOperator.partial(task_id="create").expand(
        prompt=[f"mapped {number}" for number in range(MAPPED)]
    )
    StarVideosTaskSensor.partial(task_id="wait", poke_interval=INTERVAL).expand(video_id=create.output)
