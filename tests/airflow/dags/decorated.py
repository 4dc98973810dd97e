"""Functions whose results are orders, and what is wrong with some of them."""

from airflow.sdk import DAG, task

with DAG("decorated"):

    @task
    def names() -> list[str]:
        return ["gull", "seal"]

    @task.starvideos_create(duration=4, wait_for_completion=True, poll_interval=1)
    def one(name: str, ti=None) -> dict[str, str]:
        return {"prompt": f"{{# as it is #}} {name} of {ti.task_id}", "ratio": "1:1"}

    @task.starvideos_batch(duration=3, poll_interval=1)
    def many(all_names: list[str]):
        for name in all_names:
            yield f"batch of {name}"

    given = names()
    one.expand(name=given)
    many(given)

with DAG("decorated_wrongly"):

    @task.starvideos_create
    def number() -> int:
        return 7

    @task.starvideos_create
    def unknown() -> dict[str, str]:
        return {"prompt": "x", "lenght": "5"}

    number()
    unknown()
