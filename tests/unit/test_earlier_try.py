"""A try that is woken by an earlier one's event begins again: Airflow 3.0 gives each retry the old event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_starvideos.decorators.create import StarVideosCreateDecoratedOperator
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosServerError, StarVideosVideoFailedError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers import events

WAIT = {"task_id": "wait", "wait_for_completion": True}


class TaskInstance:
    """As much of a task instance as is used."""

    dag_id, run_id, task_id, map_index = "dag", "run", "wait", -1
    max_tries = 3

    def __init__(self) -> None:
        self.try_number = 1
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, *, key: str, **_: Any) -> Any:
        return self.xcoms.get(key)


class States(dict[str, Any]):
    """As ``context["task_state_store"]``."""

    set = dict.__setitem__
    delete = dict.__delitem__


def create(video_id: str, folder: Path) -> Any:
    """Return an operator that orders and waits."""
    return StarVideosCreateOperator(prompt="a red fox", retries=3, **WAIT)


def decorated(video_id: str, folder: Path) -> Any:
    """Return the same of a function."""
    return StarVideosCreateDecoratedOperator(
        python_callable=lambda: "a red fox", op_args=(), op_kwargs={}, retries=3, **WAIT
    )


def sensor(video_id: str, folder: Path) -> Any:
    """Return a sensor."""
    return StarVideosTaskSensor(task_id="wait", video_id=video_id)


def download(video_id: str, folder: Path) -> Any:
    """Return an operator that waits and saves."""
    return StarVideosDownloadOperator(video_id=video_id, destination=f"{folder}/", **WAIT)


OPERATORS = [create, decorated, sensor, download]


@pytest.fixture
def context() -> Any:
    """Of one task instance, over its tries."""
    return {"ti": TaskInstance(), "task_state_store": States()}


@pytest.fixture
def begun(emulator: Emulator, context: Any, tmp_path: Path) -> Callable[..., tuple[Any, TaskDeferred]]:
    """Begin a try that waits for a video; return its operator, and how it was deferred."""
    video_id = StarVideosHook().create_video(prompt="of another task").id

    def begin(make: Callable[[str, Path], Any]) -> tuple[Any, TaskDeferred]:
        operator = make(video_id, tmp_path)
        with pytest.raises(TaskDeferred) as caught:
            operator.execute(context)
        return make(video_id, tmp_path), caught.value

    return begin


def failure(deferred: TaskDeferred) -> dict[str, Any]:
    """Return the event of the wait, had it failed with a transient error."""
    video_id = deferred.trigger.serialize()[1]["video_id"]
    return events.of_error(video_id, StarVideosServerError("the server failed", status_code=500))


@pytest.mark.parametrize("make", OPERATORS)
def test_a_retry_that_gets_the_old_event_waits_anew(make: Any, begun: Any, context: Any, emulator: Emulator) -> None:
    """For the same video, with its own deadline; nothing is ordered."""
    operator, deferred = begun(make)
    billed = emulator.billed.videos
    context["ti"].try_number = 2
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(context, failure(deferred), **deferred.kwargs)
    first, second = (one.trigger.serialize()[1] for one in (deferred, again.value))
    assert second["video_id"] == first["video_id"]
    assert second["end_time"] >= first["end_time"]
    assert again.value.kwargs["try_number"] == 2
    assert emulator.billed.videos == billed


@pytest.mark.parametrize("make", OPERATORS)
@pytest.mark.parametrize("told", [True, False], ids=["same try", "of an older version"])
def test_its_own_event_ends_a_try(make: Any, told: bool, begun: Any, context: Any) -> None:
    """As ever; also where it isn't known which try began the wait."""
    operator, deferred = begun(make)
    with pytest.raises(StarVideosServerError, match="the server failed"):
        operator.execute_complete(context, failure(deferred), **(deferred.kwargs if told else {}))


@pytest.mark.parametrize("make", [create, decorated])
def test_after_a_failed_video_the_next_try_orders_a_new_one(
    make: Any, begun: Any, context: Any, emulator: Emulator
) -> None:
    """As documented, and as on every later Airflow."""
    operator, deferred = begun(make)
    video_id = deferred.trigger.serialize()[1]["video_id"]
    emulator.finish(video_id, "failed", "content policy")
    event = events.of_error(video_id, StarVideosVideoFailedError(video_id, "content policy"))
    with pytest.raises(StarVideosVideoFailedError):
        operator.execute_complete(context, event, **deferred.kwargs)
    billed = emulator.billed.videos
    context["ti"].try_number = 2
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(context, event, **deferred.kwargs)
    assert again.value.trigger.serialize()[1]["video_id"] != video_id
    assert emulator.billed.videos == billed + 1


@pytest.mark.parametrize("durable", [True, False])
def test_a_completed_video_of_an_earlier_try_is_delivered(durable: bool, context: Any, emulator: Emulator) -> None:
    """It stays completed, so nothing is asked for again, and without a record nothing is paid for again."""
    operator = StarVideosCreateOperator(prompt="a red fox", durable=durable, **WAIT)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    video_id = deferred.value.trigger.serialize()[1]["video_id"]
    emulator.finish(video_id)
    event = events.of_video(StarVideosHook().get_video(video_id))
    context["ti"].try_number = 2
    assert operator.execute_complete(context, event, **(deferred.value.kwargs or {})) == video_id
    assert emulator.billed.videos == 1


@pytest.mark.parametrize("make", [sensor, download])
def test_a_clear_that_meets_the_event_of_another_video_looks_anew(
    make: Any, begun: Any, context: Any, emulator: Emulator, tmp_path: Path
) -> None:
    """Where the order was cleared too, the next try has another id: the old video is neither shown nor saved."""
    _, deferred = begun(make)
    old = deferred.trigger.serialize()[1]["video_id"]
    emulator.finish(old)
    event = events.of_video(StarVideosHook().get_video(old))
    new = StarVideosHook().create_video(prompt="of the cleared task").id
    context["ti"].try_number = 2
    with pytest.raises(TaskDeferred) as again:
        make(new, tmp_path).execute_complete(context, event, **deferred.kwargs)
    assert again.value.trigger.serialize()[1]["video_id"] == new
    assert list(tmp_path.iterdir()) == []
