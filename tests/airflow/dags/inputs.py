"""A Dag that renders to native objects, and prompts that are missing."""

from airflow.sdk import DAG, Param

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

NATIVE = DAG("inputs_native", render_template_as_native_obj=True, params={"seconds": 5, "nothing": Param(None)})
TEXT = DAG("inputs_text", params={"nothing": Param(None)})

with NATIVE:
    StarVideosCreateOperator(
        task_id="text", prompt="2024", duration="{{ params.seconds }}", ratio="{{ params.nothing }}"
    )
    StarVideosBatchOperator(
        task_id="rows", requests=[{"prompt": "1_000", "name": "007"}, {}], duration=4, poll_interval=1
    )
    StarVideosCreateOperator(task_id="missing", prompt="{{ params.nothing }}", retries=3)

with TEXT:
    StarVideosCreateOperator(task_id="missing", prompt="{{ params.nothing }}", retries=3)
    StarVideosCreateOperator(task_id="gone", prompt="{{ ti.xcom_pull(task_ids='missing') }}", retries=3)
