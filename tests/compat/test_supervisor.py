"""Airflow's supervisors answer what ``compat.supervisor`` asks, each on the socket that they have in production."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import get_args

import httpx
import pytest
from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor, messages
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import PutVariable

from airflow_provider_starvideos.compat import supervisor
from tests.compat.conftest import Become, ExecutionApi, Instances

KEY = "starvideos_order_of_compat"
# Not in 3.0.3, the oldest that is supported; in 3.0.6.
TRIGGERS_MAY_WRITE = PutVariable in get_args(get_args(ToTriggerSupervisor)[0])


def test_a_task_keeps_a_variable(become_task: Become, instances: Instances) -> None:
    """Written, replaced, read, deleted; deleting again is no error."""
    become_task(instances.add())
    assert supervisor.read_variable(KEY) is None
    for value in ("{}", '{"a": "ä"}'):
        supervisor.write_variable(KEY, value, "of a test")
        assert supervisor.read_variable(KEY) == value
    supervisor.delete_variable(KEY)
    supervisor.delete_variable(KEY)
    assert supervisor.read_variable(KEY) is None


async def aread_variable(key: str) -> str | None:
    """Read a Variable in a trigger."""
    answer = await supervisor._asend(supervisor._message("GetVariable", key=key))
    return None if supervisor._is_error(answer, "VARIABLE_NOT_FOUND") else str(supervisor._done(answer).value)


async def awrite_variable(key: str, value: str, description: str) -> None:
    """Write a Variable in a trigger."""
    message = supervisor._message("PutVariable", key=key, value=value, description=description)
    supervisor._done(await supervisor._asend(message))


async def refused_or(asking: Awaitable[None]) -> None:
    """Await what an Airflow whose triggers may not write refuses."""
    if TRIGGERS_MAY_WRITE:
        await asking
        return
    with pytest.raises(NotImplementedError):
        await asking


async def test_a_trigger_keeps_a_variable(triggerer: None) -> None:
    """The same in the triggerer."""
    assert await aread_variable(KEY) is None
    await refused_or(awrite_variable(KEY, "{}", "of a test"))
    assert await aread_variable(KEY) == ("{}" if TRIGGERS_MAY_WRITE else None)
    await refused_or(supervisor.adelete_variable(KEY))
    await refused_or(supervisor.adelete_variable(KEY))
    assert await aread_variable(KEY) is None


def test_an_api_server_that_fails_is_no_missing_variable(
    become_task: Become, instances: Instances, api: ExecutionApi
) -> None:
    """Nor is anything written or deleted, as far as a task knows, nor a connection missing."""
    become_task(instances.add())
    api.be_down()
    for ask in (
        lambda: supervisor.read_variable(KEY),
        lambda: supervisor.write_variable(KEY, "{}", ""),
        lambda: supervisor.delete_variable(KEY),
        lambda: supervisor.connection_exists("mine"),
        lambda: supervisor.task_instance_exists(instances.get().id),
    ):
        with pytest.raises(AirflowRuntimeError, match="503"):
            ask()


async def test_an_api_server_that_fails_a_trigger(triggerer: None, api: ExecutionApi) -> None:
    """The same in the triggerer."""
    api.be_down()
    for asking in (
        aread_variable(KEY),
        awrite_variable(KEY, "{}", ""),
        supervisor.adelete_variable(KEY),
        supervisor.aconnection_exists("mine"),
    ):
        with pytest.raises(AirflowRuntimeError if TRIGGERS_MAY_WRITE else Exception, match=r"503|doesn't know"):
            await asking


def test_a_task_learns_whether_a_connection_exists(
    become_task: Become, instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The api-server reads its secrets backends, such as the environment."""
    become_task(instances.add())
    assert not supervisor.connection_exists("starvideos_none")
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_ONE", '{"conn_type": "starvideos", "password": "k"}')
    assert supervisor.connection_exists("starvideos_one")


async def test_a_trigger_learns_whether_a_connection_exists(triggerer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in the triggerer."""
    assert not await supervisor.aconnection_exists("starvideos_none")
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_ONE", '{"conn_type": "starvideos", "password": "k"}')
    assert await supervisor.aconnection_exists("starvideos_one")


async def until_visible(visible: bool) -> None:
    """Wait until the supervisor has begun to answer, or has answered: it is hidden meanwhile, see conftest."""
    while supervisor.has_supervisor() != visible:  # noqa: ASYNC110  another thread does it
        await asyncio.sleep(0.001)


async def test_an_exchange_that_is_cancelled_leaves_the_next_its_own_answer(triggerer: None, api: ExecutionApi) -> None:
    """In 3.0 and 3.1 the next one would get the answer of the one before, and so would each trigger after that."""
    go_on = threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        go_on.wait(10)
        return httpx.Response(200, json={"key": "k", "value": request.url.path.rpartition("/")[2]})

    api.instead = answer
    for number in range(3):
        go_on.clear()
        asking = asyncio.ensure_future(aread_variable(f"cancelled_{number}"))
        await until_visible(False)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        go_on.set()
        await until_visible(True)
        assert await aread_variable(f"asked_{number}") == f"asked_{number}"


def test_what_a_supervisor_does_not_know_is_refused_here(become_task: Become, instances: Instances) -> None:
    """It would give no answer, and the task would hang."""
    become_task(instances.add())
    with pytest.raises(NotImplementedError):
        supervisor._send(messages.TriggerStateChanges(events=None, finished=None, failures=None))


async def test_what_a_triggerer_does_not_know_is_refused_here(triggerer: None, instances: Instances) -> None:
    """It would give no answer, and in 3.0 and 3.1 every trigger would hang."""
    with pytest.raises(NotImplementedError):
        await supervisor._asend(supervisor._message("ValidateInletsAndOutlets", ti_id=instances.add().id))


def test_where_there_is_no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a test that calls ``execute`` itself: Airflow's own Variable, and nothing is known of an instance."""
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)
    monkeypatch.setenv("AIRFLOW_VAR_STARVIDEOS_ORDER_OF_COMPAT", "from the environment")
    assert not supervisor.has_supervisor()
    assert supervisor.read_variable(KEY) == "from the environment"
    assert supervisor.task_instance_exists("id") is None
    assert not supervisor.connection_exists("starvideos_none")
