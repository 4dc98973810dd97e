"""Batches for the crash matrix: each is a mapped task instance, with rows and options from its run's conf."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator


@task
def batches(dag_run: Any = None) -> list[dict[str, Any]]:
    return [batch["kwargs"] for batch in dag_run.conf["rows"]]


with DAG("crash_batches", schedule=None, max_active_tasks=32):
    StarVideosBatchOperator.partial(
        task_id="order", retries=2, retry_delay=timedelta(seconds=1), poll_interval=2
    ).expand_kwargs(batches())
