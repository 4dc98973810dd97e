"""Submitting orders: several at once, each billed once, as fast as the API accepts them. One order is a batch of one.

One thread, the task's own, decides and speaks with Airflow; the others only send. Two rules must not be relaxed: an
intent is in the journal, and the lease is checked, before its order is sent; an answer is in the journal before
anything else happens with it. One write holds the outcomes of some orders and the intents of the next.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.retry import LONGEST_INLINE_WAIT
from airflow_provider_starvideos.exceptions import StarVideosError, StarVideosRecordError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.lease import Lease
from airflow_provider_starvideos.orders.outcomes import Outcomes
from airflow_provider_starvideos.orders.pace import Pace
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.sending import Halt, Reporter, Sending
from airflow_provider_starvideos.orders.states import OrderState

GATHER_SECONDS = 0.2  # how long outcomes are gathered for one write of the journal


class Submitter:
    """Orders rows, until all are ordered or something stops it.

    :param endpoint: where it is
    :param journal: loaded
    :param lease: whether this process may order
    :param concurrency: orders in flight at once, at most
    :param max_attempts: how often one order may be sent, where it provably wasn't accepted; None: no bound
    :param names_rows: log lines name the row
    :param lost_in_a_row: orders without a readable answer, before this
    :param blocked_since: epoch seconds since when the API accepts no order, before this
    :param stopping: returns True once no more may be sent
    :param sleep: how to wait
    """

    def __init__(
        self,
        hook: StarVideosHook,
        endpoint: Endpoint,
        journal: Journal,
        lease: Lease,
        log: Any,
        *,
        concurrency: int = 1,
        max_attempts: int | None = None,
        names_rows: bool = True,
        lost_in_a_row: int = 0,
        blocked_since: float | None = None,
        stopping: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hook = hook
        self._once = replace(endpoint, max_retries=0)  # whether an order is sent again is decided here
        self._endpoint = endpoint
        self._journal = journal
        self._lease = lease
        self._log = log
        self._concurrency = concurrency
        self._reporter = Reporter(hook.starvideos_conn_id, log, names_rows=names_rows)
        self._stopping = stopping
        self._sleep = sleep
        self._pace = Pace(concurrency, blocked_since)
        known = {order.video_id for order in journal.orders()}
        self.outcomes = Outcomes(self._pace, known, max_attempts=max_attempts, lost_in_a_row=lost_in_a_row)
        self._waiting: deque[Row] = deque()
        self._in_flight: dict[str, Sending] = {}
        self._answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._slots = 0
        self._halt: Halt | None = None
        self._is_settled = False

    def run(self, rows: Iterable[Row], slots: int) -> Halt | None:
        """Order rows, once. What became of each is in the journal, and in ``outcomes``.

        :param rows: those to order, in their order
        :param slots: how many may be accepted now
        :return: why it ended early; None: all rows are ordered, or no slot is left
        :raises StarVideosRecordError: the journal can't be written, or this process may not order any more
        """
        self._waiting, self._slots = deque(rows), slots
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="starvideos-order")
        try:
            try:
                while self._goes_on():
                    self._send(pool, self._choose())
                    self._gather()
            finally:
                self._settle(pool)
        finally:
            self._settle(pool)  # once more: a signal may have come between any two lines of the first
        return self._halt

    def _settle(self, pool: ThreadPoolExecutor) -> None:
        """Write what is known, wait for what is in flight, and write that, too. Also where a signal ends the task."""
        if self._is_settled:
            return
        all_ended = False
        try:
            try:
                self._take_answers()
                self._journal.commit_surely()
            finally:
                pool.shutdown(wait=True)
                all_ended = True
        except StarVideosRecordError as error:
            self._log.error("%s", error)  # once more below, with what was in flight
        finally:  # a second signal may end the waiting
            self._take_answers()
            self._take_back([one for one in self._in_flight.values() if all_ended or not one.handed])
            try:
                self._journal.commit_surely()
            except StarVideosRecordError:
                self._is_settled = True  # it was attempted often enough
                raise
        self._is_settled = True
        self._reporter.report(self._waiting, self._halt)

    # -- which order is sent next

    def _goes_on(self) -> bool:
        if self._in_flight:
            return True
        if not self._waiting or self._slots_left() <= 0 or self._is_stopped():
            return False
        pause = self._pace.pause_left(time.time())
        blocked = self._pace.blocked_since
        if pause and (pause > LONGEST_INLINE_WAIT or (blocked and time.time() - blocked > LONGEST_INLINE_WAIT)):
            # Too long to hold a worker slot for it.
            self._halt = Halt(self.outcomes.last_refusal, resume_at=time.time() + max(pause, LONGEST_INLINE_WAIT))
            return False
        return True

    def _slots_left(self) -> int:
        return self._slots - len(self.outcomes.accepted) - len(self._in_flight)

    def _is_stopped(self) -> bool:
        if self._halt is None and self._stopping():
            # Where Airflow goes on with the task elsewhere (its machine is taken away), ordering goes on at once.
            self._halt = Halt("the task's process is being ended", resume_at=time.time())
            self._log.warning("Ordering stops: %s. No order is sent from now on.", self._halt.why)
        return self._halt is not None

    def _choose(self) -> list[tuple[Row, VideoRequest]]:
        """Take the next rows that may be sent, with their stored inputs signed."""
        slots = min(self._slots_left(), self._pace.room(len(self._in_flight), time.time()))
        chosen: list[tuple[Row, VideoRequest]] = []
        while self._waiting and len(chosen) < slots and not self._is_stopped():
            row = self._waiting.popleft()
            try:
                chosen.append((row, self._ready(row)))
            except StarVideosError as error:
                self._not_ready(row, error)
        if not chosen and not self._in_flight and self._waiting and not self._halt:
            self._journal.commit_surely()  # first: nothing is in flight while it sleeps, and the journal has to say so
            self._reporter.report(self._waiting, self._halt)
            self._sleep(min(self._pace.pause_left(time.time()), LONGEST_INLINE_WAIT))
        return chosen

    def _ready(self, row: Row) -> VideoRequest:
        if row.request.inputs and self._reporter.is_waiting:
            self._journal.commit_surely()  # first: to sign and check inputs takes a while, and ids may be unwritten
        return self._hook.with_signed_inputs(row.request, self._endpoint)

    def _not_ready(self, row: Row, error: StarVideosError) -> None:
        order = self._order(row)
        order.become(OrderState.REJECTED if error.permanent else OrderState.NOT_SENT, str(error))
        self._journal.touch([order])
        self.outcomes.errors[row.key] = error
        self._log.error("%sNot ordered, not billed: %s", self._reporter.label(row), error)

    def _order(self, row: Row) -> Order:
        order = self._journal.open(row.key)
        order.describe(row)
        return order

    # -- sending

    def _send(self, pool: ThreadPoolExecutor, chosen: Sequence[tuple[Row, VideoRequest]]) -> None:
        if not chosen:
            self._journal.commit_surely()  # others may be in flight for long
            self._reporter.report(self._waiting, self._halt)
            return
        now = time.time()
        orders = [(row, self._order(row)) for row, _ in chosen]
        sendings = [Sending(row, order, now, order.times_ordered) for row, order in orders]
        if self._journal.spreads(sending.order for sending in sendings):
            # Outcomes first, where one write can't hold both: else a crash in between would add up what is unknown.
            self._journal.commit_surely()
        # First of all, so that ``_settle`` finds them, whatever happens in between.
        self._in_flight.update({sending.row.key: sending for sending in sendings})
        for sending in sendings:
            sending.begin()
        self._journal.touch(sending.order for sending in sendings)
        self._journal.commit_surely()
        self._lease()
        if self._is_stopped():
            self._take_back(sendings)
            return
        for sending, (_, request) in zip(sendings, chosen, strict=True):
            sending.handed = True
            pool.submit(self._post, sending, request)
        self._reporter.report(self._waiting, self._halt)

    def _take_back(self, sendings: Sequence[Sending]) -> None:
        """Note that orders weren't sent after all."""
        for sending in sendings:
            sending.was_not_accepted(OrderState.OPEN)
            self._journal.touch([sending.order])
            del self._in_flight[sending.row.key]

    def _post(self, sending: Sending, request: VideoRequest) -> None:
        try:
            sending.outcome = self._hook.submit(request, self._once)
        except BaseException as error:  # noqa: BLE001  it is handed over to the deciding thread
            sending.outcome = error
        self._answered.put(None)

    # -- outcomes

    def _gather(self) -> None:
        """Wait for outcomes, and take those that come at about the same time."""
        if not self._in_flight:
            return
        try:
            # Not longer than a pause that the API asked for: others may be sent then, though these hang.
            self._answered.get(timeout=self._pace.pause_left(time.time()) or None)
        except queue.Empty:
            return
        until, enough = time.monotonic() + GATHER_SECONDS, max(1, len(self._in_flight) // 2)
        while sum(sending.outcome is not None for sending in self._in_flight.values()) < enough:
            try:
                self._answered.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
        self._take_answers()

    def _take_answers(self) -> None:
        again = []
        for sending in [one for one in self._in_flight.values() if one.outcome is not None]:
            self._journal.touch([sending.order])
            if self.outcomes.take(sending):
                again.append(sending.row)
            self._reporter.note(sending)
            del self._in_flight[sending.row.key]
        self._waiting.extendleft(reversed(again))
        self._halt = self._halt or self.outcomes.halt
