"""A batch's rows, each with its order in the journal: which may be ordered, which are made, what became of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.api.models import amount_text
from airflow_provider_starvideos.batch.matching import match
from airflow_provider_starvideos.batch.rows import digest_of
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.spending import Spending
from airflow_provider_starvideos.orders.states import OrderState


@dataclass
class RowOrders:
    """Rows and their orders."""

    rows: Sequence[Row]  # checked
    journal: Journal  # loaded

    def match(self, *, new_try: bool) -> None:
        """Give each row the key of its order; see ``matching.match``."""
        self.rows = match(self.rows, self.journal.orders(), new_try=new_try)
        self.journal.rows = len(self.rows)

    @property
    def digest(self) -> str:
        """A digest of what is ordered, in its order."""
        return digest_of(self.rows)

    @property
    def decision_variable(self) -> str:
        """The Airflow Variable of a person's decision about rows of unknown outcome."""
        # It names rows by their numbers, which other rows may have after some were added or removed.
        return self.journal.name.decision(" ".join(f"{row.number}:{row.key}" for row in self.rows))

    def all(self) -> list[tuple[Row, Order | None]]:
        """Return every row with its order; None: it has none yet."""
        return [(row, self.journal.get(row.key)) for row in self.rows]

    def known(self) -> Iterator[tuple[Row, Order]]:
        """Yield the rows that have an order."""
        for row, order in self.all():
            if order is not None:
                yield row, order

    def open(self) -> list[Row]:
        """Return the rows that aren't ordered."""
        return [row for row, order in self.all() if order is None or order.state is OrderState.OPEN]

    def ordered(self) -> list[Order]:
        """Return the orders whose videos are made now."""
        return [order for _, order in self.known() if order.state is OrderState.ORDERED]

    def unsaved(self) -> list[tuple[Row, Order]]:
        """Return the rows whose video is still to be saved, or to be copied out of the library."""
        return [
            (row, order)
            for row, order in self.known()
            if order.state is OrderState.COMPLETED or (order.state is OrderState.REUSED and not order.uri)
        ]

    # -- what became of them

    def results(self) -> list[tuple[Row, Order]]:
        """Return every row with its order."""
        return [(row, order or Order(row.key)) for row, order in self.all()]

    def ids(self) -> list[str | None]:
        """Return the ids of the completed videos in the order of the rows; None for a row without one."""
        return [order.video_id if order.has_video else None for _, order in self.results()]

    def uris(self) -> list[str | None]:
        """Return where the rows' files are, in their order; None for a row without one."""
        return [order.uri for _, order in self.results()]

    def counts(self) -> dict[str, Any]:
        """Return how many rows there are, in all and in each state; and what was billed for them, if the API said any.

        ``amount`` is a decimal as text, over all tries; ``amount_unknown`` is how many of the rows' orders it doesn't
        hold, because the API didn't say theirs.
        """
        orders = [order for _, order in self.results()]
        states = Counter(str(order.state) for order in orders)
        counts: dict[str, Any] = {"rows": len(orders), **dict(sorted(states.items()))}
        spending = Spending.of(orders)
        if spending.amount is not None:
            counts |= {"amount": amount_text(spending.amount), "amount_unknown": spending.amount_unknown}
        return counts

    def spending(self) -> Spending:
        """Return what the task has spent over all of its tries."""
        return Spending.of(self.journal.orders())
