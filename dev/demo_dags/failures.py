"""What doesn't go well, for the demo's pages: a video that failed, and a batch of which one row failed."""

import os

from airflow.sdk import Param, dag

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

POLL_SECONDS = float(os.environ.get("STARVIDEOS_EXAMPLE_POLL_SECONDS", "30"))


@dag(
    dag_id="starvideos_demo_failures",
    tags=["starvideos"],
    default_args={"retries": 0},
    params={"destination": Param("/tmp/starvideos_demo/", type="string", pattern="/$")},
)
def failures() -> None:
    """Order one that fails, and a batch."""
    create = StarVideosCreateOperator(
        task_id="create", prompt="[fail: the prompt was refused] A cat in a hat", ratio="16:9"
    )
    StarVideosTaskSensor(task_id="wait", video_id=create.output, poke_interval=POLL_SECONDS)  # type: ignore[arg-type]
    StarVideosBatchOperator(
        task_id="batch",
        requests=[
            {"prompt": "A lamp on a desk, evening light", "name": "lamp"},
            {"prompt": "A mug, steam in the morning sun", "name": "mug"},
            {"prompt": "[fail: the prompt was refused] A poster of a film star", "name": "poster"},
        ],
        ratio="16:9",
        destination="{{ params.destination }}batch/",
        poll_interval=POLL_SECONDS,
    )


failures()
