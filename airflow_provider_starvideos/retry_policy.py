"""Decides when Airflow retries a StarVideos task (``retry_policy``, Airflow 3.3+). Before 3.3: plain ``retries``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from airflow.sdk import Context, RetryDecision, RetryPolicy

from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosRecordError,
)

WITH_BACKOFF = (StarVideosAPIError, StarVideosConnectionError, StarVideosRecordError)
LEAST_ASKED_SECONDS = 1.0  # a Retry-After below this, or in the past, is ignored


class StarVideosRetryPolicy(RetryPolicy):
    """Retries when the API asks for it, and never where a retry can't help. The task's ``retries`` stay the limit.

    After a rate limit it waits as long as the API asked. After a network or server error the delay doubles each time. A
    permanent error isn't retried. For any other error (a failed video, an expired wait, your own code) the task's own
    settings apply.

    :param rules: your own policy, asked first; where it answers ``DEFAULT``, this one decides
    :param first_delay: before the first retry after a network or server error, more than 0; doubled each time
    :param longest_delay: bound of that, not below ``first_delay``
    :raises ValueError: a delay is out of range
    """

    def __init__(
        self,
        rules: RetryPolicy | None = None,
        *,
        first_delay: timedelta = timedelta(seconds=30),
        longest_delay: timedelta = timedelta(minutes=10),
    ) -> None:
        if first_delay <= timedelta(0) or longest_delay < first_delay:
            raise ValueError(
                "first_delay must be positive and not above longest_delay "
                f"(got first_delay={first_delay}, longest_delay={longest_delay})"
            )
        self.rules = rules
        self.first_delay = first_delay
        self.longest_delay = longest_delay

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide what follows a failed try.

        :param exception: what the task raised; its causes count too
        :param try_number: of the failed try, from 1
        :param max_tries: as Airflow counts
        :param context: the task's context
        """
        if self.rules is not None:
            decision = self.rules.evaluate(exception, try_number, max_tries, context)
            if decision.action != RetryDecision.default().action:
                return decision
        for error in _chain(exception):
            if isinstance(error, StarVideosError):
                return self._decide(error, try_number)
        return RetryDecision.default()

    def _decide(self, error: StarVideosError, try_number: int) -> RetryDecision:
        name = type(error).__name__
        if error.permanent:
            return RetryDecision.fail(f"{name}: a retry can't help")
        asked = error.retry_after or 0.0 if isinstance(error, StarVideosAPIError) else 0.0
        if asked >= LEAST_ASKED_SECONDS:
            return RetryDecision.retry(timedelta(seconds=asked), f"{name}: the delay that the API asked for")
        if isinstance(error, WITH_BACKOFF):
            doublings = min(max(try_number - 1, 0), 32)
            return RetryDecision.retry(min(self.first_delay * 2**doublings, self.longest_delay), f"{name}: backing off")
        return RetryDecision.default()


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes: a permanent error comes as the cause of ``AirflowFailException``."""
    seen: set[int] = set()
    error: BaseException | None = exception
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
