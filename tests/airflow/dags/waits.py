"""Dags of test_waits.py: kinds of wait, good and bad ends; those in the triggerer are in endings.py, too."""

from airflow.sdk import DAG, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

QUICK = {"poke_interval": 1, "timeout": 120}
FAILING = "[fail: the prompt was refused] a cat"


@task
def use(video_id: str, url: str, seconds: float) -> dict:
    return {"video_id": video_id, "url": url, "seconds": seconds}


with DAG("waits", default_args={"retries": 2, "retry_delay": 1}):
    create = StarVideosCreateOperator(task_id="create", prompt="waits {{ run_id }}", duration="{{ 4 }}", ratio="")
    deferred = StarVideosTaskSensor(task_id="deferred", video_id=create.output, **QUICK)
    use(deferred.output, deferred.output["video_url"], deferred.output["actual_duration"])
    StarVideosTaskSensor(task_id="poked", video_id=create.output, deferrable=False, **QUICK)
    # Slower: where its time comes before Airflow's scheduler has noted the end of the last poke, it costs a try.
    StarVideosTaskSensor(
        task_id="rescheduled", video_id=create.output, deferrable=False, mode="reschedule", poke_interval=8
    )
    StarVideosCreateOperator(task_id="create_deferred", prompt="one", wait_for_completion=True, poll_interval=1)
    StarVideosCreateOperator(
        task_id="create_blocking", prompt="one", wait_for_completion=True, deferrable=False, poll_interval=1
    )

with DAG("mapped_waits"):
    many = StarVideosCreateOperator.partial(task_id="create", duration=3).expand(prompt=["a", "b", "c"])
    StarVideosTaskSensor.partial(task_id="wait", **QUICK).expand(video_id=many.output)

with DAG("failing_waits", default_args={"retries": 2, "retry_delay": 1}):
    bad = StarVideosCreateOperator(task_id="create", prompt=FAILING)
    for name, soft_fail in {"poked": False, "soft_poked": True}.items():
        StarVideosTaskSensor(task_id=name, video_id=bad.output, soft_fail=soft_fail, deferrable=False, **QUICK)
    StarVideosTaskSensor(task_id="unknown", video_id="video_starvideos_1", **QUICK)
    StarVideosTaskSensor(task_id="bad_id", video_id="../v1/starvideos/videos", **QUICK)
    StarVideosCreateOperator(
        task_id="bad_request", prompt="x", duration="16", ratio="4:3", first_image="https://example.com/a.png"
    )
    StarVideosCreateOperator(task_id="no_connection", prompt="x", starvideos_conn_id="nobody")

with DAG("long_waits"):
    slow = StarVideosCreateOperator(task_id="create", prompt="long {{ run_id }}")
    StarVideosTaskSensor(task_id="wait", video_id=slow.output, **QUICK)
    StarVideosTaskSensor(task_id="late", video_id=slow.output, poke_interval=1, timeout=3, retries=2)
    StarVideosTaskSensor(task_id="late_soft", video_id=slow.output, poke_interval=1, timeout=3, soft_fail=True)
