"""One batch, over its worker runs and tries: what to do next, and how it ends.

A worker run orders what it may, saves what is completed, and returns what to wait for. Everything that the next one
must know is in the journal, or in the trigger's arguments.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.batch import beginning, report
from airflow_provider_starvideos.batch.allowance import Allowance
from airflow_provider_starvideos.batch.asking import Asking
from airflow_provider_starvideos.batch.halts import Halts
from airflow_provider_starvideos.batch.options import Options
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.batch.report import Ending
from airflow_provider_starvideos.batch.reuse import Reuse
from airflow_provider_starvideos.batch.row_orders import RowOrders
from airflow_provider_starvideos.batch.saver import Saving
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.decisions import UNDECIDED, carry_out_decision
from airflow_provider_starvideos.orders.estimate import Estimate
from airflow_provider_starvideos.orders.lease import Lease
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.record import Order
from airflow_provider_starvideos.orders.states import STATES, OrderState
from airflow_provider_starvideos.orders.submitter import Submitter

SHARE_OF_SLOTS = 4  # slots are filled up when a quarter of them is free: a worker run for each would cost more


@dataclass
class Batch(RowOrders):
    """The batch of one task instance."""

    lease: Lease  # whether this process may order
    hook: StarVideosHook
    options: Options
    log: Any
    _: KW_ONLY
    saving: Saving | None  # saves videos; None: they aren't saved
    stopping: Callable[[], bool]  # returns True once the task is being ended
    reuse: Reuse | None = None  # a library of finished videos; None: there is none

    def __post_init__(self) -> None:
        hook, journal, options, log = self.hook, self.journal, self.options, self.log
        self._asking = Asking(options.approval, hook, journal, log, asks=options.asks)
        self._allowance = Allowance(hook, journal, options.max_orders, log)
        self._halts = Halts(options.timeout)
        self._ends: dict[str, float] = {}  # epoch seconds at which the wait for a video fails, by its id

    # -- the beginning of a worker run

    def begin(self) -> None:
        """Begin a try: resume what earlier tries have ordered.

        :raises StarVideosUnconfirmedError: a person's decision about unconfirmed rows can't be carried out
        :raises StarVideosRecordError: the journal can't be written
        :raises StarVideosLimitError: it would order more than is allowed, and there is no video to wait for or to save
        :raises StarVideosError: likewise, where the library can't be asked or written
        :raises StarVideosValidationError: the destination can't take what is to be ordered
        :raises StarVideosDownloadError: the destination's storage can't be read or written
        """
        options = self.options
        beginning.resume_orders(self, self.saving, self.log, retry_failed=options.retry_failed)
        if self.journal.try_number > 1 or self.journal.orders():
            self._carry_out_decision()
        beginning.continue_undecided(self, self.log, resubmit=options.resubmit)
        self._look_up(is_first=True)
        self._set_ends()
        self._hold_limits()
        refusal = self._allowance.refusal
        if refusal and self.plan() is None and not (self.saving and self.unsaved()):
            raise refusal
        if self.saving and not refusal and (open_rows := self.open()):
            self.saving.check(open_rows)
        self.log.info("%s", Estimate.of(self.known() if refusal else self.all()).text())

    def _hold_limits(self) -> None:
        """Order nothing where it would be more than is allowed."""
        self._allowance.hold(self.reuse.without_twins(self.open()) if self.reuse else self.open())

    def _carry_out_decision(self) -> None:
        if any(order is None or order.state in UNDECIDED for _, order in self.all()):
            carry_out_decision(self.hook, self.journal, self.decision_variable, self.rows, self.log)

    def _set_ends(self) -> None:
        for order in self.ordered():
            self._ends.setdefault(order.video_id or "", time.time() + self.options.timeout)

    def resume(self, outcomes: Mapping[str, Outcome], ends: Mapping[str, float], carry: Mapping[str, Any]) -> None:
        """Continue after a wait of this very try.

        :param outcomes: how videos ended, by id
        :param ends: epoch seconds at which the wait for each of the others fails, by id
        :param carry: what ``carry`` returned before the wait
        :raises StarVideosRequestsChangedError: the requests aren't those that this try began with
        """
        self.match(new_try=False)
        beginning.check_continues(self, carry, (*outcomes, *ends))
        for row, order in self.known():
            if order.state is OrderState.REUSED and not beginning.is_in_place(row, order, self.saving):
                order.become(OrderState.OPEN)
        self._look_up()
        self._ends = dict(ends)
        self._halts.restore(carry)
        if self.reuse:
            self.reuse.restore(carry.get("library") or {})
        self.take(outcomes)

    def resume_answered(self, carry: Mapping[str, Any]) -> None:
        """Continue where this very try has asked a person. A Variable that was set meanwhile is carried out first.

        If the requests have changed since, the answer is about other rows, so the try begins again.

        :param carry: what ``carry`` returned before the question
        :raises StarVideosRecordError: the journal lacks orders that it held then
        :raises StarVideosError: the errors of ``begin``
        """
        self.journal.require(carry.get("orders", 0))
        self.match(new_try=False)
        if carry.get("digest") != self.digest:
            self.begin()
            return
        self.resume({}, {}, carry)
        self._carry_out_decision()
        self._set_ends()

    def take(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write down how videos ended, and order again if the pause that the API asked for is over."""
        self._halts.end_pause()
        changed = []
        for row, order in self.known():
            outcome = outcomes.get(order.video_id or "")
            if outcome is None or order.state != OrderState.ORDERED:
                continue
            order.become(outcome.state, outcome.error)
            if outcome.state in (OrderState.COMPLETED, OrderState.FAILED):
                order.duration, order.completed_at = outcome.duration, outcome.seen_at
                order.amount = outcome.amount
            changed.append(order)
            if outcome.state != OrderState.COMPLETED:
                text = STATES[outcome.state].text
                self.log.error("Row %d, video %s: %s: %s", row.number, order.video_id, text, outcome.error)
        self.journal.touch(changed)
        self.journal.commit_surely()
        for order in changed:
            self._count(order, self.hook.starvideos_conn_id)

    @staticmethod
    def _count(order: Order, connection: str) -> None:
        if order.state is OrderState.COMPLETED:
            amount = None if order.amount is None else Decimal(order.amount)
            metrics.completed(connection, order.sent_at, seen_at=order.completed_at, amount=amount)
        elif order.state is OrderState.FAILED:
            metrics.count("failed", connection)

    # -- its work

    def order(self) -> None:
        """Order as many rows as there are slots for.

        :raises StarVideosRecordError: the journal can't be written
        """
        self._hold_limits()  # after a wait, too: an administrator may have set another one meanwhile
        open_rows = self._asking.allowed(self.open())
        slots = self.options.max_in_flight - len(self.ordered())
        if slots <= 0 or self._halts.latest or self._allowance.refusal:
            return
        if self.reuse:
            with self._allowance.asking_library():
                open_rows = self.reuse.to_order(open_rows, slots)
        if not open_rows or self._allowance.refusal:
            return
        submitter = Submitter(
            self.hook,
            self.hook.get_conn(),
            self.journal,
            self.lease,
            self.log,
            concurrency=self.options.max_submit_concurrency,
            lost_in_a_row=self._halts.lost_in_a_row,
            blocked_since=self._halts.blocked_since,
            stopping=self.stopping,
        )
        halt, outcomes = submitter.run(open_rows, slots), submitter.outcomes
        for order in self.ordered():
            self._ends.setdefault(order.video_id or "", (order.sent_at or time.time()) + self.options.timeout)
        self._halts.note(halt, outcomes.lost_in_a_row, accepted=bool(outcomes.accepted))

    def ask(self, person: Person) -> bool:
        """Ask a person what only a person can decide, once nothing else is left to do; see ``Asking.ask``.

        :return: whether there is more to do now
        """
        # What can't be ordered anyway needs no approval.
        new = () if self._halts.latest or self._allowance.refusal else self.open()
        if not self._asking.ask(person, self.rows, new, self.decision_variable):
            return False
        self._halts.note_checked()
        self._set_ends()
        return True

    def save(self) -> None:
        """Save the completed videos.

        :raises StarVideosRecordError: the journal can't be written
        """
        done = self.unsaved()
        while self.saving and done:
            if self.reuse:
                self.reuse.names.find_again([row for row, order in done if order.state is OrderState.COMPLETED])
            self.saving.run(done, self.stopping)
            done = self.reuse.take_added(self.open()) if self.reuse else []
            self.journal.commit_surely()

    def plan(self) -> Plan | None:
        """Return what to wait for before there is more to do; None: there is nothing left to wait for."""
        ordered, open_rows = self.ordered(), self.open()
        halt = self._halts.latest
        goes_on = not self._allowance.refusal and (halt is None or halt.resume_at is not None)
        next_check = self.reuse.next_check() if self.reuse and goes_on else None
        ready = [row for row in self._asking.allowed(open_rows) if not self.reuse or row.key not in self.reuse.held]
        more = bool(ready) and goes_on
        if not ordered and not more and next_check is None:
            return None
        times = [next_check, halt.resume_at if more and halt else None]
        enough = None
        if more and halt is None:
            share = max(1, self.options.max_in_flight // SHARE_OF_SLOTS)
            enough = min(share, len(ready), len(ordered))
        return Plan(
            videos={order.video_id or "": self._ends[order.video_id or ""] for order in ordered},
            poll_interval=self.options.poll_interval,
            enough=enough,
            resume_at=min((one for one in times if one is not None), default=None),
            save_after=self.options.save_interval if self.saving else None,
            rows=len(self.rows),
            done=len(self.rows) - len(ordered) - len(open_rows),
        )

    def carry(self) -> dict[str, Any]:
        """Return what the worker run after a wait must know, as JSON."""
        return {
            "digest": self.digest,
            "orders": self.journal.times_ordered(),
            **self._halts.carry(),
            "library": self.reuse.carry() if self.reuse else None,
        }

    # -- its end

    def settle_library(self) -> None:
        """Let other runs order what this one doesn't, and say in the log what was reused."""
        if self.reuse:
            self.reuse.release_unused(self.rows)
            self.log.info("StarVideos library: %s.", self.reuse.text(self.results()))

    def check(self, where: str) -> None:
        """Fail the batch if it was refused, or too many rows have no video; see ``report.check``.

        :raises StarVideosLimitError: it would have ordered more than is allowed
        :raises StarVideosError: its library couldn't be asked or written
        """
        if self._allowance.refusal:
            raise self._allowance.refusal
        ending = Ending(self._halts.latest, self.options, saves=bool(self.saving))
        report.check(self.results(), ending, self.decision_variable, where, self.log)

    # -- the library

    def _look_up(self, *, is_first: bool = False) -> None:
        if not self.reuse:
            return
        with self._allowance.asking_library():
            if is_first:
                self.reuse.renew(self.ordered())
            self.reuse.look_up(self.open())
            if self.open():
                self.reuse.check()
            self.log.info("StarVideos library: %s.", self.reuse.text(self.results()))
