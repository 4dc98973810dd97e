"""The rate limit, a token bucket. Decides how many requests per second are answered."""

from __future__ import annotations


class RateLimit:
    """Allows so many requests per second, and as many at once."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._rate: float | None = None
        self._last = 0.0

    def wait(self, rate: float | None, now: float) -> float:
        """Take a token.

        :param rate: requests per second; None for no limit.
        :param now: a monotonic clock, seconds.
        :returns: 0 if the request is allowed, or seconds until the next one will be.
        """
        is_new, self._rate = rate != self._rate, rate
        if rate is None:
            return 0.0
        most = max(1.0, rate)
        self._tokens = most if is_new else min(most, self._tokens + (now - self._last) * rate)
        self._last = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate
