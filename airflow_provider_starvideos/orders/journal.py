"""The journal of one task instance's orders, over all of its tries.

Each try has a page, and only the process of that try writes it. So a process that was given up for dead, and wakes
up, can overwrite nothing of what a later try knows; and nothing that is known of an order is deleted before the task
has succeeded. A later try reads all pages, the newest first. A page holds the orders that its try has changed, some
dozens in each part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosRecordError
from airflow_provider_starvideos.orders.record import Order, fingerprint_of
from airflow_provider_starvideos.orders.states import FURTHEST_FIRST, OrderState
from airflow_provider_starvideos.orders.store import JournalName, Store, try_of

PART_ORDERS = 48
WRITE_ATTEMPTS = 5
WRITE_SECONDS = 2.0  # between two attempts to write an id that was paid for
MOST_PARTS = 3000  # 100,000 rows have 2,084


class Journal:
    """All orders of a task instance.

    :param store: where it is kept
    :param name: of its Variables
    :param try_number: of the running try: its page is the one that is written
    :param unrecorded: orders of earlier tries that aren't in it, at most
    :param sleep: how to wait between two attempts to write
    """

    def __init__(
        self,
        store: Store,
        name: JournalName,
        try_number: int,
        log: Any,
        *,
        unrecorded: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.try_number = try_number
        self.rows: int | None = None  # of a batch, for the UI while it runs
        self.writes = 0
        self._store = store
        self._log = log
        self._unrecorded = unrecorded
        self._sleep = sleep
        self._orders: dict[str, Order] = {}
        self._own: dict[str, int] = {}  # key → position on this try's page
        self._older: set[str] = set()  # keys on the pages of earlier tries
        self._changed: set[int] = set()  # parts of this try's page
        self._found: dict[str, list[str]] = {}  # Variables that there are → the keys of their orders

    # -- reading

    def load(self) -> None:
        """Read all pages.

        :raises StarVideosRecordError: one can't be read
        """
        names = self._names()
        tries = range(1, self.try_number + 1) if names is None else {number for one in names if (number := try_of(one))}
        for number in sorted(tries, reverse=True):
            for order in self._read_page(number, names):
                self._merge(order)
        if self.name.base in names if names is not None else self.try_number > 1:
            self._load_first_version(is_listed=names is not None)

    def get(self, key: str) -> Order | None:
        """Return an order, if it is known."""
        return self._orders.get(key)

    def orders(self) -> Sequence[Order]:
        """Return all known orders, the newest first."""
        return tuple(self._orders.values())

    def furthest(self, fingerprint: str) -> Order | None:
        """Return the order of a request that came furthest, if there is one."""
        equal = [order for order in self._orders.values() if fingerprint_of(order.key) == fingerprint]
        return min(equal, key=lambda order: FURTHEST_FIRST.index(order.state), default=None)

    def times_ordered(self) -> int:
        """Return how many orders of the task instance were accepted, or perhaps accepted, over all of its tries."""
        return self._unrecorded + sum(order.times_ordered for order in self._orders.values())

    def require(self, orders: int) -> None:
        """Check that nothing was lost since an earlier process of this try.

        :param orders: what ``times_ordered`` returned there
        :raises StarVideosRecordError: the journal lacks orders
        """
        if (lacking := orders - self.times_ordered()) > 0:
            raise StarVideosRecordError(
                f"The journal of this task's orders lacks {lacking} orders that it held when the wait began (was a "
                "Variable deleted?). Billed: yes, once. Nothing more is sent."
            )

    def settled_names(self) -> list[str]:
        """Return the Variables that the task's success settles: whoever ends the task deletes them."""
        return [name for name, keys in self._found.items() if not any(self._orders[key].is_unresolved for key in keys)]

    # -- writing

    def open(self, key: str) -> Order:
        """Return an order; a new one if it isn't known."""
        return self._orders.setdefault(key, Order(key))

    def touch(self, orders: Iterable[Order]) -> None:
        """Note that orders have changed, for the next ``commit``."""
        for order in orders:
            self._changed.add(self._own.setdefault(order.key, len(self._own)) // PART_ORDERS)

    def spreads(self, orders: Iterable[Order]) -> bool:
        """Return whether a commit of these orders, with all changes noted before, is more than one write."""
        new = count(len(self._own))
        positions = [self._own[order.key] if order.key in self._own else next(new) for order in orders]
        return len(self._changed | {position // PART_ORDERS for position in positions}) > 1

    def commit(self) -> None:
        """Write all changes.

        :raises StarVideosRecordError: they can't be written; all of them stay noted for the next commit
        """
        for part in sorted(self._changed):
            self._write_part(part)
            self._changed.discard(part)

    def commit_surely(self) -> None:
        """Write all changes, with several attempts: ids are among them that were paid for.

        :raises StarVideosRecordError: none of them worked
        """
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            try:
                self.commit()
            except StarVideosRecordError as error:
                if attempt == WRITE_ATTEMPTS:
                    raise
                self._log.error(
                    "The journal of orders can't be written (attempt %d of %d): %s. Videos in it: %s.",
                    attempt,
                    WRITE_ATTEMPTS,
                    error.__cause__,
                    ", ".join(order.video_id for order in self._changed_orders() if order.video_id) or "none",
                )
                self._sleep(WRITE_SECONDS)
            else:
                return

    def forget(self) -> None:
        """Delete what the task's success has settled: to run it again means new videos. An unknown outcome stays."""
        unresolved = [order for order in self._orders.values() if order.is_unresolved]
        kept = self.name.page(self.try_number)
        if unresolved:
            self._store.write(kept, self._page(unresolved))
        for name in reversed(self._found):
            if not unresolved or name != kept:
                self._store.delete(name)
        self._found.clear()

    # -- pages

    def _names(self) -> list[str] | None:
        """Return the Variables that there are; None: this Airflow can't list them, and they are read one by one.

        A read isn't proof that there is none: an api-server whose database doesn't answer says so, too.
        """
        try:
            return self._store.names(self.name.base)
        except Exception as error:
            raise _unreadable(self.name.base, error) from error

    def _read_page(self, number: int, names: list[str] | None) -> list[Order]:
        orders: list[Order] = []
        for part in range(MOST_PARTS):
            name = self.name.page(number, part)
            if names is not None and name not in names:
                break
            page = self._read(name)
            if page is None and names is None:
                break
            if page is None:
                raise _unreadable(name, KeyError("it is listed, and isn't there"))
            try:
                found = [Order.from_json(value) for value in page["orders"]]
                is_last = len(found) < int(page["size"])
            except (TypeError, KeyError, ValueError, ArithmeticError) as error:
                raise _unreadable(name, error) from error
            self._found[name] = [order.key for order in found]
            if number == self.try_number:
                self._own.update({order.key: len(self._own) + index for index, order in enumerate(found)})
            else:
                self._older.update(order.key for order in found)
            self.rows = self.rows if self.rows is not None else page.get("rows")
            orders += found
            if is_last:
                break
        return orders

    def _merge(self, older: Order) -> None:
        """Take an order of an older page, unless a newer page has it.

        A process that was given up may have got the answer later, and written the id on its own page.
        """
        newer = self._orders.setdefault(older.key, older)
        if newer is older or newer.video_id or not older.video_id or newer.sent_at != older.sent_at:
            return
        self._orders[older.key] = older

    def _load_first_version(self, *, is_listed: bool) -> None:
        name = self.name.base
        value = self._read(name)
        if value is None and is_listed:
            raise _unreadable(name, KeyError("it is listed, and isn't there"))
        if value is None:
            return
        try:
            order = Order.of_first_version(value)
        except TypeError as error:
            raise _unreadable(name, error) from error
        self._found[name] = [order.key]
        self._older.add(order.key)
        self._merge(order)

    def _write_part(self, part: int) -> None:
        own = [self._orders[key] for key in self._own]
        orders = own[part * PART_ORDERS : (part + 1) * PART_ORDERS]
        name = self.name.page(self.try_number, part)
        if len(own) <= PART_ORDERS and all(map(self._is_nothing, orders)):
            if name in self._found:  # a refused order leaves nothing behind
                self._do("deleted", lambda: self._store.delete(name))
                del self._found[name]
            return
        # First: a write that seems to have failed may have been made.
        self._found[name] = [order.key for order in orders]
        self._do("written", lambda: self._store.write(name, self._page(orders)))
        self.writes += 1

    def _page(self, orders: Sequence[Order]) -> dict[str, Any]:
        page = {"version": 1, "size": PART_ORDERS, "orders": [order.to_json() for order in orders]}
        return page if self.rows is None else page | {"rows": self.rows}

    def _is_nothing(self, order: Order) -> bool:
        is_known = order.times_ordered or order.approved or order.key in self._older
        return order.state is OrderState.OPEN and not is_known

    def _changed_orders(self) -> list[Order]:
        return [self._orders[key] for key, position in self._own.items() if position // PART_ORDERS in self._changed]

    def _do(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:
            raise StarVideosRecordError(
                f"The journal of this task's orders can't be {what} ({type(error).__name__}: {error}). "
                "Without it a video might be billed twice, so nothing more is sent. A retry of the task goes on."
            ) from error

    def _read(self, name: str) -> Any | None:
        try:
            return self._store.read(name)
        except Exception as error:
            raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> StarVideosRecordError:
    return StarVideosRecordError(
        f"The journal of this task's orders, the Airflow Variable {name}, can't be read "
        f"({type(error).__name__}: {error}). "
        "Without it a video might be billed twice, so nothing was sent. A retry of the task reads it again."
    )
