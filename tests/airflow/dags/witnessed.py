"""The Dag of test_configured.py: sensors that would need no worker without listeners."""

from airflow.sdk import DAG, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor


@task
def use(video_id, url):
    return [video_id, url]


with DAG("witnessed"):
    create = StarVideosCreateOperator(task_id="create", prompt="witnessed {{ run_id }}")
    wait = StarVideosTaskSensor(task_id="wait", video_id=create.output, deferrable=True, poke_interval=1, timeout=120)
    use(wait.output, wait.output["video_url"])
