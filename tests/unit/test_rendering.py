"""Templates, rendered in the triggerer or on a worker: every problem is named once, and ends the task alike."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.compat import xcoms
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosConnectionError, StarVideosServerError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers import events, task
from airflow_provider_starvideos.triggers.results import RESULT_KEYS
from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger
from tests.unit.waits import error_of, event_of

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("before Airflow 3.3 no template is rendered in the triggerer", allow_module_level=True)
greenback = pytest.importorskip("greenback")


def starting(video_id: str = "", context: dict[str, Any] | None = None, **options: Any) -> StarVideosTaskTrigger:
    """Return a trigger as a triggerer has it before ``run``."""
    found = StarVideosTaskTrigger(video_id, time.time() + 20, poll_interval=0.01, starts_task=True, **options)
    found.template_fields = ("video_id", "starvideos_conn_id")
    found.render_template_fields(context if context is not None else {"nothing": None})
    return found


@pytest.fixture
def video_id(emulator: Emulator) -> str:
    """A completed video."""
    found = StarVideosHook().create_video(prompt="a red fox").id
    emulator.finish(found)
    return found


async def test_templates_are_rendered(video_id: str) -> None:
    """Both, before the first poll."""
    context = {"conf": {"id": video_id}, "where": "starvideos_default"}
    trigger = starting("{{ conf.id }}", context, starvideos_conn_id="{{ where }}")
    assert events.read(await event_of(trigger)).id == video_id


async def test_an_xcom_is_read(video_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the task and key that the Dag names."""
    asked = []

    async def read_xcom(ti: Any, *which: str) -> str:
        asked.append(which)
        return video_id

    monkeypatch.setattr(xcoms, "read_xcom", read_xcom)
    assert events.read(await event_of(starting(xcom=["create", "return_value"]))).id == video_id
    assert asked == [("create", "return_value")]


async def test_an_xcom_is_read_where_the_dag_was_changed_meanwhile(
    video_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then it may have the sensor start on a worker; a triggerer that restarts knows nothing of the Dag then.

    The task ends on a worker, which knows what the changed Dag wants: a callback, say.
    """

    async def read_xcom(ti: Any, *which: str) -> str:
        return video_id

    pushed: list[Any] = []

    async def push_xcoms(ti: Any, values: Any) -> None:
        pushed.append(values)

    monkeypatch.setattr(xcoms, "read_xcom", read_xcom)
    monkeypatch.setattr(xcoms, "push_xcoms", push_xcoms)
    monkeypatch.setattr(task, "process_needs_worker", lambda: False)
    waiting = StarVideosTaskTrigger(
        "", poll_interval=0.01, starts_task=True, end_task=True, xcom=["create", "return_value"]
    )
    waiting.task_instance = SimpleNamespace(task_id="wait", try_number=1)  # type: ignore[assignment]
    assert events.read(await event_of(waiting)).id == video_id
    assert pushed == []


@pytest.mark.parametrize("template", ["{{ nobody }}", "{{ nobody.there }}", "{{ 1 + }}", "video_{{ nobody }}"])
async def test_what_can_not_be_rendered_is_told_for_good(emulator: Emulator, template: str) -> None:
    """By name, and with the way out: a worker may know what the triggerer doesn't."""
    error = await error_of(starting(template))
    assert error.permanent
    assert "video_id: can't be rendered in the triggerer (start_from_trigger=False" in str(error)
    assert emulator.requests["query"] == 0


@pytest.mark.parametrize(
    "value",
    [None, 5, {"id": "video_1"}, ["video_1"], "", "two words", object()],
    ids=lambda value: type(value).__name__,
)
async def test_an_xcom_that_is_no_id_is_told_for_good(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    """Whatever its type: the event crosses the database, and the task must be able to read it."""

    async def read_xcom(ti: Any, *which: str) -> Any:
        return value

    monkeypatch.setattr(xcoms, "read_xcom", read_xcom)
    error = await error_of(starting(xcom=["create", "return_value"]))
    assert error.permanent
    assert "video_id: must be a StarVideos id" in str(error)
    assert emulator.requests["query"] == 0


async def test_none_as_text_is_no_id(emulator: Emulator) -> None:
    """Jinja makes it of a missing XCom."""
    assert "(got None)" in str(await error_of(starting("{{ nothing }}")))
    assert emulator.requests["query"] == 0


async def test_a_rendering_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template may ask Airflow for something that no triggerer knows; a retry may find it answered."""
    monkeypatch.setattr(task, "RENDER_SECONDS", 0.1)
    await greenback.ensure_portal()
    error = await error_of(starting("{{ ask() }}", {"ask": lambda: greenback.await_(asyncio.Event().wait())}))
    assert isinstance(error, StarVideosConnectionError)
    assert not error.permanent
    assert "video_id wasn't rendered within" in str(error)


async def test_an_error_on_the_way_to_a_value_may_be_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The api-server that holds the XComs may be back at the next try."""

    async def read_xcom(ti: Any, *which: str) -> Any:
        raise ConnectionError("no route to the api-server")

    monkeypatch.setattr(xcoms, "read_xcom", read_xcom)
    error = await error_of(starting(xcom=["create", "return_value"]))
    assert not error.permanent
    assert "no route to the api-server" in str(error)


@pytest.mark.usefixtures("impatient")
async def test_silent_fail_waits_on_however_many_polls_fail(emulator: Emulator, video_id: str) -> None:
    """Without it ten in a row end the wait, where they last long enough."""
    emulator.add_fault(on="query", kind="server_error", times=25)
    assert isinstance(await error_of(starting(video_id)), StarVideosServerError)
    emulator.clear_faults()
    emulator.add_fault(on="query", kind="server_error", times=25)
    assert events.read(await event_of(starting(video_id, silent_fail=True))).id == video_id


@pytest.mark.usefixtures("impatient")
async def test_silent_fail_ends_with_the_deadline_and_with_what_no_wait_can_mend(emulator: Emulator) -> None:
    """A failed video, a refused key, the deadline."""
    video_id = (await StarVideosHook().acreate_video(prompt="a red fox")).id
    emulator.add_fault(on="query", kind="server_error", times=25)
    late = starting(video_id, silent_fail=True)
    late.end_time = time.time() + 0.2
    assert "wasn't ready at the deadline" in str(await error_of(late))
    emulator.clear_faults()
    emulator.finish(video_id, "failed", "content policy")
    assert "content policy" in str(await error_of(starting(video_id, silent_fail=True)))
    emulator.add_fault(on="query", kind="status", status=401)
    assert (await error_of(starting(video_id, silent_fail=True))).permanent


class Supervisor:
    """Takes which XComs a trigger wants to be deleted."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[Any] = []
        self.error = error

    async def asend(self, message: Any) -> None:
        """Take a message."""
        if message.type == "DeleteXCom":
            self.asked.append(message)
            if self.error:
                raise self.error


@pytest.mark.parametrize(
    "error", [None, ConnectionError("no route to the api-server")], ids=["answered", "not answered"]
)
async def test_what_earlier_tries_have_pushed_is_deleted(
    video_id: str, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    """As a worker does when a try begins; a task at its first try has pushed nothing. The wait begins in any case."""
    supervisor = Supervisor(error)
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", supervisor, raising=False)
    for try_number in (1, 2):
        waiting = starting(video_id)
        place = {"dag_id": "x", "task_id": "wait", "run_id": "r", "map_index": -1}
        waiting._task_instance = SimpleNamespace(**place, try_number=try_number)
        assert events.read(await event_of(waiting)).id == video_id
        if try_number == 1:
            assert supervisor.asked == []
    asked = [message.model_dump() for message in supervisor.asked]
    assert [message.pop("key") for message in asked] == list(RESULT_KEYS[: 1 if error else None])
    assert all(message == {**place, "type": "DeleteXCom"} for message in asked)


async def test_what_earlier_tries_have_pushed_is_deleted_where_no_poll_succeeds(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API doesn't know the video, say: the failed task keeps no other video's URL."""
    monkeypatch.setattr(retry, "UNKNOWN_DELAY", 0.01)
    supervisor = Supervisor()
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", supervisor, raising=False)
    waiting = starting("video_starvideos_1234567890")
    waiting._task_instance = SimpleNamespace(dag_id="x", task_id="wait", run_id="r", map_index=-1, try_number=2)
    await event_of(waiting)
    assert [message.key for message in supervisor.asked] == list(RESULT_KEYS)


async def test_a_second_triggerer_deletes_no_result_of_the_first(
    video_id: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A triggerer that gives no sign of life for a while may have pushed the result of this very try, and may yet end
    the task; what was deleted then, nobody would push again. What is pushed over it is the same. While the video is
    still made, nobody can have pushed it: what is there is of an earlier try.
    """
    supervisor = Supervisor()
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", supervisor, raising=False)
    second = starting(video_id, end_task=True)
    second._task_instance = SimpleNamespace(dag_id="x", task_id="wait", run_id="r", map_index=-1, try_number=2)
    assert [type(event).__name__ async for event in second.run()] == ["TaskSuccessEvent"]
    assert supervisor.asked == []
    made = (await StarVideosHook().acreate_video(prompt="a red fox")).id
    second = starting(made, end_task=True)
    second._task_instance = SimpleNamespace(dag_id="x", task_id="wait", run_id="r", map_index=-1, try_number=2)
    running = asyncio.create_task(event_of(second))
    first = await emulator.async_wait_for("answered", kind="query", id=made)
    await emulator.async_wait_for("answered", since=first["seq"], kind="query", id=made)
    assert [message.key for message in supervisor.asked] == list(RESULT_KEYS)
    emulator.finish(made)
    await running
    assert len(supervisor.asked) == len(RESULT_KEYS)


def broken() -> str:
    """Fail as an api-server that can't be reached."""
    raise ConnectionError("no route to the api-server")


def rendered(template: str, **options: Any) -> StarVideosTaskSensor:
    """Return a sensor as a worker renders it."""
    waiting = StarVideosTaskSensor(task_id="wait", video_id=template, **options)
    waiting.render_template_fields({"broken": broken, "nothing": None}, SandboxedEnvironment(undefined=StrictUndefined))  # type: ignore[typeddict-unknown-key]
    return waiting


@pytest.mark.parametrize(
    "template", ["{{ nobody }}", "{{ nobody.there }}", "{{ 1 + }}", "{{ {}['x'].y }}", "{{ 1 + '' }}"]
)
def test_a_template_that_can_not_be_rendered_fails_for_good_and_is_named(template: str) -> None:
    """A retry would render it no better. ``soft_fail`` skips, as with every other failure."""
    with pytest.raises(AirflowFailException, match=r"video_id: can't be rendered: \w+Error: .* \(got "):
        rendered(template)
    with pytest.raises(AirflowSkipException):
        rendered(template, soft_fail=True)


def test_an_error_on_the_way_to_a_value_may_be_retried_on_a_worker() -> None:
    """The api-server that holds XComs and Variables may be back at the next try."""
    with pytest.raises(ConnectionError):
        rendered("{{ broken() }}")


def test_none_as_text_is_no_id_on_a_worker() -> None:
    """Jinja makes the text "None" of a missing XCom, which would pass for an id."""
    assert rendered("{{ nothing }}").video_id is None
    assert rendered("None").video_id == "None"
    assert rendered("video_{{ 1 }}").video_id == "video_1"
