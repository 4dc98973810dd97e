"""What a single order costs: the XComs `amount` and `spending`, wherever the task ends; and the log of its refusal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.compat import xcoms
from airflow_provider_starvideos.decorators.batch import StarVideosBatchDecoratedOperator
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.triggers import events, task
from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger

ORDERED = {"orders": 1, "seconds_ordered": 5, "videos": 0, "amount": None, "amount_unknown": 1}
DELIVERED = {"orders": 1, "seconds_ordered": 5, "videos": 1, "amount": "0.76", "amount_unknown": 0}


class TaskInstance:
    """As much of a task instance as is used; its XComs as Airflow keeps them."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "dag", "run", "create", -1, 1, 0

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))


def facts(ti: TaskInstance, expected: dict[str, Any]) -> dict[str, Any]:
    """Return as much of the XCom ``spending`` as is compared."""
    return {name: ti.xcoms["spending"][name] for name in expected}


def ordered(ti: TaskInstance) -> TaskDeferred:
    """Order a video of 5 seconds, and return the deferral of the wait."""
    operator = StarVideosCreateOperator(task_id="create", prompt="a red fox", duration=5, wait_for_completion=True)
    context: Any = {"ti": ti}
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context)
    return caught.value


def completed(deferred: TaskDeferred) -> VideoTask:
    """Return the video, completed."""
    video_id = deferred.trigger.serialize()[1]["video_id"]
    return VideoTask(video_id, TaskStatus.COMPLETED, "", "https://v", 5.04, amount=Decimal("0.76"))


@pytest.mark.usefixtures("emulator")
def test_an_order_says_what_was_ordered_and_then_what_was_billed() -> None:
    """The first as soon as the order is accepted: also a task whose video fails has it."""
    ti = TaskInstance()
    deferred = ordered(ti)
    assert facts(ti, ORDERED) == ORDERED
    assert "amount" not in ti.xcoms
    operator = StarVideosCreateOperator(task_id="create", prompt="a red fox", duration=5, wait_for_completion=True)
    kwargs = json.loads(json.dumps(deferred.kwargs))
    context: Any = {"ti": ti}
    operator.execute_complete(context, events.of_video(completed(deferred)), **kwargs)
    assert ti.xcoms["amount"] == "0.76"
    assert facts(ti, DELIVERED) == DELIVERED
    assert ti.xcoms["spending"]["seconds_delivered"] == 5.04


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="since Airflow 3.3 tasks end in the triggerer")
@pytest.mark.usefixtures("emulator")
async def test_a_task_that_ends_in_the_triggerer_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trigger has no journal: it adds the video to what the order told it."""
    pushed: dict[str, Any] = {}

    async def push(ti: Any, values: dict[str, Any]) -> None:
        pushed.update(json.loads(json.dumps(values)))

    monkeypatch.setattr(xcoms, "push_xcoms", push)
    monkeypatch.setattr(task, "process_needs_worker", lambda: False)
    ti = TaskInstance()
    deferred = ordered(ti)
    trigger = StarVideosTaskTrigger(**json.loads(json.dumps(deferred.trigger.serialize()[1])))
    monkeypatch.setattr(StarVideosTaskTrigger, "task_instance", ti)
    assert await trigger._end(completed(deferred))
    assert pushed["amount"] == "0.76"
    ti.xcoms |= pushed
    assert facts(ti, DELIVERED) == DELIVERED


def test_a_create_orders_no_more_than_the_connection_allows(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0: nothing. It fails for good, and says how many it would be."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    extra = {"extra": {"max_orders_per_task": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection | extra))
    context: Any = {"ti": TaskInstance()}
    with pytest.raises(AirflowFailException, match="1 order: 1 new, and 0 of this task before"):
        StarVideosCreateOperator(task_id="create", prompt="a red fox").execute(context)
    assert emulator.billed.videos == 0


def test_a_batch_of_a_function_takes_a_limit_too() -> None:
    """As ``@task.starvideos_batch(max_orders=3)``."""
    made = StarVideosBatchDecoratedOperator(
        task_id="batch", python_callable=list, op_args=(), op_kwargs={}, max_orders=3
    )
    assert made.max_orders == 3
