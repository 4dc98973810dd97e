"""How fast to order: as fast as the API accepts orders. A refusal halves those in flight, each acceptance adds some.

Pure: it takes what happened and when, and returns how many orders may be sent.
"""

from __future__ import annotations

from airflow_provider_starvideos.api.retry import backoff


class Pace:
    """The pace of one batch's orders.

    :param most: orders in flight, at most
    :param blocked_since: epoch seconds since when the API has accepted no order; None: it has
    """

    def __init__(self, most: int, blocked_since: float | None = None) -> None:
        self._most = most
        self._allowed = float(most)
        self._paused_until = 0.0
        self._refusals = 0
        self.blocked_since = blocked_since

    def room(self, running: int, now: float) -> int:
        """Return how many more orders may be sent.

        :param running: how many are in flight
        :param now: seconds of any clock, the same in all calls
        """
        return max(0, int(self._allowed) - running) if now >= self._paused_until else 0

    def pause_left(self, now: float) -> float:
        """Return the seconds until the next order may be sent."""
        return max(0.0, self._paused_until - now)

    def accepted(self) -> None:
        """The API has accepted an order."""
        self._refusals = 0
        self.blocked_since = None
        self._allowed = min(float(self._most), self._allowed + 1.0 / self._allowed)

    def refused(self, sent_at: float, now: float, asked: float | None, chance: float) -> None:
        """The API wants fewer orders, or can't be reached.

        :param sent_at: when that order was sent; those that were sent together are refused together, and count once
        :param asked: seconds that the server asked to wait; None: it didn't
        :param chance: a random number, 0 to 1
        """
        if self.blocked_since is None:
            self.blocked_since = now
        if sent_at < self._paused_until and asked is None:
            return
        if sent_at >= self._paused_until:
            self._allowed = max(1.0, self._allowed / 2)
            self._refusals += 1
        self._paused_until = max(self._paused_until, now + (asked or 0.0) + backoff(self._refusals - 1, chance))
