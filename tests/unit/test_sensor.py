"""The sensor: how a wait begins and ends in a task, in the triggerer and on a worker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosRateLimitError,
    StarVideosServerError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers import events
from tests.versions import AirflowRescheduleException

SHORT = 0.01  # seconds between two pokes
COMPLETED = VideoTask(
    "video_1",
    TaskStatus.COMPLETED,
    video_url="https://files.example/v.mp4",
    actual_duration=5.0,
    amount=Decimal("0.76"),
)


class TaskInstance:
    """As much of a task instance as a sensor uses."""

    try_number = 1

    def __init__(self, map_index: int = -1) -> None:
        self.xcoms: dict[str, Any] = {}
        self.map_index = map_index

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def get_first_reschedule_date(self, context: Any) -> None:
        """Say that this is the first poke."""


def sensor(video_id: Any, **options: Any) -> StarVideosTaskSensor:
    """Return a sensor."""
    return StarVideosTaskSensor(task_id="wait", video_id=video_id, **options)


def poking(video_id: Any, **options: Any) -> StarVideosTaskSensor:
    """Return a sensor that waits on a worker and polls often."""
    return sensor(video_id, **{"deferrable": False, "poke_interval": SHORT, "timeout": 20, **options})


def run(waiting: StarVideosTaskSensor) -> tuple[Any, dict[str, Any]]:
    """Run a sensor; return its value and its XComs."""
    ti = TaskInstance()
    return waiting.execute({"ti": ti}), ti.xcoms  # type: ignore[typeddict-item]


def resume(event: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Wake a sensor with an event; return its value and its XComs."""
    ti = TaskInstance()
    value = sensor("video_1", **options).execute_complete({"ti": ti}, event)  # type: ignore[typeddict-item]
    return value, ti.xcoms


@pytest.fixture
def video_id(emulator: Emulator) -> str:
    """A video that was ordered."""
    return StarVideosHook().create_video(prompt="a red fox").id


@pytest.mark.parametrize("make", [sensor, poking], ids=["deferrable", "poke"])
def test_a_video_that_is_there_is_delivered_at_once(
    make: Callable[..., StarVideosTaskSensor], emulator: Emulator, video_id: str
) -> None:
    """With one poll, the id as value and the rest as XComs; no triggerer is bothered."""
    emulator.finish(video_id)
    value, xcoms = run(make(f" {video_id}\n"))
    assert value == video_id
    assert xcoms["actual_duration"] == 3.0
    assert xcoms["video_url"].startswith(emulator.url)
    assert emulator.requests["query"] == 1


def test_a_video_that_is_not_there_yet_is_waited_for_in_the_triggerer(video_id: str) -> None:
    """The trigger gets id, connection, interval and an absolute deadline; Airflow's own timeout comes later."""
    before = time.time()
    with pytest.raises(TaskDeferred) as caught:
        run(sensor(video_id, poke_interval=timedelta(seconds=45), timeout=600))
    kwargs = caught.value.trigger.serialize()[1]
    assert (kwargs["video_id"], kwargs["starvideos_conn_id"], kwargs["poll_interval"]) == (
        video_id,
        "starvideos_default",
        45.0,
    )
    assert before + 600 <= kwargs["end_time"] <= time.time() + 600
    assert (caught.value.method_name, caught.value.kwargs) == ("execute_complete", {"try_number": 1})
    assert caught.value.timeout == timedelta(seconds=720)


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "reset", "html", "unknown_status", "auth"])
def test_a_first_poll_that_fails_defers_all_the_same(kind: str, emulator: Emulator, video_id: str) -> None:
    """A bad moment of the API, or a key that is being exchanged, doesn't fail a wait of an hour."""
    emulator.add_fault(on="query", **({"kind": "status", "status": 401} if kind == "auth" else {"kind": kind}))
    with pytest.raises(TaskDeferred):
        run(sensor(video_id))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("option", ["", "soft_fail", "never_fail"])
def test_a_key_that_stays_refused_ends_a_poking_sensor(option: str, emulator: Emulator, video_id: str) -> None:
    """After ten polls (over ten minutes), for good; a skip with ``soft_fail`` or ``never_fail``."""
    emulator.add_fault(on="query", kind="status", status=401)
    with pytest.raises(AirflowSkipException if option else AirflowFailException, match=option or "refused the key"):
        run(poking(video_id, **({option: True} if option else {})))
    assert emulator.requests["query"] == 10


def fail(emulator: Emulator, video_id: str) -> str:
    """Let the video fail."""
    emulator.finish(video_id, "failed", "content policy")
    return video_id


HOPELESS: dict[str, tuple[Callable[[Emulator, str], Any], str]] = {
    "a failed video": (fail, "failed: content policy"),
    "an unknown video": (lambda emulator, video_id: "video_nobody_has", "doesn't know this video"),
    "an empty id": (lambda emulator, video_id: "", "video_id: must be a StarVideos id"),
    "a missing id": (lambda emulator, video_id: None, "video_id: must be a StarVideos id"),
    "a path": (lambda emulator, video_id: "../../admin", "video_id: must be a StarVideos id"),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for unknown videos again without a pause."""
    monkeypatch.setattr("airflow_provider_starvideos.api.retry.UNKNOWN_DELAY", SHORT)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("arrange", "message"), HOPELESS.values(), ids=HOPELESS)
@pytest.mark.parametrize("make", [sensor, poking], ids=["deferrable", "poke"])
def test_what_no_wait_can_mend_fails_without_a_retry(
    make: Callable[..., StarVideosTaskSensor],
    arrange: Callable[[Emulator, str], Any],
    message: str,
    emulator: Emulator,
    video_id: str,
) -> None:
    """As ``AirflowFailException``; a skip instead with ``soft_fail`` or ``never_fail``."""
    given = arrange(emulator, video_id)
    with pytest.raises(AirflowFailException, match=message):
        run(make(given))
    for option in ("soft_fail", "never_fail"):
        with pytest.raises(AirflowSkipException, match=option):
            run(make(given, **{option: True}))


def test_what_can_not_be_an_id_is_never_asked_for(emulator: Emulator) -> None:
    """Nothing is sent."""
    for given in ("", None, "../../admin"):
        with pytest.raises(AirflowFailException):
            run(sensor(given))
    assert emulator.requests["query"] == 0


@pytest.mark.parametrize("make", [sensor, poking], ids=["deferrable", "poke"])
def test_a_mapped_sensor_without_a_video_is_skipped(
    make: Callable[..., StarVideosTaskSensor], emulator: Emulator
) -> None:
    """The batch operator returns None for a row without a video; anything else that is no id stays an error."""
    for option in ({}, {"soft_fail": True}, {"never_fail": True}):
        with pytest.raises(AirflowSkipException, match="no video for this mapped task"):
            make(None, **option).execute({"ti": TaskInstance(map_index=0)})
    for given in ("", 5):
        with pytest.raises(AirflowFailException, match="video_id: must be a StarVideos id"):
            make(given).execute({"ti": TaskInstance(map_index=0)})
    assert emulator.requests["query"] == 0


@pytest.mark.parametrize("value", [0, -1, 0.0, timedelta(0), timedelta(seconds=-1), "5", None])
def test_a_sensor_never_polls_without_a_pause(value: Any) -> None:
    """Refused when the Dag is parsed; ``timeout=0`` is one poll, as with Airflow's own sensors."""
    with pytest.raises(ValueError, match=r"poke_interval must be a positive number of seconds.* \(got "):
        sensor("video_1", poke_interval=value)
    assert sensor("video_1", timeout=0).timeout == 0


def test_silent_fail_goes_along_to_the_triggerer(video_id: str) -> None:
    """It means the same there."""
    for silent in (True, False):
        with pytest.raises(TaskDeferred) as caught:
            run(sensor(video_id, silent_fail=silent))
        assert caught.value.trigger.serialize()[1]["silent_fail"] is silent
        start = sensor("video_1", silent_fail=silent).start_trigger_args
        if AIRFLOW_V_3_3_PLUS:
            assert start.trigger_kwargs["silent_fail"] is silent
        else:
            assert start is None, "before Airflow 3.3 every sensor starts on a worker"


def test_a_completed_event_is_delivered() -> None:
    """As if the video had been there at once."""
    value, xcoms = resume(events.of_video(COMPLETED))
    assert value == "video_1"
    assert xcoms == {"video_url": "https://files.example/v.mp4", "actual_duration": 5.0, "amount": "0.76"}


SERVER_ERROR = StarVideosServerError("x", status_code=502)
LOST = StarVideosConnectionError("x", sent=True)
ENDINGS: dict[str, tuple[StarVideosError, type[Exception], bool]] = {
    "failed": (StarVideosVideoFailedError("video_1", "x"), AirflowFailException, True),
    "timed out": (StarVideosWaitTimeoutError("x"), AirflowSensorTimeout, True),
    "key refused": (StarVideosAuthenticationError("x", status_code=401), AirflowFailException, True),
    "API down": (SERVER_ERROR, StarVideosServerError, False),
    "rate limited": (StarVideosRateLimitError("x", status_code=429), StarVideosRateLimitError, False),
    "unreachable": (LOST, StarVideosConnectionError, False),
}


@pytest.mark.parametrize(("error", "expected", "softened"), ENDINGS.values(), ids=ENDINGS)
def test_an_error_event_ends_the_task_as_airflows_users_expect(
    error: StarVideosError, expected: type[Exception], softened: bool
) -> None:
    """Hopeless ones aren't retried; ``soft_fail`` skips those, as in poke mode; ``never_fail`` skips all."""
    event = events.of_error("video_1", error)
    with pytest.raises(expected) as caught:
        resume(event)
    assert type(caught.value) is expected
    with pytest.raises(AirflowSkipException if softened else expected):
        resume(event, soft_fail=True)
    with pytest.raises(AirflowSkipException):
        resume(event, never_fail=True)


@pytest.mark.parametrize("event", [None, "success", {}, {"status": "done", "video_id": "video_1"}], ids=repr)
def test_an_event_that_can_not_be_read_fails(event: Any) -> None:
    """It never counts as a completed video."""
    with pytest.raises(StarVideosError):
        resume(event)


def test_poking_waits_until_the_video_is_completed(emulator: Emulator, video_id: str) -> None:
    """Through whatever happens to single polls."""
    emulator.finish(video_id)
    for kind in ("unknown_status", "server_error", "rate_limit", "half_body"):
        emulator.add_fault(on="query", kind=kind, times=1)
    assert run(poking(video_id))[0] == video_id
    assert emulator.requests["query"] == 5


def test_poking_ends_at_the_timeout(video_id: str) -> None:
    """As ``AirflowSensorTimeout`` that says what becomes of the video; a skip with ``soft_fail``."""
    with pytest.raises(AirflowSensorTimeout, match=r"(?s)timed out.*Billed: once.*1\. Clear this task"):
        run(poking(video_id, timeout=0.05))
    with pytest.raises(AirflowSkipException):
        run(poking(video_id, timeout=0.05, soft_fail=True))


@pytest.mark.usefixtures("impatient")
def test_poking_gives_up_after_many_failures_in_a_row(emulator: Emulator, video_id: str) -> None:
    """The tenth is raised and may be retried; ``never_fail`` skips, ``soft_fail`` doesn't."""
    emulator.add_fault(on="query", kind="server_error")
    with pytest.raises(StarVideosServerError):
        run(poking(video_id))
    assert emulator.requests["query"] == 10
    with pytest.raises(StarVideosServerError):
        run(poking(video_id, soft_fail=True))
    with pytest.raises(AirflowSkipException):
        run(poking(video_id, never_fail=True))


@pytest.mark.usefixtures("impatient")
def test_silent_fail_pokes_on_whatever_fails(emulator: Emulator, video_id: str) -> None:
    """Beyond ten in a row, too; permanent errors still end it."""
    emulator.finish(video_id)
    emulator.add_fault(on="query", kind="server_error", times=25)
    assert run(poking(video_id, silent_fail=True))[0] == video_id
    with pytest.raises(AirflowFailException):
        run(poking(None, silent_fail=True))


def test_rescheduling_polls_once_and_comes_back(emulator: Emulator, video_id: str) -> None:
    """``mode="reschedule"`` frees the worker between two polls."""
    before = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as caught:
        run(sensor(video_id, deferrable=False, mode="reschedule", poke_interval=60))
    assert caught.value.reschedule_date >= before + timedelta(seconds=60)
    assert emulator.requests["query"] == 1


def test_a_missing_connection_fails_without_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """And names the connection."""
    with pytest.raises(AirflowFailException, match="no Airflow connection 'elsewhere'"):
        run(sensor("video_1", starvideos_conn_id="elsewhere"))


def test_id_and_connection_are_templated() -> None:
    """Other tasks' outputs and Variables can be used."""
    assert set(StarVideosTaskSensor.template_fields) == {"video_id", "starvideos_conn_id"}


def test_nothing_that_is_pushed_holds_the_key(emulator: Emulator, video_id: str) -> None:
    """XComs are readable in the UI."""
    emulator.finish(video_id)
    assert emulator.key not in json.dumps(run(sensor(video_id)))
