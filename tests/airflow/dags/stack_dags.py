"""Dags that need nothing but Airflow: to test the stack that runs the others."""

import time
from datetime import timedelta

from airflow.sdk import dag, task


@dag
def stack_two_tasks() -> None:
    """Pass a value from one task to the next."""

    @task
    def make() -> dict[str, int]:
        """Return a value."""
        return {"answer": 42}

    @task
    def use(value: dict[str, int]) -> int:
        """Write it to the log."""
        print("the answer is", value["answer"])
        return value["answer"]

    use(make())


@dag
def stack_killed() -> None:
    """Sleep long at the first try, so that there is something to kill."""

    @task(retries=1, retry_delay=timedelta(seconds=0))
    def sleep(ti=None) -> int:  # type: ignore[no-untyped-def]
        """Return the number of the try."""
        if ti.try_number == 1:
            time.sleep(120)
        return int(ti.try_number)

    sleep()


stack_two_tasks()
stack_killed()
