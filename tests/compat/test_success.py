"""What is called after a recorded success, as Airflow ends a task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.task_runner import TaskInstanceState

from airflow_provider_starvideos.compat.success import after_success
from tests.compat.conftest import LOG, Become, ExecutionApi, Instances


@pytest.mark.parametrize("given", [None, [print]], ids=["alone", "with the user's"])
@pytest.mark.parametrize(
    ("state", "is_called"), [("success", True), ("failed", False), ("running", False), ("down", False)]
)
def test_it_is_called_once_airflow_has_recorded_the_success(
    state: str,
    is_called: bool,
    given: Any,
    become_task: Become,
    instances: Instances,
    api: ExecutionApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not where Airflow only believes so: it calls success callbacks also for a success that was refused."""
    operator = BaseOperator(task_id="order", on_success_callback=given)
    calls: list[Any] = []
    after_success(operator, calls.append, "The order stays on record")
    context: Any = become_task(instances.add("order"))
    context["ti"].task = operator
    instances.change(context["ti"], state="running" if state == "down" else state)
    if state == "down":
        api.be_down()
    warnings: list[str] = []
    log = SimpleNamespace(warning=lambda text, *values: warnings.append(text % values))
    monkeypatch.setattr(BaseOperator, "log", log)
    task_runner.finalize(context["ti"], TaskInstanceState.SUCCESS, context, LOG, None)
    assert calls == ([context] if is_called else [])
    assert [text.partition(":")[0] for text in warnings] == ([] if is_called else ["The order stays on record"])
