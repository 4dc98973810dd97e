"""The retry policy: when a task of Airflow 3.3 is retried. Row C15."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.api.retry import retry_after_seconds
from airflow_provider_starvideos.exceptions import StarVideosRateLimitError, StarVideosServerError

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("retry policies came with Airflow 3.3", allow_module_level=True)

from airflow_provider_starvideos.retry_policy import StarVideosRetryPolicy

OWN = [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]


@pytest.mark.parametrize("kind", [StarVideosRateLimitError, StarVideosServerError])
@pytest.mark.parametrize(
    "asked", ["0", "0.0", "-1", "Fri, 01 Jan 1999 00:00:00 GMT", "", "soon", "0.001"], ids=lambda text: text or "none"
)
def test_c15_a_server_that_asks_for_no_wait_gets_our_own_back_off(
    asked: str, kind: type[StarVideosRateLimitError | StarVideosServerError]
) -> None:
    """Not all retries at once."""
    error = kind("x", status_code=429, retry_after=retry_after_seconds({"retry-after": asked}))
    decisions = [StarVideosRetryPolicy().evaluate(error, try_number, 3) for try_number in (1, 2, 3)]
    assert [decision.retry_delay for decision in decisions] == OWN


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_c15_an_error_that_says_so_itself_gets_it_too(seconds: float) -> None:
    """Wherever its ``retry_after`` comes from, for example an event of an earlier version."""
    error = StarVideosRateLimitError("x", status_code=429, retry_after=seconds)
    assert StarVideosRetryPolicy().evaluate(error, 1, 3).retry_delay == OWN[0]


def test_the_delay_that_the_api_asks_for_is_kept() -> None:
    """However long."""
    error = StarVideosRateLimitError("x", status_code=429, retry_after=7200.0)
    assert StarVideosRetryPolicy().evaluate(error, 1, 3).retry_delay == timedelta(hours=2)
