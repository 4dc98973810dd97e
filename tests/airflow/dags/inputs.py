"""A Dag that renders to native objects, and templates that find nothing."""

from airflow.sdk import DAG, Param, task

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


@task
def picture() -> None:
    """Find nothing."""


with TEXT:
    StarVideosCreateOperator(task_id="missing", prompt="{{ params.nothing }}", retries=3)
    StarVideosCreateOperator(task_id="gone", prompt="{{ ti.xcom_pull(task_ids='missing') }}", retries=3)
    StarVideosCreateOperator(task_id="image", prompt="A kite", reference_images=picture(), retries=3)
    StarVideosCreateOperator.partial(task_id="mapped", first_image="{{ params.nothing }}", retries=3).expand(
        prompt=["A kite"]
    )
    StarVideosBatchOperator(task_id="library", requests=["A kite"], library="{{ params.nothing }}", retries=3)
