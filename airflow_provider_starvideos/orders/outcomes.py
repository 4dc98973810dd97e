"""What an answer makes of its order: accepted, refused (for now, or for good), or lost.

Nothing is sent, written or logged here. The submitter does that.
"""

from __future__ import annotations

import random
import time
from collections import Counter

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.retry import order_outcome, was_not_accepted
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosQuotaError,
    StarVideosUnconfirmedError,
)
from airflow_provider_starvideos.orders.pace import Pace
from airflow_provider_starvideos.orders.sending import Halt, Sending
from airflow_provider_starvideos.orders.states import OrderState

MAX_LOST_IN_A_ROW = 12  # orders without a readable answer; each may have been billed, so the rest isn't sent
AFFECTS_ALL = (StarVideosAuthenticationError, StarVideosQuotaError, StarVideosNotFoundError)  # key, account, path


class Outcomes:
    """The outcomes of one submitter's orders, by the keys of their rows.

    :param pace: of its orders
    :param known: ids of the videos of earlier orders; those of the accepted ones are added
    :param max_attempts: how often one order may be sent, where it provably wasn't accepted; None: no bound
    :param lost_in_a_row: orders without a readable answer, before this
    """

    def __init__(self, pace: Pace, known: set[str | None], *, max_attempts: int | None, lost_in_a_row: int) -> None:
        self._pace = pace
        self._known = known
        self._max_attempts = max_attempts
        self._attempts: Counter[str] = Counter()
        self.lost_in_a_row = lost_in_a_row
        self.accepted: dict[str, VideoTask] = {}
        self.errors: dict[str, StarVideosError] = {}
        self.halt: Halt | None = None  # why no more may be sent
        self.last_refusal = ""  # for now

    def take(self, sending: Sending) -> bool:
        """Give an order the state that its outcome means. Return whether it is sent again.

        :param sending: answered. It is taken twice, if a signal has ended the first time
        """
        order, outcome, key = sending.order, sending.outcome, sending.row.key
        if isinstance(outcome, VideoTask) and outcome.id in self._known and self.accepted.get(key) is not outcome:
            what = f"The answer names the video of another order ({outcome.id}): a cache may have repeated it."
            outcome = sending.outcome = StarVideosUnconfirmedError(what, what=what)
        if isinstance(outcome, VideoTask):
            order.become(OrderState.ORDERED)
            order.video_id = outcome.id
            self.accepted[key] = outcome  # before its id is known: taken again, it isn't another order's
            self._known.add(outcome.id)
            self.lost_in_a_row = 0
            self._pace.accepted()
            return False
        if isinstance(outcome, StarVideosError) and was_not_accepted(outcome):
            return self._refused(sending, outcome)
        self._lost(sending, outcome)
        return False

    def _lost(self, sending: Sending, outcome: BaseException | None) -> None:
        error = outcome
        if not isinstance(error, StarVideosUnconfirmedError):
            error = StarVideosUnconfirmedError("", what=f"{type(outcome).__name__}: {outcome}")
        sending.order.become(OrderState.UNCONFIRMED, error.what)
        sending.order.named = error.named or None
        self.errors[sending.row.key] = error
        self.lost_in_a_row += 1
        if self.lost_in_a_row >= MAX_LOST_IN_A_ROW:
            # Each try would lose as many more: a person has to check them first.
            self._stop(f"{self.lost_in_a_row} orders in a row had no readable answer, the last: {error.what}")

    def _refused(self, sending: Sending, error: StarVideosError) -> bool:
        key = sending.row.key
        self._attempts[key] += 1
        self.errors[key] = error
        if order_outcome(error).sent_again:
            asked = error.retry_after if isinstance(error, StarVideosAPIError) else None
            self.last_refusal = str(error)
            self._pace.refused(sending.sent_at, time.time(), asked, random.random())
            sending.was_not_accepted(OrderState.OPEN)
            return self._max_attempts is None or self._attempts[key] < self._max_attempts
        redirected = isinstance(error, StarVideosAPIError) and error.status_code < 400
        if isinstance(error, AFFECTS_ALL) or redirected:
            sending.was_not_accepted(OrderState.OPEN, str(error))
            self._stop(str(error))
        else:
            sending.was_not_accepted(OrderState.REJECTED, str(error))
        return False

    def _stop(self, why: str) -> None:
        self.halt = self.halt or Halt(why, permanent=True)
