"""Dags of test_batch.py: batches of every source, and what comes after them."""

from airflow.sdk import DAG, task

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor


@task
def rows(dag_run=None) -> list[dict]:
    return [{"prompt": f"{dag_run.run_id} fox {number}.", "duration": 3} for number in range(dag_run.conf["rows"])]


@task
def read(uri: str) -> list[dict]:
    import json

    from airflow.sdk import ObjectStoragePath

    return [json.loads(line) for line in ObjectStoragePath(uri).read_text().splitlines()]


with DAG("batch_list", default_args={"retries": 2, "retry_delay": 1, "poll_interval": 1}):
    batch = StarVideosBatchOperator(
        task_id="batch", requests=["{{ run_id }} a", {"prompt": "{{ run_id }} b", "ratio": "1:1"}], duration="{{ 4 }}"
    )
    StarVideosTaskSensor.partial(task_id="each", poke_interval=1).expand(video_id=batch.output)
    StarVideosBatchOperator(task_id="blocking", requests=["{{ run_id }} c", "{{ run_id }} d"], deferrable=False)

with DAG("batch_task", default_args={"retries": 2, "retry_delay": 1, "poll_interval": 1}):
    StarVideosBatchOperator(task_id="batch", requests=rows())

with DAG("batch_places", default_args={"retries": 2, "retry_delay": 1, "poll_interval": 1}):
    StarVideosBatchOperator(task_id="batch", requests=rows(), max_in_flight=8)

with DAG("batch_limits", default_args={"retries": 2, "retry_delay": 1, "poll_interval": 1}):
    limited = {"starvideos_conn_id": "starvideos_limited"}
    StarVideosBatchOperator(task_id="too_many", requests=["{{ run_id }} many"] * 4, max_orders=10, **limited)
    StarVideosBatchOperator(task_id="allowed", requests=["{{ run_id }} few"] * 3, max_orders=10, **limited)
    StarVideosCreateOperator(task_id="too_long", prompt="{{ run_id }} long", duration=6, **limited)

with DAG("batch_file", default_args={"retries": 0, "poll_interval": 1}):
    file = StarVideosBatchOperator(
        task_id="batch",
        requests="{{ dag_run.conf['file'] }}",
        destination="{{ dag_run.conf['folder'] }}/{{ dag.dag_id }}/",
    )
    read(file.output)
