"""Dags of test_tries.py: sensors that are cleared, finished late, and changed while they wait."""

import os
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor


def tell(context):
    print("called back")


with DAG("tries"):
    video_id = StarVideosCreateOperator(task_id="create", prompt="tries {{ run_id }}").output
    StarVideosTaskSensor(task_id="started", video_id=video_id, poke_interval=1)
    StarVideosTaskSensor(task_id="on_a_worker", video_id=video_id, poke_interval=1, start_from_trigger=False)
    finished_later = StarVideosTaskSensor(task_id="finished_later", video_id=video_id, poke_interval=1)
    finished_later.on_success_callback = [tell]

with DAG("ordered_tries", default_args={"retries": 1, "retry_delay": 1}):
    StarVideosCreateOperator(task_id="create", prompt="ordered {{ run_id }}", wait_for_completion=True, poll_interval=1)

with DAG("changed_tries"):
    # What a test puts there changes this Dag, when the file is parsed again.
    changed = (Path(os.environ["AIRFLOW_HOME"]) / "tries_are_changed").exists()
    video_id = StarVideosCreateOperator(task_id="create", prompt="changed {{ run_id }}").output
    StarVideosTaskSensor(
        task_id="wait", video_id=video_id, poke_interval=1, on_success_callback=[tell] if changed else None
    )

with DAG("late_tries"):
    video_id = StarVideosCreateOperator(task_id="create", prompt="late {{ run_id }}").output
    StarVideosTaskSensor(task_id="wait", video_id=video_id, poke_interval=1, timeout=30)
