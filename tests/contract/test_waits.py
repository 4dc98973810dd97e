"""Rows C1, C2, C3, C18: what gateways answer, and an exchanged key, in every kind of wait. Real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_starvideos.api import polling
from airflow_provider_starvideos.batch.plan import Plan
from airflow_provider_starvideos.batch.poller import wait_here
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosNotFoundError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers import batch as batch_trigger
from airflow_provider_starvideos.triggers import events
from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger
from tests.contract.conftest import Peer, RawServer
from tests.versions import AirflowRescheduleException

CONN = "starvideos_default"
INTERVAL = 0.01
DONE = json.dumps({"id": "video_1", "status": "completed", "video_url": "https://files.example/v.mp4"}).encode()
PAGE = b"<html><head><title>Sorry</title></head><body>The site can't be reached right now.</body></html>"
JSON = "Content-Type: application/json"

Answer = tuple[str, bytes, tuple[str, ...]]
GATEWAY_STATUSES = (400, 402, 403, 404, 405, 406, 407, 410, 411, 413, 421, 426, 431, 451, 511, *range(520, 531))
GATEWAYS: dict[str, Answer] = {
    **{f"{status} HTML": (f"{status} X", PAGE, ("Content-Type: text/html",)) for status in GATEWAY_STATUSES},
    **{f"{status} empty": (f"{status} X", b"", ()) for status in (400, 401, 403, 404, 421, 502)},
    **{f"{status} text": (f"{status} X", b"nope", ("Content-Type: text/plain",)) for status in (400, 401, 404, 530)},
    "200 HTML, a captive portal": ("200 OK", PAGE, ("Content-Type: text/html",)),
    "200 empty": ("200 OK", b"", ()),
    "204": ("204 No Content", b"", ()),
    "302 to a login page": ("302 Found", b"", ("Location: https://login.example/?next=/v1",)),
    "307 to itself": ("307 Temporary Redirect", b"", ("Location: /v1/result/video_1",)),
    "401 HTML": ("401 Unauthorized", PAGE, ('WWW-Authenticate: Basic realm="proxy"',)),
    "404 Kong": ("404 Not Found", b'{"message": "no Route matched with those values"}', (JSON,)),
    "404 AWS": ("404 Not Found", b'{"message": "Not Found"}', (JSON,)),
    "403 AWS": ("403 Forbidden", b'{"message": "Missing Authentication Token"}', (JSON,)),
    "404 APISIX": ("404 Not Found", b'{"error_msg": "404 Route Not Found"}', (JSON,)),
    "404 Spring": ("404 Not Found", b'{"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v1"}', (JSON,)),
    "404 of a restart": ("404 Not Found", b'{"message": "No handler found for GET /v1/result/video_1"}', (JSON,)),
    "403 Azure": ("403 Forbidden", b'{"statusCode": 403, "message": "Out of call volume quota."}', (JSON,)),
    "503 Envoy": ("503 Service Unavailable", b"upstream connect error or disconnect/reset before headers", ()),
    "nothing": ("", b"", ()),
}


class Host:
    """Answers polls one after the other; the last answer for ever.

    :param answers: status line, body and headers; an empty status line: the connection is closed
    """

    def __init__(self, answers: list[Answer]) -> None:
        self.answers, self.polls = answers, 0
        self.server = RawServer(self._serve)

    def _serve(self, peer: Peer) -> None:
        while peer.read_request():
            status, body, headers = self.answers[min(self.polls, len(self.answers) - 1)]
            self.polls += 1
            if not status:
                return
            peer.answer(body, status, *headers)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Host]]:
    """Start a host under the default connection: ``host(answer, …)``."""
    hosts: list[Host] = []

    def start(*answers: Answer) -> Host:
        hosts.append(Host(list(answers)))
        set_key("sk-key", hosts[-1].server.url, monkeypatch)
        return hosts[-1]

    yield start
    for one in hosts:
        one.server.close()


def set_key(key: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a key into the connection."""
    connection = {"conn_type": "starvideos", "host": url, "password": key, "extra": {"timeout": 5, "max_retries": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))


class TaskInstance:
    """As much of a task instance as a sensor uses; a poke gets the keys of the one before, as in Airflow."""

    try_number, map_index = 1, -1

    def __init__(self, keys: list[str]) -> None:
        self._ti_context_from_server = type("Context", (), {"xcom_keys_to_clear": keys})
        self.keys: list[str] = []

    def xcom_push(self, key: str, value: Any) -> None:
        self.keys.append(key)

    def get_first_reschedule_date(self, context: Any) -> None:
        """Say that this is the first poke: the sensor's own deadline isn't tried here."""


def on_a_worker() -> None:
    """Block, as ``deferrable=False`` does."""
    StarVideosHook().wait_for_video("video_1", poll_interval=INTERVAL, timeout=60)


def awaited() -> None:
    """Await the hook."""
    asyncio.run(StarVideosHook().await_for_video("video_1", poll_interval=INTERVAL, timeout=60))


def in_the_triggerer() -> None:
    """Run the trigger, and read its event as the resumed task does."""

    async def event() -> Any:
        trigger = StarVideosTaskTrigger("video_1", end_time=time.time() + 60, poll_interval=INTERVAL)
        (event,) = [event async for event in trigger.run()]
        return event.payload

    events.read(json.loads(json.dumps(asyncio.run(event()))))


def poking() -> None:
    """Poke in one process."""
    sensor = StarVideosTaskSensor(
        task_id="wait", video_id="video_1", deferrable=False, poke_interval=INTERVAL, timeout=60
    )
    sensor.execute({"ti": TaskInstance([])})  # type: ignore[typeddict-item]


def rescheduling() -> None:
    """Poke in a process after the other."""
    keys: list[str] = []
    for number in range(1000):
        sensor = StarVideosTaskSensor(
            task_id="wait", video_id="video_1", deferrable=False, mode="reschedule", poke_interval=60, timeout=6000
        )
        ti = TaskInstance(keys)
        try:
            sensor.execute({"ti": ti, "task_reschedule_count": number})  # type: ignore[typeddict-item]
        except AirflowRescheduleException:
            keys = ti.keys
            time.sleep(INTERVAL)
        else:
            return
    raise AssertionError("a thousand pokes")


def batch_on_a_worker() -> None:
    """Wait for a batch of one, as ``deferrable=False`` does."""
    plan = Plan({"video_1": time.time() + 60}, INTERVAL)
    outcomes, error = wait_here(plan, CONN, StarVideosHook().get_conn, StarVideosHook().log)
    end_of_batch(outcomes, error)


def batch_in_the_triggerer() -> None:
    """Run a batch's trigger, and read its event as the resumed task does."""

    async def event() -> Any:
        plan = Plan({"video_1": time.time() + 60}, INTERVAL)
        trigger = batch_trigger.StarVideosBatchTrigger(plan.to_json(), CONN)
        (event,) = [event async for event in trigger.run()]
        return event.payload

    payload = json.loads(json.dumps(asyncio.run(event())))
    end_of_batch(batch_trigger.read(payload)[0], batch_trigger.error_of(payload))


def end_of_batch(outcomes: Any, error: StarVideosError | None) -> None:
    """Raise what a batch would report of its video."""
    if error:
        raise error
    (outcome,) = outcomes.values()
    if outcome.state == OrderState.UNKNOWN:
        raise StarVideosNotFoundError(outcome.error, status_code=404)
    assert outcome.state == OrderState.COMPLETED


WAITS = [
    on_a_worker,
    awaited,
    in_the_triggerer,
    poking,
    rescheduling,
    batch_on_a_worker,
    batch_in_the_triggerer,
]
EACH_WAIT = pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't pause before the event of a batch."""
    monkeypatch.setattr(batch_trigger, "SETTLE_SECONDS", 0.0)


@EACH_WAIT
def test_c1_what_a_gateway_answers_is_a_failed_poll(wait: Callable[[], None], host: Callable[..., Host]) -> None:
    """Each of them once, also as the first poll of a wait, and the video is delivered: none ends a wait by itself."""
    every = host(*GATEWAYS.values(), ("200 OK", DONE, (JSON,)))
    wait()
    assert every.polls == len(GATEWAYS) + 1


@pytest.mark.usefixtures("impatient")
@EACH_WAIT
@pytest.mark.parametrize("name", ["404 HTML", "403 HTML", "302 to a login page", "421 empty", "404 Kong", "401 text"])
def test_c1_c18_a_gateway_that_goes_on_ends_a_wait_at_the_tenth_poll(
    name: str, wait: Callable[[], None], host: Callable[..., Host]
) -> None:
    """Over ten minutes; then a retry may help: it is no permanent error, and the message says what is billed."""
    wall = host(GATEWAYS[name])
    with pytest.raises(StarVideosError, match="10 polls in a row failed") as caught:
        wait()
    assert wall.polls == 10
    assert not caught.value.permanent
    assert "Billed: once" in str(caught.value)


REFUSED: Answer = ("401 Unauthorized", b'{"error": {"message": "Invalid API key", "code": "invalid_api_key"}}', (JSON,))
NO_SUCH: Answer = ("404 Not Found", b'{"error": {"message": "video not found"}}', (JSON,))


@EACH_WAIT
def test_c2_a_refused_key_or_an_unknown_video_now_and_then_ends_nothing(
    wait: Callable[[], None], host: Callable[..., Host]
) -> None:
    """Also of a video that was never seen."""
    host(REFUSED, REFUSED, NO_SUCH, REFUSED, NO_SUCH, ("200 OK", DONE, (JSON,)))
    wait()


@pytest.mark.usefixtures("impatient")
@EACH_WAIT
def test_the_apis_own_refusals_end_a_wait_for_good(
    wait: Callable[[], None], host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key at the tenth poll (over ten minutes), an unknown video at the third."""
    monkeypatch.setattr(polling.retry, "UNKNOWN_DELAY", INTERVAL / 2)
    refusing = host(REFUSED)
    with pytest.raises((StarVideosAuthenticationError, AirflowFailException), match="refused the key"):
        wait()
    assert refusing.polls == 10
    unknown = host(NO_SUCH)
    with pytest.raises((StarVideosNotFoundError, AirflowFailException), match="doesn't know this video"):
        wait()
    assert 3 <= unknown.polls <= 4


@EACH_WAIT
def test_c3_an_exchanged_key_is_picked_up(
    wait: Callable[[], None], host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old key is refused, the connection is read again, and the new one is used at once."""
    keys: list[bytes] = []

    def serve(peer: Peer) -> None:
        while request := peer.read_request():
            keys.append(request)
            if b"Bearer sk-new" in request:
                peer.answer(DONE, "200 OK", JSON)
            else:
                set_key("sk-new", server.url, monkeypatch)
                peer.answer(REFUSED[1], REFUSED[0], JSON)

    server = RawServer(serve)
    set_key("sk-old", server.url, monkeypatch)
    try:
        wait()
    finally:
        server.close()
    assert [b"sk-new" in request for request in keys] == [False, True]


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_key_that_goes_on_to_work_is_read_again_too(
    seconds: int, host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a minute, on a worker as in the triggerer: the base URL may have changed."""
    from airflow_provider_starvideos.hooks import renewal

    monkeypatch.setattr(renewal, "ENDPOINT_SECONDS", float(seconds))
    processing = json.dumps({"id": "video_1", "status": "processing"}).encode()
    old = host(("200 OK", processing, (JSON,)))
    reads: list[float] = []
    get_conn = StarVideosHook.get_conn
    monkeypatch.setattr(StarVideosHook, "get_conn", lambda hook: (reads.append(time.time()), get_conn(hook))[1])
    with pytest.raises((StarVideosError, AirflowSensorTimeout)):
        StarVideosHook().wait_for_video("video_1", poll_interval=INTERVAL, timeout=0.2)
    assert old.polls > 2
    assert len(reads) == 1 if seconds else len(reads) > 2
