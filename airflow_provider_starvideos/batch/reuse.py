"""What a batch takes from its library instead of ordering it, and which run orders what isn't there.

A row that is in the library never reaches the submitter.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.batch.additions import Additions, Names
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.library.claims import Claims
from airflow_provider_starvideos.library.entry import Entry
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.spending import Spending
from airflow_provider_starvideos.orders.states import OrderState

AT_ONCE = 16  # claims that are written at once
LONGEST_PAUSE_SECONDS = 600.0  # between two checks whether another run has finished
HAS_NO_ORDER = (OrderState.OPEN, OrderState.NOT_SENT, OrderState.SAVED, OrderState.REUSED)
UNUSED = (OrderState.OPEN, OrderState.NOT_SENT, OrderState.REJECTED, OrderState.FAILED, OrderState.REUSED)


@dataclass
class Reuse:
    """A batch's use of a library."""

    library: Library
    claims: Claims  # who orders what isn't there
    journal: Journal  # loaded
    hook: StarVideosHook
    log: Any
    _: KW_ONLY
    refresh: Sequence[str]  # patterns of names, or of prompts of rows without one: those rows are ordered again
    head: bool  # ask the hosts of http(s) inputs whether these have changed
    poll_interval: float  # seconds until the first check whether another run has finished
    timeout: float  # seconds for which another run's video is waited for
    made_by: Mapping[str, Any]  # the task instance, for the documents
    keeps_there: bool  # no other destination: files stay in the library

    def __post_init__(self) -> None:
        self.names = Names(self.hook, self.log, head=self.head)
        self.additions = Additions(self.library, self.claims, self.names, self.hook, self.log, self.made_by)
        self.held: set[str] = set()  # keys of rows that aren't ordered now: another run, or another row, does it
        self.waiting_since: float | None = None  # epoch seconds since which another run is waited for
        self._is_waiting = False  # for another run
        self._made: set[str | None] = set()  # names of the videos that this task has added, over all tries
        self.price: Decimal | None = None  # of one video, on average

    # -- what is there

    def check(self) -> None:
        """Find out whether videos can be put into the library, before they are paid for.

        :raises StarVideosError: they can't
        """
        self.library.folder.place("check").check()

    def renew(self, orders: Iterable[Order]) -> None:
        """Keep the claims of orders whose videos a new try waits for, as long as those of new orders.

        :raises StarVideosError: the library can't be asked or written
        """
        if names := [order.entry for order in orders if order.entry]:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="starvideos-claim") as pool:
                list(pool.map(self.claims.take, names))

    def look_up(self, rows: Sequence[Row]) -> None:
        """Take what the library has of rows that aren't ordered. Those that it has are ``reused`` in the journal.

        :raises StarVideosError: the library, or the store of an input, can't be asked; nothing was sent
        """
        if not rows:
            return
        self.names.find(rows)
        names = {row.key: self.names.of(row) for row in rows}
        self.claims.load()
        self._made = {order.entry for order in self.journal.orders() if order.entry and order.state is OrderState.SAVED}
        found = self.library.look_up({name for row in rows if (name := names[row.key]) and self._reuses(row)})
        for row in rows:
            name = names[row.key]
            if problem := found.damaged.get(name or ""):
                what = "Row %d: its entry in the library can't be used: %s. It is ordered. Billed again: yes."
                self.log.warning(what, row.number, problem)
            if entry := found.entries.get(name or ""):
                self._take(row, entry)
        self.journal.commit_surely()
        prices = [price for entry in found.entries.values() if (price := entry.price) is not None]
        self.price = sum(prices, Decimal()) / len(prices) if prices else self.price

    def text(self, results: Iterable[tuple[Row, Order]]) -> str:
        """Return in one line what is new, what is reused, and what was spent of what is expected."""
        states = [order.state for _, order in results]
        reused = states.count(OrderState.REUSED)
        facts = f"{len(states) - reused} new, {reused} reused"
        spent = Spending.of(self.journal.orders()).amount or Decimal()
        if self.price is None:
            return facts + (f", {spent:.2f} spent" if spent else "")
        return f"{facts}, {spent:.2f} / {self.price * (len(states) - reused):.2f} spent"

    def _take(self, row: Row, entry: Entry) -> None:
        order = self.journal.open(row.key)
        order.describe(row)
        order.reuse(entry.video_id, self.library.uri_of(entry), entry.seconds)
        order.entry = entry.name
        if self.keeps_there:
            order.uri, order.size_bytes, order.sha256 = order.reused_from, entry.size_bytes, entry.sha256
        self.additions.entries[entry.name] = entry
        self.journal.touch([order])
        metrics.count("reused", self.hook.starvideos_conn_id)

    def _reuses(self, row: Row) -> bool:
        if self.names.of(row) in self._made:
            return True  # ordered again by this very task: an equal row, or a try that was killed
        return not any(fnmatchcase(row.name or row.request.prompt, pattern) for pattern in self.refresh)

    def without_twins(self, rows: Iterable[Row]) -> list[Row]:
        """Return rows without those whose video another row of the batch brings: ``to_order`` holds them."""
        first = self._busy()
        names = ((row, self.names.of(row)) for row in rows)
        return [row for row, name in names if name is None or first.setdefault(name, row.number) == row.number]

    # -- what isn't there

    def to_order(self, rows: Sequence[Row], slots: int) -> list[Row]:
        """Return the rows that this process orders now, each claimed: another run orders it no more.

        :param rows: those that aren't ordered
        :param slots: how many may be ordered, at most
        :raises StarVideosError: the library can't be asked or written; nothing was sent
        """
        awaited, self.held = self.held, set()
        # A person has decided about a row just now, or its video was added meanwhile, whatever became of its claim.
        self.look_up([row for row in rows if row.key in awaited or not self.names.knows(row)])
        busy = self._busy()
        left, chosen, is_waiting = deque(row for row in rows if not self._is_reused(row)), list[Row](), False
        while left and len(chosen) < slots:
            candidates: list[Row] = []
            while left and len(chosen) + len(candidates) < slots:
                row = left.popleft()
                name = self.names.of(row)
                if name is None:
                    chosen.append(row)
                elif name in busy:
                    self._hold(row, f"it is the same request as row {busy[name]}, which has an order")
                else:
                    busy[name] = row.number
                    (candidates if self._reuses(row) else chosen).append(row)
            mine, others = self._claimed(candidates)
            chosen += mine
            for row in others:
                if self._is_too_late():
                    self.log.warning("Row %d: another run hasn't finished it in time. It is ordered.", row.number)
                    chosen.append(row)
                else:
                    is_waiting = True
                    self._hold(row, "another run is ordering the same request")
        self._note_waiting(is_waiting=is_waiting)
        for row in chosen:
            self.journal.open(row.key).entry = self.names.of(row)  # written with the intent to send it
        return sorted(chosen, key=lambda row: row.number)

    def next_check(self) -> float | None:
        """Return the epoch seconds at which to check again whether another run has finished; None: none is awaited."""
        if self.waiting_since is None or not self._is_waiting:
            return None
        now = time.time()
        return now + min(LONGEST_PAUSE_SECONDS, max(self.poll_interval, now - self.waiting_since))

    def carry(self) -> dict[str, Any]:
        """Return what the worker run after a wait must know, as JSON."""
        return {"waiting_since": self.waiting_since, "price": None if self.price is None else str(self.price)}

    def restore(self, carried: Mapping[str, Any]) -> None:
        """Take what ``carry`` returned before a wait."""
        self.waiting_since = carried.get("waiting_since")
        self.price = Decimal(carried["price"]) if carried.get("price") else self.price

    def release_unused(self, rows: Iterable[Row]) -> None:
        """Let other runs order what this one has claimed, and hasn't ordered or can't get."""
        for row in rows:
            order = self.journal.get(row.key)
            if order and order.entry and order.state in UNUSED:
                self.claims.release(order.entry)

    def _claimed(self, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        """Claim rows; return those to order, and those that others order. One that is there by now is neither."""
        names = {row.key: self.names.of(row) or "" for row in rows}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="starvideos-claim") as pool:
            created = pool.map(self.claims.take, names.values())
            taken = {name for name, is_mine in zip(names.values(), created, strict=True) if is_mine}
            kept = self.claims.confirm(taken) if taken else set()
            # Only now: the run that had claimed it has written the entry before it gave the claim up.
            entries = dict(zip(kept, pool.map(self.library.find, kept), strict=True))
        mine: list[Row] = []
        others: list[Row] = []
        for row in rows:
            name = names[row.key]
            if entry := entries.get(name):
                self.claims.release(name)
                self._take(row, entry)
            else:
                (mine if name in kept else others).append(row)
        self.journal.commit_surely()
        return mine, others

    def _is_reused(self, row: Row) -> bool:
        order = self.journal.get(row.key)
        return order is not None and order.state is OrderState.REUSED

    def _busy(self) -> dict[str, int]:
        """Return the requests of this batch that have an order, each with its row."""
        orders = [one for one in self.journal.orders() if one.entry and one.state not in HAS_NO_ORDER]
        return {order.entry or "": order.row or 0 for order in orders}

    def _hold(self, row: Row, why: str) -> None:
        self.held.add(row.key)
        self.journal.open(row.key).become(OrderState.OPEN, why)

    def _is_too_late(self) -> bool:
        return self.waiting_since is not None and time.time() > self.waiting_since + self.timeout

    def _note_waiting(self, *, is_waiting: bool) -> None:
        self._is_waiting = is_waiting
        if is_waiting and self.waiting_since is None:
            self.waiting_since = time.time()
            self.log.info("Another run orders the same requests: its videos are waited for.")
        elif not is_waiting:
            self.waiting_since = None

    def take_added(self, rows: Iterable[Row]) -> list[tuple[Row, Order]]:
        """Return those of the held rows whose video was added meanwhile; they are ``reused`` now."""
        added = self.additions.entries
        ready = [(row, name) for row in rows if row.key in self.held and (name := self.names.of(row)) in added]
        for row, name in ready:
            self._take(row, added[name or ""])
        return [(row, self.journal.open(row.key)) for row, _ in ready]


def patterns_of(value: Any) -> tuple[str, ...]:
    """Return which rows are ordered again.

    :param value: a pattern (``shoe-*``), several with commas between them, a list, or a flag: all or none
    """
    from airflow_provider_starvideos.api.values import is_missing

    if isinstance(value, list | tuple | set):
        return tuple(pattern for one in value for pattern in patterns_of(one))
    text = "" if is_missing(value) else str(value).strip()
    if text.lower() in ("true", "false"):
        return ("*",) if text.lower() == "true" else ()
    return tuple(part for one in text.strip("[]").split(",") if (part := one.strip().strip("'\"")))
