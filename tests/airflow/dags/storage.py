"""Dags of test_storage.py: saving, in every way that a Dag's author may ask for it."""

import os

from airflow.sdk import DAG, Asset, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator

FOLDER = os.environ.get("STORAGE_TESTS_FOLDER", "unknown")
VIDEOS = Asset("storage_tests_videos")
QUICK = {"poll_interval": 1, "timeout": 120}


@task
def use(uri: str, video_id: str, size: int, sha256: str, kind: str) -> dict:
    return {"uri": uri, "video_id": video_id, "size": size, "sha256": sha256, "kind": kind}


with DAG("storage_local", default_args={"retries": 2, "retry_delay": 1}):
    create = StarVideosCreateOperator(task_id="create", prompt="storage {{ run_id }}")
    save = StarVideosDownloadOperator(
        task_id="save",
        video_id=create.output,
        destination=FOLDER + "/{{ dag.dag_id }}/",
        wait_for_completion=True,
        outlets=[VIDEOS],
        **QUICK,
    )
    use(save.output, *[save.output[key] for key in ("video_id", "size_bytes", "sha256", "content_type")])
    blocking = StarVideosDownloadOperator(
        task_id="blocking",
        video_id=create.output,
        destination=FOLDER + "/blocking.mp4",
        wait_for_completion=True,
        deferrable=False,
        **QUICK,
    )
    StarVideosDownloadOperator(
        task_id="taken", video_id=create.output, destination=FOLDER, if_exists="error"
    ).set_upstream(blocking)

with DAG("storage_started", schedule=[VIDEOS]):

    @task
    def look(triggering_asset_events=None) -> dict:
        return triggering_asset_events[VIDEOS][-1].extra

    look()

with DAG("storage_inputs", default_args={"retries": 0}):
    StarVideosCreateOperator(
        task_id="signed",
        prompt="signed {{ run_id }}",
        reference_images=["s3://aws_default@inputs/cat.png"],
        wait_for_completion=True,
        **QUICK,
    )
    StarVideosCreateOperator(task_id="missing", prompt="missing", reference_images=["s3://aws_default@inputs/none.png"])
