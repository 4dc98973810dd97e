"""The only order of a task: resumed, where an earlier try has submitted it, or else submitted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from airflow_provider_starvideos.api.calls import unconfirmed
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask, amount_text
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosUnconfirmedError,
    StarVideosUnknownVideoError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.approval import NONE_NEEDED, Approval
from airflow_provider_starvideos.orders.decisions import (
    ask_about,
    carry_out_decision,
    discard_earlier_decision,
    how_to_decide,
)
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.lease import Lease
from airflow_provider_starvideos.orders.limits import check_limits
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.record import Order, Row, fingerprint_of, key_of
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.orders.submitter import Submitter

ENDED = "the task ended before the answer was in the journal"


class _LostOrderError(StarVideosUnconfirmedError):
    """The outcome is unknown, and the Dag's author rather pays twice than asks a person."""

    permanent = False


@dataclass
class SingleOrder:
    """The order of a task that orders one video."""

    hook: StarVideosHook
    journal: Journal  # of the task instance; not loaded yet
    lease: Lease  # whether this process may order
    log: Any
    _: KW_ONLY
    person: Person  # who is asked
    on_unconfirmed: str = "fail"  # what to do with an order of unknown outcome: ``fail``, ``resubmit`` or ``ask``
    approval: Approval = NONE_NEEDED  # whether a person has to approve an order
    stopping: Callable[[], bool] = lambda: False  # whether no more may be sent
    sleep: Callable[[float], None] = time.sleep  # how to wait
    ordered: int = 0  # orders that the journal held when this try asked a person, see ``Journal.require``

    def obtain(self, request: VideoRequest) -> VideoTask:
        """Return the task's video: the one that an earlier try ordered, or a new one.

        :raises StarVideosUnconfirmedError: it may or may not have been ordered; a person has to decide
        :raises StarVideosRecordError: the journal can't be read or written, or Airflow has begun another try
        :raises StarVideosLimitError: it is more, or longer, than is allowed; nothing was sent
        :raises StarVideosNotApprovedError: a person rejected it, or didn't answer in time
        :raises StarVideosQuestionError: a person has to be asked, and this try can't do it
        :raises StarVideosVideoFailedError: a person has named a video that failed; nothing was sent
        :raises StarVideosError: it wasn't accepted, for that reason
        """
        endpoint = self.hook.get_conn()
        fingerprint = request.fingerprint(endpoint.base_url)
        self.journal.load()
        self.journal.require(self.ordered)
        self._warn_of_others(fingerprint)
        order = self.journal.furthest(fingerprint)
        row = Row(1, request, order.key if order else key_of(fingerprint))
        variable = self.journal.name.decision(fingerprint)
        if order and order.state is OrderState.SENDING:
            order.become(OrderState.UNCONFIRMED, ENDED)
            self.journal.touch([order])
            self.journal.commit_surely()
        is_named = False  # by a person, just now
        # An order that is resumed was decided about, or needs no decision.
        if order is None or not order.video_id or order.state is OrderState.UNKNOWN:
            if order or self.journal.try_number > 1:
                is_named = carry_out_decision(self.hook, self.journal, variable, [row], self.log)
            order = self.journal.get(row.key)
        task = self._resumed(order, row, endpoint, variable, is_named=is_named) if order else None
        task = task or self._submitted(row, endpoint, variable)
        self.person.note_unused()
        return task

    def _resumed(
        self, order: Order, row: Row, endpoint: Endpoint, variable: str, *, is_named: bool = False
    ) -> VideoTask | None:
        """Return the video that an earlier try ordered, or None if it must be ordered (again).

        :param is_named: a person has just named it
        """
        if order.state is OrderState.UNCONFIRMED:
            if self.on_unconfirmed != "resubmit":
                what, sent_at = order.error or ENDED, order.sent_at or time.time()
                error = unconfirmed(row.request, endpoint.base_url, sent_at, what, how_to_decide(variable))
                return self._decided(error, order, row, endpoint, variable)
            self.log.warning(
                "An earlier try's order may have been accepted. It is sent again (on_unconfirmed='resubmit'). "
                "Billed again: perhaps."
            )
            order.become(OrderState.OPEN)
            return None
        if not order.video_id or order.state is OrderState.OPEN:
            order.become(OrderState.OPEN)
            return None
        try:
            task = self.hook.get_video(order.video_id)
        except StarVideosNotFoundError as error:
            return self._decided(self._forgotten(error, order, variable), order, row, endpoint, variable)
        if task.is_failed and is_named:  # who says that it was ordered hasn't asked for a second one
            raise StarVideosVideoFailedError(task.id, task.error or "the API gave no reason")
        if task.is_failed:
            failed = "StarVideos video %s of an earlier try failed (%s). A new one is ordered. Billed again: yes."
            self.log.warning(failed, task.id, task.error)
            order.become(OrderState.FAILED, task.error)
            order.amount = None if task.amount is None else amount_text(task.amount)
            order.become(OrderState.OPEN)
            return None
        self.log.info(
            "Resuming with StarVideos video %s (%s), which an earlier try ordered. Billed again: no.",
            task.id,
            task.status,
        )
        return task

    def _forgotten(self, error: StarVideosError, order: Order, variable: str) -> StarVideosUnknownVideoError:
        """Note that the API doesn't know the video, and return the error that says what to do."""
        order.become(OrderState.UNKNOWN, str(error))
        self.journal.touch([order])
        self.journal.commit_surely()
        return StarVideosUnknownVideoError(
            f"{error} An earlier try of this task ordered it, so it was billed. Nothing was sent again. "
            f"A retry asks for it once more. To go on without it:{how_to_decide(variable)}"
        )

    def _decided(
        self, error: StarVideosError, order: Order, row: Row, endpoint: Endpoint, variable: str
    ) -> VideoTask | None:
        """Return what a person makes of an order whose outcome, or whose video, is unknown.

        :param error: what is raised where the task doesn't ask, or where the person gives up
        """
        if self.on_unconfirmed != "ask":
            discard_earlier_decision(variable, self.log)
            raise error
        if not ask_about(self.person, self.hook, self.journal, variable, [row], self.log):
            raise StarVideosUnconfirmedError(f"A person gave up on this order. {error}", what=str(error)) from error
        return self._resumed(order, row, endpoint, variable, is_named=True)

    def _submitted(self, row: Row, endpoint: Endpoint, variable: str) -> VideoTask:
        check_limits([row], self.journal.times_ordered(), self.hook.starvideos_conn_id, endpoint)
        new = self.approval.needed(self.journal, [row])
        self.approval.obtain(self.person, self.journal, [row], new, self.log)
        submitter = Submitter(
            self.hook,
            endpoint,
            self.journal,
            self.lease,
            self.log,
            max_attempts=endpoint.max_retries + 1,
            names_rows=False,
            stopping=self.stopping,
            sleep=self.sleep,
        )
        halt = submitter.run([row], 1)
        if row.key in submitter.outcomes.accepted:
            return submitter.outcomes.accepted[row.key]
        error = submitter.outcomes.errors.get(row.key)
        if isinstance(error, StarVideosUnconfirmedError):
            return self._lost(error, row, endpoint, variable)
        if error is None or (halt and self.stopping()):
            raise StarVideosError("The task's process is being ended. Not billed: the order wasn't sent.") from error
        raise error

    def _lost(self, error: StarVideosUnconfirmedError, row: Row, endpoint: Endpoint, variable: str) -> VideoTask:
        """Return what a person makes of the order that this process has just lost."""
        if self.on_unconfirmed == "resubmit":
            raise _LostOrderError(
                f"Order outcome unknown: {error.what}\nBilled: perhaps once.\nThe next try of this task sends it "
                "again, as on_unconfirmed='resubmit' asks for.",
                what=error.what,
            ) from error
        unknown = StarVideosUnconfirmedError(f"{error}{how_to_decide(variable)}", what=error.what)
        task = self._decided(unknown, self.journal.open(row.key), row, endpoint, variable)
        return task or self._submitted(row, endpoint, variable)

    def _warn_of_others(self, fingerprint: str) -> None:
        for order in self.journal.orders():
            if fingerprint_of(order.key) != fingerprint and order.times_ordered:
                self.log.warning(
                    "An earlier try of this task ordered something else (%s; video %s). This request is a new order. "
                    "Billed again: yes. The other one is kept in the journal: ordered again, it is resumed.",
                    order.summary or "no summary",
                    order.video_id or "unknown, perhaps not accepted",
                )
