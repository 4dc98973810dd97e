"""What Airflow's database says of a running task instance, and how it distinguishes one try from the next."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_starvideos.compat.task_instance import atask_state, is_current, task_state
from tests.compat.conftest import Become, ExecutionApi, Instances


@pytest.mark.parametrize("map_index", [-1, 0, 3])
@pytest.mark.parametrize("state", ["running", "success", "failed", "restarting", "up_for_retry", None])
def test_the_state_is_that_of_the_database(
    state: str | None, map_index: int, become_task: Become, instances: Instances
) -> None:
    """Also where another task, and another index, has another one; and only ``running`` is current."""
    instances.add("other", map_index, "skipped")
    instances.add("order", 7, "skipped")
    context: Any = become_task(instances.add("order", map_index, "running"))
    instances.change(context["ti"], state=state)
    assert task_state(context) == state
    assert is_current(context) is {"running": True, None: None}.get(state, False)


@pytest.mark.parametrize("map_index", [-1, 3])
@pytest.mark.parametrize("state", ["deferred", "success", None])
async def test_a_trigger_reads_the_state(
    state: str | None, map_index: int, triggerer: None, instances: Instances, api: ExecutionApi
) -> None:
    """The same; an api-server that fails is no answer."""
    instances.add("other", map_index, "skipped")
    ti = instances.add("order", map_index, state)
    assert await atask_state(ti) == state
    api.be_down()
    with pytest.raises(Exception, match="503"):
        await atask_state(ti)


@pytest.mark.parametrize("map_index", [-1, 3])
@pytest.mark.parametrize("state", ["running", "restarting", "up_for_retry", "queued", None])
def test_a_try_that_was_given_up_is_not_current(
    state: str | None, map_index: int, become_task: Become, instances: Instances
) -> None:
    """Once Airflow has begun another one, whose state may be ``running``."""
    context: Any = become_task(instances.add("order", map_index))
    assert is_current(context) is True
    instances.begin_next_try(context["ti"])
    later = instances.get("order", map_index)
    instances.change(later, state=state)
    assert later.id != context["ti"].id
    assert is_current(context) is False
    assert is_current({"ti": later}) is {"running": True, None: None}.get(state, False)  # type: ignore[typeddict-item]


def test_a_run_that_was_deleted_has_no_current_try(become_task: Become, instances: Instances) -> None:
    """Its task instances are gone."""
    from airflow.models.taskinstance import TaskInstance

    context: Any = become_task(instances.add())
    instances.session.query(TaskInstance).delete()
    instances.session.commit()
    assert task_state(context) is None
    assert is_current(context) is False


def test_an_api_server_that_fails_is_no_answer(become_task: Become, instances: Instances, api: ExecutionApi) -> None:
    """Neither yes nor no."""
    context: Any = become_task(instances.add())
    api.be_down()
    for ask in (task_state, is_current):
        with pytest.raises(Exception, match="503"):
            ask(context)


def test_it_costs_two_requests(become_task: Become, instances: Instances, api: ExecutionApi) -> None:
    """And the state one."""
    context: Any = become_task(instances.add())
    task_state(context)
    assert api.requests == 1
    is_current(context)
    assert api.requests == 3
