"""The calls as flows: what is sent, how often, with what waits between, and how an order's every ending reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep, adrive, drive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint, HttpRequest, HttpResponse
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosRateLimitError,
    StarVideosRecordError,
    StarVideosRejectedError,
    StarVideosServerError,
    StarVideosUnconfirmedError,
)

KEY = "sk-key-of-the-call-tests"
ENDPOINT = Endpoint("https://api.example/base", KEY, max_retries=2)
REQUEST = build_request(prompt="a red fox", duration=5)
UNSENT = StarVideosConnectionError("no connection to api.example (refused).", sent=False)
LOST = StarVideosConnectionError("lost the connection to api.example (timed out).", sent=True)
DONE = HttpResponse(200, {}, b'{"id": "video_1", "status": "queued"}')


def http(status: int, body: Any = None, **headers: str) -> HttpResponse:
    """Return an answer; ``body`` becomes JSON."""
    raw = b"" if body is None else json.dumps(body).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


class Wire:
    """Answers requests one after the other (the last outcome for ever), and sleeps no time.

    :param outcomes: answers, or errors of the connection
    """

    def __init__(self, *outcomes: HttpResponse | StarVideosError) -> None:
        self.outcomes: list[HttpResponse | StarVideosError] = list(outcomes)
        self.requests: list[HttpRequest] = []
        self.sleeps: list[Sleep] = []

    def perform(self, step: HttpRequest | Sleep) -> HttpResponse | None:
        if isinstance(step, Sleep):
            self.sleeps.append(step)
            return None
        self.requests.append(step)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, StarVideosError):
            raise outcome
        return outcome

    async def aperform(self, step: HttpRequest | Sleep) -> HttpResponse | None:
        return self.perform(step)


def order(*outcomes: HttpResponse | StarVideosError, retries: int = 2) -> tuple[Wire, VideoTask | StarVideosError]:
    """Order a video over a wire that behaves as given; return the wire, and how it ended."""
    return run(calls.create(Endpoint(ENDPOINT.base_url, KEY, max_retries=retries), REQUEST), outcomes)


def query(*outcomes: HttpResponse | StarVideosError, retries: int = 2) -> tuple[Wire, VideoTask | StarVideosError]:
    """Ask for a video over a wire that behaves as given."""
    return run(calls.query(replace(ENDPOINT, max_retries=retries), "video_1"), outcomes)


def run(call: Call, outcomes: Sequence[HttpResponse | StarVideosError]) -> tuple[Wire, VideoTask | StarVideosError]:
    """Drive a call; its error is returned, too."""
    wire = Wire(*outcomes)
    try:
        return wire, drive(call, wire.perform)
    except StarVideosError as error:
        return wire, error


def test_an_accepted_order_is_sent_once() -> None:
    """One request, no sleep, and the video in the API's answer."""
    wire, task = order(DONE)
    assert isinstance(task, VideoTask)
    assert task.id == "video_1"
    assert [request.method for request in wire.requests] == ["POST"]
    assert wire.sleeps == []


LOST_ORDERS: dict[str, tuple[HttpResponse | StarVideosError, type[StarVideosError]]] = {
    "the connection was lost": (LOST, StarVideosConnectionError),
    "500": (http(500, {"error": "oops"}), StarVideosServerError),
    "502": (http(502), StarVideosServerError),
    "503 of a gateway": (http(503), StarVideosServerError),
    "504": (http(504), StarVideosServerError),
    "520": (http(520), StarVideosServerError),
    "302": (http(302, location="https://login.example"), StarVideosRejectedError),
    "303": (http(303), StarVideosRejectedError),
    "an empty 200": (http(200), StarVideosMalformedAnswerError),
    "HTML": (HttpResponse(200, {}, b"<html>"), StarVideosMalformedAnswerError),
    "no id": (http(200, {"status": "queued"}), StarVideosMalformedAnswerError),
    "an id that isn't one": (http(200, {"id": "a/b", "status": "queued"}), StarVideosMalformedAnswerError),
    "too large": (HttpResponse(200, {}, b'{"id": "video_1"}', too_large=True), StarVideosMalformedAnswerError),
    "500 inside a 200": (http(200, {"code": 500, "message": "oops"}), StarVideosServerError),
    "an unknown code inside a 200": (http(200, {"code": 1001, "message": "oops"}), StarVideosMalformedAnswerError),
    "102": (http(102), StarVideosRejectedError),
    "408": (http(408), StarVideosServerError),
    "409": (http(409, {"error": "there is such an order"}), StarVideosRejectedError),
    "499": (http(499), StarVideosServerError),
    "408 inside a 200": (http(200, {"code": 408, "message": "timeout"}), StarVideosServerError),
}


@pytest.mark.parametrize(("outcome", "cause"), LOST_ORDERS.values(), ids=LOST_ORDERS)
def test_an_order_that_may_have_been_accepted_is_unconfirmed(
    outcome: HttpResponse | StarVideosError, cause: type[StarVideosError]
) -> None:
    """It isn't sent again; the error is permanent, names what, where and why, has the cause, and not the key."""
    wire, error = order(outcome, retries=20)
    assert isinstance(error, StarVideosUnconfirmedError)
    assert error.permanent
    assert len(wire.requests) == 1
    assert isinstance(error.__cause__, cause)
    assert str(error.__cause__) == error.what
    for part in (ENDPOINT.base_url, "may or may not have been accepted", "'a red fox'", "duration 5 s", error.what):
        assert part in str(error)
    assert KEY not in str(error)


REFUSED_ORDERS: dict[str, tuple[HttpResponse | StarVideosError, type[StarVideosError]]] = {
    "400": (http(400, {"error": "bad"}), StarVideosRejectedError),
    "401": (http(401), StarVideosAuthenticationError),
    "403": (http(403), StarVideosAuthenticationError),
    "404": (http(404), StarVideosNotFoundError),
    "422": (http(422), StarVideosRejectedError),
    "425": (http(425), StarVideosServerError),
    "307": (http(307), StarVideosRejectedError),
    "401 inside a 200": (http(200, {"code": 401, "message": "bad key"}), StarVideosAuthenticationError),
    "nothing could be recorded": (StarVideosRecordError("x"), StarVideosRecordError),
}


@pytest.mark.parametrize(("outcome", "kind"), REFUSED_ORDERS.values(), ids=REFUSED_ORDERS)
def test_an_order_that_was_refused_fails_as_what_it_is(
    outcome: HttpResponse | StarVideosError, kind: type[StarVideosError]
) -> None:
    """Nothing is billed, so no person has to check the account; and it isn't sent again."""
    wire, error = order(outcome, retries=20)
    assert type(error) is kind
    assert len(wire.requests) == 1


RESENT_ORDERS: dict[str, tuple[HttpResponse | StarVideosError, type[StarVideosError]]] = {
    "never connected": (UNSENT, StarVideosConnectionError),
    "429": (http(429), StarVideosRateLimitError),
    "503": (http(503, {"error": "busy"}), StarVideosServerError),
    "429 inside a 200": (http(200, {"code": 429, "message": "slow down"}), StarVideosRateLimitError),
}


@pytest.mark.parametrize(("outcome", "kind"), RESENT_ORDERS.values(), ids=RESENT_ORDERS)
def test_an_order_that_was_not_taken_is_sent_again(
    outcome: HttpResponse | StarVideosError, kind: type[StarVideosError]
) -> None:
    """After a pause with a notice, and the same request; after the last retry it fails as what it is."""
    wire, task = order(outcome, outcome, DONE)
    assert isinstance(task, VideoTask)
    assert len(set(map(id, wire.requests))) == 1
    assert len(wire.requests) == 3
    assert all("Sending it again in" in sleep.notice for sleep in wire.sleeps)
    assert 0.5 <= wire.sleeps[0].seconds <= 1.0 <= wire.sleeps[1].seconds <= 2.0

    wire, error = order(outcome)
    assert type(error) is kind
    assert len(wire.requests) == 3


def test_a_retried_order_that_is_then_lost_is_unconfirmed() -> None:
    """What counts is the last sending: two refusals before it prove nothing."""
    wire, error = order(http(429), UNSENT, LOST)
    assert isinstance(error, StarVideosUnconfirmedError)
    assert len(wire.requests) == 3


def test_an_order_sleeps_only_after_it_was_not_accepted() -> None:
    """The hook withdraws an order's record whenever the call sleeps: no sleep may follow a doubtful outcome."""
    for outcome, _ in LOST_ORDERS.values():
        wire, _ = order(outcome, retries=20)
        assert wire.sleeps == []


def test_a_short_retry_after_is_slept_through_and_a_long_one_is_not() -> None:
    """A minute on a worker is fine; beyond that the task's own retry waits, and knows for how long."""
    wire, task = order(http(429, retry_after="60"), DONE)
    assert isinstance(task, VideoTask)
    assert 60.5 <= wire.sleeps[0].seconds <= 61.0
    wire, error = order(http(429, retry_after="61"), DONE)
    assert isinstance(error, StarVideosRateLimitError)
    assert (error.retry_after, len(wire.requests)) == (61.0, 1)


AGAIN = {
    "never connected": UNSENT,
    "lost": LOST,
    "429": http(429),
    "500": http(500),
    "502": http(502),
    "503": http(503),
}


@pytest.mark.parametrize("outcome", AGAIN.values(), ids=AGAIN)
def test_a_query_is_repeated_where_that_may_help(outcome: HttpResponse | StarVideosError) -> None:
    """It costs nothing. As often as the connection says."""
    wire, task = query(outcome, outcome, DONE)
    assert isinstance(task, VideoTask)
    assert len(wire.requests) == 3
    for retries, requests in ((2, 3), (0, 1), (5, 6)):
        wire, error = query(outcome, retries=retries)
        assert isinstance(error, StarVideosAPIError | StarVideosConnectionError)
        assert len(wire.requests) == requests


@pytest.mark.parametrize("outcome", [http(400), http(401), http(402), http(404), http(302), http(200)], ids=str)
def test_a_query_is_not_repeated_where_it_can_not_help(outcome: HttpResponse) -> None:
    """A refusal stays one, and so does a page that isn't the API's."""
    wire, error = query(outcome)
    assert isinstance(error, StarVideosAPIError)
    assert len(wire.requests) == 1


def test_a_video_not_known_yet_is_asked_for_again() -> None:
    """Twice, three seconds apart, also where a poll isn't retried otherwise; then it is unknown."""
    unknown = http(404, {"error": "no such video"})
    wire, task = query(unknown, unknown, DONE, retries=0)
    assert isinstance(task, VideoTask)
    assert [sleep.seconds for sleep in wire.sleeps] == [3.0, 3.0]
    assert all("doesn't know video_1 yet" in sleep.notice for sleep in wire.sleeps)
    wire, error = query(unknown)
    assert isinstance(error, StarVideosNotFoundError)
    assert len(wire.requests) == 3


@pytest.mark.parametrize("outcome", [UNSENT, LOST, http(503), http(404, {"error": "no such video"})], ids=str)
def test_a_poll_asks_once(outcome: HttpResponse | StarVideosError) -> None:
    """A wait polls again anyway; the form's test button answers fast."""
    wire, error = run(calls.poll(ENDPOINT, "video_1"), [outcome])
    assert isinstance(error, StarVideosError)
    assert len(wire.requests) == 1
    assert wire.sleeps == []


FLOWS: dict[str, tuple[Callable[[], Call], list[HttpResponse | StarVideosError]]] = {
    "an order": (lambda: calls.create(ENDPOINT, REQUEST), [http(429), DONE]),
    "a lost order": (lambda: calls.create(ENDPOINT, REQUEST), [UNSENT, LOST]),
    "a query": (lambda: calls.query(ENDPOINT, "video_1"), [LOST, http(500), DONE]),
    "a refused query": (lambda: calls.query(ENDPOINT, "video_1"), [http(401)]),
}


@pytest.mark.parametrize(("flow", "outcomes"), FLOWS.values(), ids=FLOWS)
async def test_both_drivers_do_the_same(
    flow: Callable[[], Call], outcomes: list[HttpResponse | StarVideosError]
) -> None:
    """The same requests in the same order, as many sleeps, and the same end, blocking or awaited."""
    wire, end = run(flow(), outcomes)
    awaited = Wire(*outcomes)
    try:
        aend: VideoTask | StarVideosError = await adrive(flow(), awaited.aperform)
    except StarVideosError as error:
        aend = error
    assert awaited.requests == wire.requests
    assert len(awaited.sleeps) == len(wire.sleeps)
    assert (type(aend), getattr(aend, "id", None)) == (type(end), getattr(end, "id", None))


def test_a_transport_that_answers_with_nothing_is_told() -> None:
    """A mistake in a transport is a TypeError, and nothing is sent again."""
    sent: list[Any] = []
    with pytest.raises(TypeError, match="must answer a request"):
        drive(calls.create(ENDPOINT, REQUEST), sent.append)
    assert len(sent) == 1
