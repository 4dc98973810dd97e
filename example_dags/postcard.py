"""The tutorial's pipeline: every morning a postcard of the weather, as a video in a folder."""

import os
import tempfile
from datetime import datetime, timedelta

from airflow.sdk import dag, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

FOLDER = os.environ.get("POSTCARDS", f"{tempfile.gettempdir()}/postcards/")
SKIES = ("clear sky", "scattered clouds", "fog over the water", "summer rain", "a thunderstorm", "snow", "a rainbow")


@task
def scene(logical_date=None) -> str:
    """Return the day's prompt: the same one however often the task runs."""
    day = logical_date or datetime(2026, 1, 1)
    return f"A harbour in the morning, {SKIES[day.toordinal() % len(SKIES)]}, the camera rises slowly"


@task
def announce(uri: str):
    print(f"Today's postcard: {uri}")


@dag(
    dag_id="starvideos_postcard",
    schedule="0 6 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,  # every run costs a video: unpause it when you want that
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["starvideos"],
)
def postcard():
    create = StarVideosCreateOperator(task_id="create", prompt=scene(), duration=5, ratio="16:9")
    wait = StarVideosTaskSensor(task_id="wait", video_id=create.output)
    save = StarVideosDownloadOperator(
        task_id="save",
        video_id=wait.output,
        destination=FOLDER + "{{ run_id | replace(':', '') }}.mp4",
        if_exists="skip",
    )
    announce(save.output)


postcard()
