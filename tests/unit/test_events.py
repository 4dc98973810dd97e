"""The one event that a trigger sends: through the database and back, and read strictly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_starvideos import exceptions
from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosRateLimitError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.triggers import events
from tests.versions import deserialize, serialize

URL = "https://files.example/v.mp4?signature=SECRET"
VIDEO = VideoTask(
    "video_1", TaskStatus.COMPLETED, video_url=URL, actual_duration=5.04, created=1_700_000_000, amount=Decimal("0.76")
)
API_ERRORS = [
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, StarVideosAPIError) and kind is not StarVideosAPIError
]


def through_the_database(event: dict[str, Any]) -> Any:
    """Return an event as a resumed task gets it: Airflow encodes it, stores it as JSON, and decodes it."""
    return deserialize(json.loads(json.dumps(serialize(event))))


def read_error(event: Any) -> StarVideosError:
    """Return the error of an event, which must have one."""
    with pytest.raises(StarVideosError) as caught:
        events.read(event)
    return caught.value


def test_a_completed_video_comes_back_whole() -> None:
    """Id, URL, duration, time of the order and amount are those of the API's answer."""
    assert events.read(through_the_database(events.of_video(VIDEO))) == VIDEO


def test_a_completed_video_without_details_comes_back_too() -> None:
    """The API may leave them out; and an event of an older version may lack them."""
    bare = VideoTask("video_1", TaskStatus.COMPLETED)
    assert events.read(through_the_database(events.of_video(bare))) == bare
    assert events.read({"status": "completed", "video_id": "video_1"}) == bare


def test_a_failed_video_comes_back_with_its_reason() -> None:
    """Its message is the API's own, not wrapped twice."""
    error = read_error(
        through_the_database(events.of_error("video_1", StarVideosVideoFailedError("video_1", "policy")))
    )
    assert isinstance(error, StarVideosVideoFailedError)
    assert (error.video_id, error.reason) == ("video_1", "policy")
    assert str(error) == str(StarVideosVideoFailedError("video_1", "policy"))
    assert str(error).count("policy") == 1


def test_a_timeout_comes_back_as_one() -> None:
    """With the trigger's message."""
    error = read_error(through_the_database(events.of_error("video_1", StarVideosWaitTimeoutError("not ready"))))
    assert type(error) is StarVideosWaitTimeoutError
    assert str(error) == "not ready"


@pytest.mark.parametrize("kind", API_ERRORS)
def test_an_error_of_the_api_comes_back_as_what_it_was(kind: type[StarVideosAPIError]) -> None:
    """Its class decides whether the task is retried, and ``retry_after`` when: both cross the database."""
    sent = kind("the API said no", status_code=418, retry_after=7.5)
    error = read_error(through_the_database(events.of_error("video_1", sent)))
    assert type(error) is kind
    assert error.permanent == sent.permanent
    assert (str(error), error.status_code, error.retry_after) == ("the API said no", 418, 7.5)


def test_a_bad_connection_comes_back_as_permanent() -> None:
    """A permanent error."""
    error = read_error(through_the_database(events.of_error("video_1", StarVideosConfigurationError("no key"))))
    assert type(error) is StarVideosConfigurationError
    assert str(error) == "no key"


@pytest.mark.parametrize("error", [StarVideosConnectionError("reset", sent=True), StarVideosError("odd")], ids=str)
def test_any_other_error_comes_back_as_one_that_may_be_retried(error: StarVideosError) -> None:
    """With its message."""
    found = read_error(through_the_database(events.of_error("video_1", error)))
    assert type(found) is StarVideosConnectionError
    assert not found.permanent
    assert str(found) == str(error)


NO_EVENTS = [None, "success", "", 5, True, [], ["completed"], {}, {"status": "completed"}]
NO_EVENTS += [{"status": "completed", "video_id": None}, {"status": "completed", "video_id": 5}]


@pytest.mark.parametrize("event", NO_EVENTS, ids=repr)
def test_what_is_no_event_of_this_provider_is_an_error(event: Any) -> None:
    """Never success: Airflow resumes with ``event="success"`` or nothing in some of its ways."""
    assert "isn't one of this provider" in str(read_error(event))


@pytest.mark.parametrize("status", [None, "", "success", "COMPLETED", "complete", "queued", True, 5, ["completed"]])
def test_an_unknown_status_is_an_error(status: Any) -> None:
    """The list of statuses is closed, whatever wrote the event."""
    assert "an unknown status for video video_1" in str(read_error({"status": status, "video_id": "video_1"}))


@pytest.mark.parametrize("kind", [None, "", 5, "Exception", "StarVideosError", "KeyboardInterrupt", ["x"], "os.system"])
def test_an_unknown_kind_of_error_is_one_that_may_be_retried(kind: Any) -> None:
    """Only this provider's errors are made again by name; no other class is, whatever an event says."""
    error = read_error({"status": "error", "video_id": "video_1", "kind": kind, "message": "x"})
    assert type(error) is StarVideosConnectionError


def test_an_error_event_without_details_is_read() -> None:
    """An older version's may lack them."""
    event = {"status": "error", "video_id": "video_1", "kind": "StarVideosAuthenticationError"}
    error = read_error(event)
    assert isinstance(error, StarVideosAuthenticationError)
    assert (error.status_code, error.retry_after) == (0, None)


@pytest.mark.parametrize(
    "event",
    [
        events.of_video(VIDEO),
        events.of_error("video_1", StarVideosVideoFailedError("video_1", "x")),
        events.of_error("video_1", StarVideosRateLimitError("x", status_code=429, retry_after=1.5)),
        events.of_error("video_1", StarVideosNotFoundError("x", status_code=404)),
    ],
    ids=lambda event: event["status"],
)
def test_an_event_is_plain_json(event: dict[str, Any]) -> None:
    """It is stored by whichever way an Airflow stores it: the same comes back from plain JSON."""
    assert json.loads(json.dumps(event)) == event


def test_the_event_that_the_triggerer_logs_hides_the_signed_url() -> None:
    """The rest is there to be read in a log."""
    shown = repr(events.WaitEvent(events.of_video(VIDEO)))
    assert "SECRET" not in shown
    assert "'video_id': 'video_1'" in shown
    assert "5.04" in shown
