"""The shortest useful Dag: order a video, wait for it without a worker, print where it is."""

from airflow.sdk import dag, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor


@task
def show_url(url: str):
    print(url)


@dag(dag_id="starvideos_ten_lines", tags=["starvideos"])
def ten_lines():
    create = StarVideosCreateOperator(task_id="create", prompt="A red kite over the sea, slow pan, golden hour")
    wait = StarVideosTaskSensor(task_id="wait", video_id=create.output)
    show_url(wait.output["video_url"])


ten_lines()
