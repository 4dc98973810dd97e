"""One batch, over its worker runs and tries: what to do next, and how it ends.

A worker run orders what it may, saves what is completed, and returns what to wait for. Everything that the next one
must know is in the journal, or in the trigger's arguments.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.api.retry import LONGEST_DELAY
from airflow_provider_starvideos.batch import costs, report
from airflow_provider_starvideos.batch.asking import Asking
from airflow_provider_starvideos.batch.beginning import continue_undecided, is_in_place, resume_orders
from airflow_provider_starvideos.batch.matching import match
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.batch.report import Ending
from airflow_provider_starvideos.batch.row_orders import RowOrders
from airflow_provider_starvideos.batch.rows import digest_of
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosRecordError,
    StarVideosRequestsChangedError,
)
from airflow_provider_starvideos.orders.approval import NONE_NEEDED, Approval
from airflow_provider_starvideos.orders.decisions import UNDECIDED, carry_out_decision
from airflow_provider_starvideos.orders.estimate import Estimate
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.lease import Lease
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.sending import Halt
from airflow_provider_starvideos.orders.states import STATES, OrderState
from airflow_provider_starvideos.orders.submitter import MAX_LOST_IN_A_ROW, Submitter

if TYPE_CHECKING:
    from airflow_provider_starvideos.batch.reuse import Reuse
    from airflow_provider_starvideos.batch.saver import Saving
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

CLOCK_SECONDS = 5.0  # how far a triggerer's clock may be ahead of a worker's
SHARE_OF_SLOTS = 4  # slots are filled up when a quarter of them is free: a worker run for each would cost more


@dataclass(frozen=True)
class Options:
    """How a batch is carried out; ``StarVideosBatchOperator`` explains each option."""

    max_submit_concurrency: int
    max_in_flight: int
    max_failures: int | float
    retry_failed: bool
    resubmit: bool
    poll_interval: float
    timeout: float
    save_interval: float
    max_orders: int | None = None
    asks: bool = False
    approval: Approval = NONE_NEEDED


class Batch(RowOrders):
    """The batch of one task instance.

    :param rows: checked
    :param journal: loaded
    :param lease: whether this process may order
    :param hook: the API
    :param options: how
    :param log: a logger
    :param saving: saves videos; None: they aren't saved
    :param stopping: returns True once the task is being ended
    :param reuse: a library of finished videos; None: there is none
    """

    def __init__(
        self,
        rows: Sequence[Row],
        journal: Journal,
        lease: Lease,
        hook: StarVideosHook,
        options: Options,
        log: Any,
        *,
        saving: Saving | None,
        stopping: Callable[[], bool],
        reuse: Reuse | None = None,
    ) -> None:
        super().__init__(rows, journal)
        self._lease = lease
        self._hook = hook
        self._options = options
        self._log = log
        self._saving = saving
        self._stopping = stopping
        self._reuse = reuse
        self._asking = Asking(options.approval, hook, journal, log, asks=options.asks)
        self._halt: Halt | None = None
        self._blocked_since: float | None = None
        self._lost_in_a_row = 0
        self._ends: dict[str, float] = {}
        self._refusal: StarVideosError | None = None  # why nothing more may be ordered
        self._library_error: StarVideosError | None = None

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
        options = self._options
        resume_orders(self, self._saving, self._log, retry_failed=options.retry_failed)
        if self._is_retry:
            self._carry_out_decision()
        continue_undecided(self, self._log, resubmit=options.resubmit)
        self._look_up(is_first=True)
        self._set_ends()
        self._hold_limits()
        if self._refusal and self.plan() is None and not self._unsaved():
            raise self._refusal
        if self._saving and not self._refusal and (open_rows := self.open()):
            self._saving.check(open_rows)
        self._log.info("%s", self.estimate().text())

    def estimate(self) -> Estimate:
        """Return what is ordered next; nothing where a limit forbids it."""
        return Estimate.of(self.known() if self._refusal else self.all())

    def _hold_limits(self) -> None:
        """Order nothing where it would be more than is allowed. The videos that were ordered are still waited for."""
        refusal = self._library_error
        new = self._reuse.without_twins(self.open()) if self._reuse else self.open()
        refusal = refusal or costs.refusal(new, self.journal, self._hook, self._options.max_orders)
        if refusal and not self._refusal:
            self._log.error("%s", refusal)
        self._refusal = refusal

    def _carry_out_decision(self) -> None:
        if any(order is None or order.state in UNDECIDED for order in (order for _, order in self.all())):
            carry_out_decision(self._hook, self.journal, self.decision_variable, self.rows, self._log)

    def _set_ends(self) -> None:
        for order in self.ordered():
            self._ends.setdefault(order.video_id or "", time.time() + self._options.timeout)

    @property
    def _is_retry(self) -> bool:
        return self.journal.try_number > 1 or bool(self.journal.orders())

    def resume(self, outcomes: Mapping[str, Outcome], ends: Mapping[str, float], carry: Mapping[str, Any]) -> None:
        """Continue after a wait of this very try.

        :param outcomes: how videos ended, by id
        :param ends: epoch seconds at which the wait for each of the others fails, by id
        :param carry: what ``carry`` returned before the wait
        :raises StarVideosRequestsChangedError: the requests aren't those that this try began with
        """
        self.match(new_try=False)
        if carry.get("digest") != self.digest:
            raise StarVideosRequestsChangedError(
                "The batch's requests aren't the same as when this try began (a template with the time or with chance "
                "in it, or a file that was changed?), so nothing more was ordered. The journal keeps what was ordered. "
                "Make the requests the same in each rendering, and clear the task: it continues from there."
            )
        known = {order.video_id for order in self.journal.orders()}
        if missing := [video_id for video_id in (*outcomes, *ends) if video_id not in known]:
            raise StarVideosRecordError(
                f"The journal of this task's orders lacks {len(missing)} videos that it held when the wait began, such "
                f"as {missing[0]} (was a Variable deleted?). Billed: yes, once. Nothing more is sent."
            )
        self.journal.require(carry.get("orders", 0))
        for row, order in self.known():
            if order.state is OrderState.REUSED and not is_in_place(row, order, self._saving):
                order.become(OrderState.OPEN)
        self._look_up()
        self._ends = dict(ends)
        self._blocked_since = carry.get("blocked_since")
        self._lost_in_a_row = carry.get("lost_in_a_row", 0)
        if self._reuse:
            self._reuse.restore(carry.get("library") or {})
        self._halt = Halt(**carry["halt"]) if carry.get("halt") else None
        self.end_pause()
        self.take(outcomes)

    def has_rows_of(self, carry: Mapping[str, Any] | None) -> bool:
        """Return whether the requests are still those of an earlier process of this try.

        :param carry: what ``carry`` returned there; None: it isn't known
        """
        rows = match(self.rows, self.journal.orders(), new_try=False)
        return carry is not None and carry.get("digest") == digest_of(rows)

    def resume_answered(self, carry: Mapping[str, Any]) -> None:
        """Go on where this very try has asked a person. A Variable that was set meanwhile is carried out first.

        :param carry: what ``carry`` returned before the question
        :raises StarVideosRequestsChangedError: the requests aren't those that this try began with
        """
        self.resume({}, {}, carry)
        self._carry_out_decision()
        self._set_ends()

    def take(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write down how videos ended."""
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
                self._log.error("Row %d, video %s: %s: %s", row.number, order.video_id, text, outcome.error)
        self.journal.touch(changed)
        self.journal.commit_surely()
        costs.count_ended(changed, self._hook.starvideos_conn_id)

    # -- its work

    def order(self) -> None:
        """Order as many rows as there are slots for.

        :raises StarVideosRecordError: the journal can't be written
        """
        self._hold_limits()  # after a wait, too: an administrator may have set another one meanwhile
        open_rows = self._asking.allowed(self.open())
        slots = self._options.max_in_flight - len(self.ordered())
        if slots <= 0 or self._halt or self._refusal:
            return
        if self._reuse:
            with self._asking_library():
                open_rows = self._reuse.to_order(open_rows, slots)
        if not open_rows or self._library_error:
            return
        before = len(self.ordered())
        submitter = Submitter(
            self._hook,
            self._hook.get_conn(),
            self.journal,
            self._lease,
            self._log,
            concurrency=self._options.max_submit_concurrency,
            lost_in_a_row=self._lost_in_a_row,
            blocked_since=self._blocked_since,
            stopping=self._stopping,
        )
        self._halt = submitter.run(open_rows, slots)
        self._lost_in_a_row = submitter.lost_in_a_row
        for order in self.ordered():
            if order.video_id and order.video_id not in self._ends:
                self._ends[order.video_id] = (order.sent_at or time.time()) + self._options.timeout
        self._note_block(accepted=len(self.ordered()) > before)

    def ask(self, person: Person) -> bool:
        """Ask a person what only a person can decide, once nothing else is left to do; see ``Asking.ask``.

        :return: whether there is more to do now
        """
        # What can't be ordered anyway needs no approval.
        new = () if self._halt or self._refusal else self.open()
        if not self._asking.ask(person, self.rows, new, self.decision_variable):
            return False
        if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:  # a person has checked them now
            self._lost_in_a_row, self._halt = 0, None
        self._set_ends()
        return True

    def save(self) -> None:
        """Save the completed videos.

        :raises StarVideosRecordError: the journal can't be written
        """
        done = self._unsaved()
        while self._saving and done:
            if self._reuse:
                self._reuse.names.find_again([row for row, order in done if order.state is OrderState.COMPLETED])
            self._saving.run(done, self._stopping)
            done = self._reuse.take_added(self.open()) if self._reuse else []
            self.journal.commit_surely()

    def _unsaved(self) -> list[tuple[Row, Order]]:
        return [(row, order) for row, order in self.known() if self._saving and self._is_to_save(order)]

    def plan(self) -> Plan | None:
        """Return what to wait for before there is more to do; None: there is nothing left to wait for."""
        ordered, open_rows = self.ordered(), self.open()
        goes_on = not self._refusal and (self._halt is None or self._halt.resume_at is not None)
        next_check = self._reuse.next_check() if self._reuse and goes_on else None
        ready = [row for row in self._asking.allowed(open_rows) if not self._reuse or row.key not in self._reuse.held]
        more = bool(ready) and goes_on
        if not ordered and not more and next_check is None:
            return None
        times = [next_check, self._halt.resume_at if more and self._halt else None]
        enough = None
        if more and self._halt is None:
            share = max(1, self._options.max_in_flight // SHARE_OF_SLOTS)
            enough = min(share, len(ready), len(ordered))
        return Plan(
            videos={order.video_id or "": self._ends[order.video_id or ""] for order in ordered},
            poll_interval=self._options.poll_interval,
            enough=enough,
            resume_at=min((one for one in times if one is not None), default=None),
            save_after=self._options.save_interval if self._saving else None,
            rows=len(self.rows),
            done=len(self.rows) - len(ordered) - len(open_rows),
        )

    def carry(self) -> dict[str, Any]:
        """Return what the worker run after a wait must know, as JSON."""
        return {
            "digest": self.digest,
            "orders": self.journal.times_ordered(),
            "blocked_since": self._blocked_since,
            "lost_in_a_row": self._lost_in_a_row,
            "halt": asdict(self._halt) if self._halt else None,
            "library": self._reuse.carry() if self._reuse else None,
        }

    def end_pause(self) -> None:
        """Order again, if the pause that the API asked for is over."""
        until = self._halt.resume_at if self._halt else None
        if until is not None and time.time() >= until - CLOCK_SECONDS:
            self._halt = None

    # -- its end

    def settle_library(self) -> None:
        """Let other runs order what this one doesn't, and say in the log what was reused."""
        if self._reuse:
            self._reuse.release_unused(self.rows)
            self._log.info("StarVideos library: %s.", self._reuse.text(self.results()))

    def check(self, where: str) -> None:
        """Fail the batch if it was refused, or too many rows have no video; see ``report.check``.

        :raises StarVideosLimitError: it would have ordered more than is allowed
        :raises StarVideosError: its library couldn't be asked or written
        """
        if self._refusal:
            raise self._refusal
        options = self._options
        ending = Ending(
            self._halt,
            options.max_failures,
            retry_failed=options.retry_failed,
            resubmit=options.resubmit,
            saves=bool(self._saving),
        )
        report.check(self.results(), ending, self.decision_variable, where, self._log)

    # -- the library

    def _look_up(self, *, is_first: bool = False) -> None:
        if not self._reuse:
            return
        with self._asking_library():
            if is_first:
                self._reuse.renew(self.ordered())
            self._reuse.look_up(self.open())
            if self.open():
                self._reuse.check()
            self._log.info("StarVideos library: %s.", self._reuse.text(self.results()))

    @contextmanager
    def _asking_library(self) -> Iterator[None]:
        """Order nothing more where the library fails. The videos that were ordered are still waited for and saved."""
        try:
            yield
        except StarVideosRecordError:  # of the journal
            raise
        except StarVideosError as error:
            self._log.error("Nothing more is ordered: %s", error)
            self._refusal = self._library_error = error

    @staticmethod
    def _is_to_save(order: Order) -> bool:
        return order.state is OrderState.COMPLETED or (order.state is OrderState.REUSED and not order.uri)

    def _note_block(self, *, accepted: bool) -> None:
        """Bound the time in which the API accepts no order at all."""
        if not self._halt or self._halt.resume_at is None:
            return
        now, timeout = time.time(), self._options.timeout
        self._blocked_since = now if accepted or self._blocked_since is None else self._blocked_since
        asked = self._halt.resume_at - now
        if now - self._blocked_since > timeout:
            self._halt = Halt(f"No order was accepted for {now - self._blocked_since:.0f} s: {self._halt.why}")
        elif asked > timeout + LONGEST_DELAY:  # that much is added to what the API asks for
            self._halt = Halt(f"The API asks to wait {asked:.0f} s, which is more than the timeout: {self._halt.why}")
