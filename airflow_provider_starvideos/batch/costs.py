"""What a batch's orders cost: counted in metrics, summed up at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.models import amount_text
from airflow_provider_starvideos.orders.record import Order
from airflow_provider_starvideos.orders.spending import Spending
from airflow_provider_starvideos.orders.states import OrderState


def count_ended(orders: Iterable[Order], connection: str) -> None:
    """Note in the metrics how videos ended.

    :param orders: whose wait has ended just now
    :param connection: the Airflow connection's id
    """
    for order in orders:
        if order.state is OrderState.COMPLETED:
            amount = None if order.amount is None else Decimal(order.amount)
            metrics.completed(connection, order.sent_at, seen_at=order.completed_at, amount=amount)
        elif order.state is OrderState.FAILED:
            metrics.count("failed", connection)


def counts_of(orders: Sequence[Order]) -> dict[str, Any]:
    """Return how many rows there are, in all and in each state; and what was billed for them, if the API said any.

    ``amount`` is a decimal as text, over all tries; ``amount_unknown`` is how many of the rows' orders it doesn't hold,
    because the API didn't say theirs.

    :param orders: one of each row
    """
    states = Counter(str(order.state) for order in orders)
    counts: dict[str, Any] = {"rows": len(orders), **dict(sorted(states.items()))}
    spending = Spending.of(orders)
    if spending.amount is not None:
        counts |= {"amount": amount_text(spending.amount), "amount_unknown": spending.amount_unknown}
    return counts
