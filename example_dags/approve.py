"""A person approves an order before it is sent, and watches a video before it is published. Airflow 3.1 and later."""

import tempfile
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

PARAMS = {
    "prompt": Param("A red kite over the sea, slow pan, golden hour", type="string"),
    "destination": Param(f"{tempfile.gettempdir()}/starvideos_example/", type="string", pattern="/$"),
}


@dag(dag_id="starvideos_approve", tags=["starvideos"], params=PARAMS)
def approve():
    # [approve: begin]
    StarVideosCreateOperator(
        task_id="create",
        prompt="{{ params.prompt }}",
        duration=5,
        approval="always",
        approval_timeout=timedelta(hours=12),  # after that it counts as rejected
        on_reject="skip",
        on_unconfirmed="ask",
        wait_for_completion=True,
    )
    # [approve: end]


@task
def publish(uri):
    print(f"published: {uri}")


@dag(dag_id="starvideos_review", tags=["starvideos"], params=PARAMS)
def review():
    # [review: begin]
    create = StarVideosCreateOperator(task_id="create", prompt="{{ params.prompt }}", duration=5)
    wait = StarVideosTaskSensor(task_id="wait", video_id=create.output)
    save = StarVideosDownloadOperator(
        task_id="save", video_id=wait.output, destination="{{ params.destination }}", if_exists="skip"
    )
    watch = ApprovalOperator(
        task_id="review",
        subject="Publish this video?",
        body="[Watch it](dags/{{ dag.dag_id }}/runs/{{ run_id | urlencode }}/tasks/save/plugin/starvideos-video): "
        "{{ params.prompt }}",
    )
    save >> watch >> publish(save.output)
    # [review: end]


approve()
review()
