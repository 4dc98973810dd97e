"""Order a video, wait for it without a worker, and save it to a folder or a bucket."""

import tempfile

from airflow.sdk import Param, dag

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

PARAMS = {
    "prompt": Param("A red kite over the sea, slow pan, golden hour", type="string"),
    "destination": Param(f"{tempfile.gettempdir()}/starvideos_example/", type="string", pattern="/$"),
}


@dag(dag_id="starvideos_save", tags=["starvideos"], params=PARAMS)
def save_one():
    create = StarVideosCreateOperator(
        task_id="create",
        prompt="{{ params.prompt }}",
        duration=5,
        ratio="16:9",
    )
    wait = StarVideosTaskSensor(
        task_id="wait",
        video_id=create.output,
        poke_interval=30,
        timeout=3600,
    )
    StarVideosDownloadOperator(
        task_id="save",
        video_id=wait.output,
        destination="{{ params.destination }}",  # or s3://my_aws@my-bucket/videos/
        if_exists="skip",
    )


save_one()
