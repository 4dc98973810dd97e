"""How a try of a batch begins, with what became of each row's order in earlier tries; and how it may continue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_starvideos.batch.matching import warn_of_others
from airflow_provider_starvideos.batch.row_orders import RowOrders
from airflow_provider_starvideos.batch.saver import Saving
from airflow_provider_starvideos.exceptions import StarVideosRecordError, StarVideosRequestsChangedError
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.single import ENDED
from airflow_provider_starvideos.orders.states import STATES, OrderState


def resume_orders(rows: RowOrders, saving: Saving | None, log: Any, *, retry_failed: bool) -> None:
    """Put each row's order into the state in which this try continues with it, and write that.

    :param rows: their orders are matched here
    :param saving: saves videos; None: they aren't saved
    :param retry_failed: order rows again whose video failed
    :raises StarVideosRecordError: the journal can't be written
    """
    journal = rows.journal
    before = {order.key: (order.row, order.leftover, order.state) for order in journal.orders()}
    rows.match(new_try=True)
    warn_of_others(rows.rows, journal.orders(), log)
    for order in journal.orders():
        order.row = None  # the rows of this try set theirs below
    found = Counter(_resume(row, order, saving, log, retry_failed=retry_failed) for row, order in rows.known())
    if found:
        facts = ", ".join(f"{number} {text}" for text, number in found.items())
        log.info("Orders of earlier tries: %s. Those that were accepted aren't ordered again.", facts)
    after = ((order, (order.row, order.leftover, order.state)) for order in journal.orders())
    journal.touch(order for order, now in after if now != before[order.key])
    journal.commit_surely()


def _resume(row: Row, order: Order, saving: Saving | None, log: Any, *, retry_failed: bool) -> str:
    """Put an order into its next state, and return that in words."""
    order.describe(row)
    again = STATES[order.state].again
    if order.state is OrderState.SENDING:
        order.become(OrderState.UNCONFIRMED, ENDED)
    elif order.state is OrderState.FAILED and retry_failed:
        failed = "Row %d: video %s of an earlier try failed (%s). A new one is ordered. Billed again: yes."
        log.info(failed, row.number, order.video_id, order.error)
        order.become(OrderState.OPEN)
    elif order.state is OrderState.SAVED and saving and not saving.is_under_its_name(row, order):
        log.warning("Row %d has another name now: its video is saved again.", row.number)
        order.become(OrderState.COMPLETED)
    elif order.state is OrderState.REUSED and not is_in_place(row, order, saving):
        order.become(OrderState.OPEN)
    elif again and order.state is not OrderState.UNKNOWN:  # a person may have decided about that
        order.become(again)
    return STATES[order.state].text


def is_in_place(row: Row, order: Order, saving: Saving | None) -> bool:
    """Return whether a reused video is where the row wants it.

    :param saving: saves videos; None: they aren't saved
    """
    return bool(order.uri) and not (saving and not saving.is_under_its_name(row, order))


def continue_undecided(rows: RowOrders, log: Any, *, resubmit: bool) -> None:
    """Continue with orders that no person has decided about, where that costs nothing or the Dag's author asks for it.

    :param resubmit: send orders of unknown outcome again
    :raises StarVideosRecordError: the journal can't be written
    """
    changed = []
    for row, order in rows.known():
        if order.state is OrderState.UNKNOWN:
            order.become(OrderState.ORDERED)
            changed.append(order)
        elif order.state is OrderState.UNCONFIRMED and resubmit:
            again = "Row %d: an earlier try's order may have been accepted. It is sent again. Billed again: perhaps."
            log.warning(again, row.number)
            order.become(OrderState.OPEN)
            changed.append(order)
    rows.journal.touch(changed)
    rows.journal.commit_surely()


def check_continues(rows: RowOrders, carry: Mapping[str, Any], videos: Iterable[str]) -> None:
    """Check that a worker run has the requests and the journal that the one before it had.

    :param rows: with their orders
    :param carry: what ``Batch.carry`` returned before the wait
    :param videos: ids of the videos that were waited for
    :raises StarVideosRequestsChangedError: the requests aren't those that this try began with
    :raises StarVideosRecordError: the journal lacks orders
    """
    if carry.get("digest") != rows.digest:
        raise StarVideosRequestsChangedError(
            "The batch's requests aren't the same as when this try began (a template with the time or with chance "
            "in it, or a file that was changed?), so nothing more was ordered. The journal keeps what was ordered. "
            "Make the requests the same in each rendering, and clear the task: it continues from there."
        )
    known = {order.video_id for order in rows.journal.orders()}
    if missing := [video_id for video_id in videos if video_id not in known]:
        raise StarVideosRecordError(
            f"The journal of this task's orders lacks {len(missing)} videos that it held when the wait began, such "
            f"as {missing[0]} (was a Variable deleted?). Billed: yes, once. Nothing more is sent."
        )
    rows.journal.require(carry.get("orders", 0))
