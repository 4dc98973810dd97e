"""Dags of test_configured.py: every operator where there is no triggerer, and polls that fail."""

from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir

from airflow.sdk import DAG

from airflow_provider_starvideos.api import polling
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

RESCHEDULED = {"deferrable": False, "mode": "reschedule", "poke_interval": 8}

with DAG("without_triggerer"):
    create = StarVideosCreateOperator(
        task_id="create", prompt="without {{ run_id }}", wait_for_completion=True, poll_interval=1
    )
    StarVideosTaskSensor(task_id="wait", video_id=create.output, poke_interval=1)
    StarVideosDownloadOperator(
        task_id="download",
        video_id=create.output,
        destination=str(Path(gettempdir()) / "{{ run_id }}.mp4"),
        wait_for_completion=True,
        poll_interval=1,
    )
    StarVideosBatchOperator(task_id="batch", requests=["{{ run_id }} one", "{{ run_id }} two"], poll_interval=1)

with DAG("api_down", default_args={"retries": 0}):
    # Not ten polls over ten minutes: the process of each poke reads this file.
    polling.MAX_POLL_ERRORS_IN_A_ROW, polling.MIN_FAILING_SECONDS = 4, timedelta(seconds=20).total_seconds()
    StarVideosTaskSensor(task_id="down", video_id="video_1", starvideos_conn_id="nobody_home", **RESCHEDULED)
    StarVideosTaskSensor(task_id="flaky", video_id="{{ dag_run.conf['video_id'] }}", **RESCHEDULED)
