"""How an error ends a task: as the exception that Airflow retries or not, with the address of its documentation."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_starvideos.exceptions import (
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRecordError,
    StarVideosUnconfirmedError,
    StarVideosUnknownVideoError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)
from airflow_provider_starvideos.failures import help_address, operator_failures, sensor_failures


def test_a_permanent_error_is_not_retried_and_ends_with_its_address() -> None:
    """The message, then where the documentation says what to do."""
    with pytest.raises(AirflowFailException) as caught, operator_failures():
        raise StarVideosQuotaError("No credit.", status_code=402)
    assert str(caught.value) == "No credit.\nMore: docs/runbook.md#no-credit"


def test_a_transient_error_keeps_its_class_and_ends_with_its_address() -> None:
    """Once, though it passes two of these blocks."""
    with pytest.raises(StarVideosRateLimitError) as caught, operator_failures(), operator_failures():
        raise StarVideosRateLimitError("Too many.", status_code=429, retry_after=3)
    assert str(caught.value) == "Too many.\nMore: docs/runbook.md#rate-limit"
    assert caught.value.retry_after == 3


def test_a_sensor_that_times_out_names_it_too() -> None:
    """Airflow's own exception has the same text."""
    with pytest.raises(AirflowSensorTimeout, match=r"\nMore: docs/runbook\.md#wait-timed-out$"), sensor_failures("c"):
        raise StarVideosWaitTimeoutError.of("video_1")


def test_a_private_kind_has_the_address_of_its_public_base() -> None:
    """No page names a private class."""

    class _LostOrderError(StarVideosUnconfirmedError): ...

    assert help_address(_LostOrderError) == "docs/runbook.md#order-outcome-unknown"


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        (StarVideosUnknownVideoError, "video-unknown"),
        (StarVideosRecordError, "journal-cant-be-read-or-written"),
        (StarVideosConnectionError, "api-down"),
    ],
)
def test_an_error_has_the_section_of_its_own_kind(kind: type[StarVideosError], section: str) -> None:
    """An order whose video is unknown has another one than a record that can't be read: that one deletes records."""
    assert help_address(kind) == f"docs/runbook.md#{section}"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (StarVideosVideoFailedError("video_1", "no cats"), "failed"),
        (StarVideosUnconfirmedError("lost", what="lost"), "unconfirmed"),
        (StarVideosUnknownVideoError("gone"), "unknown"),
        (StarVideosConfigurationError("no key"), None),
    ],
)
def test_why_a_task_fails_is_pushed_for_the_pages_about_videos(error: StarVideosError, state: str | None) -> None:
    """With the state that it means for the video, and the try; an Airflow that takes no XCom changes nothing."""
    ti = Mock(try_number=3)
    context: Any = {"ti": ti}
    for side_effect in (None, RuntimeError("the api-server is down")):
        ti.xcom_push.side_effect = side_effect
        with pytest.raises((AirflowFailException, StarVideosError)), operator_failures(context=context):
            raise error
        pushed = ti.xcom_push.call_args.kwargs
        assert (pushed["key"], pushed["value"]["state"], pushed["value"]["try_number"]) == ("failure", state, 3)
        assert str(error).splitlines()[0] in pushed["value"]["error"]
