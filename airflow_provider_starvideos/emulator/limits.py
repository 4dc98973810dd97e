"""The rate limit: a token bucket."""

from __future__ import annotations


class RateLimit:
    """Allows so many requests a second, and a second's worth of them at once."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._rate = 0.0
        self._last = 0.0

    def wait(self, rate: float | None, now: float) -> float:
        """Take a token.

        :param rate: requests a second; None for no limit.
        :param now: a monotonic clock, seconds.
        :returns: 0 if the request is allowed, or seconds until the next one will be.
        """
        if rate is None:
            self._rate = 0.0
            return 0.0
        most = max(1.0, rate)
        if rate != self._rate:
            self._rate, self._tokens = rate, most
        else:
            self._tokens = min(most, self._tokens + (now - self._last) * rate)
        self._last = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate
