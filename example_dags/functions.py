"""Orders made by functions: ``@task.starvideos_create`` for one, ``@task.starvideos_batch`` for many."""

import tempfile

from airflow.sdk import Param, dag, task

from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

DESTINATION = Param(f"{tempfile.gettempdir()}/starvideos_example/functions/", type="string", pattern="/$")


@task
def weather() -> str:
    return "a light breeze"


@task.starvideos_create(duration=5, ratio="16:9")
def forecast(sky: str) -> str:
    return f"A red kite in {sky}, slow pan"


@task.starvideos_create(wait_for_completion=True)
def portrait(sky: str) -> dict:
    return {"prompt": f"A kite, seen from below, in {sky}", "duration": 3, "ratio": "9:16"}


@task.starvideos_batch(duration=3, destination="{{ params.destination }}")
def colours(sky: str) -> list[dict]:
    return [{"prompt": f"A {name} kite in {sky}", "name": name} for name in ("red", "green", "blue")]


@dag(dag_id="starvideos_functions", tags=["starvideos"], params={"destination": DESTINATION})
def functions():
    sky = weather()
    StarVideosTaskSensor(task_id="wait", video_id=forecast(sky))
    portrait(sky)
    colours(sky)


functions()
