"""Orders whose every step a test can hold from outside: files hold the user's code, the emulator holds the API.

A run gets its rows in its conf: ``{"folder": "…", "rows": [{"name": "row-000", "prompt": "…", "kwargs": {…}}]}``. Each
row is a mapped task instance. While the file ``NAME.hold-PLACE`` is there, the row's process waits at that place, and
says so with ``NAME.held-PLACE``.
"""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.sdk import DAG, task

from airflow_provider_starvideos.compat import human_input
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator


def hold(folder: str, name: str, place: str) -> None:
    """Wait while the test says so."""
    wanted, held = (Path(folder) / f"{name}.{word}-{place}" for word in ("hold", "held"))
    if wanted.exists():
        held.touch()
        while wanted.exists():
            time.sleep(0.02)
        held.unlink(missing_ok=True)


def prompt(dag_run: Any, ti: Any) -> str:
    """Return the row's prompt, from the file ``NAME.prompt`` if there is one; a macro, so called for each rendering."""
    row = dag_run.conf["rows"][ti.map_index]
    hold(dag_run.conf["folder"], row["name"], "template")
    file = Path(dag_run.conf["folder"]) / f"{row['name']}.prompt"
    return file.read_text() if file.exists() else str(row["prompt"])


class Held:
    """An operator as a user might extend it: more is done before and after ``execute``, and steps take longer."""

    # Where a step waits before it is done, while the test says so.
    STEPS = (
        ("sign", StarVideosHook, "with_signed_inputs", staticmethod),
        ("ask", human_input, "ask", staticmethod),
        ("document", Library, "add", lambda function: function),
    )

    def pre_execute(self, context: Any) -> None:
        """Keep where the test's files are, and have the steps wait."""
        conf = context["dag_run"].conf
        self.place = (conf["folder"], conf["rows"][context["ti"].map_index]["name"])
        hold(*self.place, "begin")
        for step, owner, name, kind in self.STEPS:
            setattr(owner, name, kind(self._slow(step, getattr(owner, name))))

    def _slow(self, step: str, function: Any) -> Any:
        def slow(*args: Any, **kwargs: Any) -> Any:
            hold(*self.place, step)
            return function(*args, **kwargs)

        return slow

    def defer(self, **kwargs: Any) -> None:
        """Wait while the test says so, then go to the triggerer."""
        hold(*self.place, "defer")
        super().defer(**kwargs)

    def post_execute(self, context: Any, result: Any = None) -> None:
        """Wait while the test says so."""
        hold(*self.place, "post_execute")


class HeldOrder(Held, StarVideosCreateOperator):
    """One order."""


class HeldBatch(Held, StarVideosBatchOperator):
    """Many orders."""


@task
def rows(dag_run: Any = None) -> list[dict[str, Any]]:
    """Return the arguments of each row."""
    return [row["kwargs"] for row in dag_run.conf["rows"]]


def order_rows(dag_id: str, operator: type[StarVideosCreateOperator] = HeldOrder, **options: Any) -> DAG:
    """Make a Dag that orders the rows of its conf; ``options`` go to the operator."""
    with DAG(dag_id, schedule=None, user_defined_macros={"prompt": prompt}, max_active_tasks=32) as dag:
        options = {"retry_delay": timedelta(seconds=1), "poll_interval": 1, **options}
        operator.partial(task_id="order", prompt="{{ prompt(dag_run, ti) }}", **options).expand_kwargs(rows())
    return dag


retried = order_rows("crash_retried", retries=2)
once = order_rows("crash_once", retries=0)
with DAG("crash_libraries", schedule=None, max_active_tasks=32):
    HeldBatch.partial(task_id="order", retries=2, retry_delay=timedelta(seconds=1), poll_interval=2).expand_kwargs(
        rows()
    )
ended = order_rows("crash_ended", StarVideosCreateOperator, retries=2)
if AIRFLOW_V_3_3_PLUS:
    from airflow_provider_starvideos.retry_policy import StarVideosRetryPolicy

    policy = order_rows(
        "crash_policy",
        retries=2,
        retry_delay=timedelta(hours=1),
        retry_policy=StarVideosRetryPolicy(first_delay=timedelta(seconds=1)),
    )
