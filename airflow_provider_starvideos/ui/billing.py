"""What tasks and runs were billed, over all tries: out of the XCom ``spending``, else out of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider_starvideos.api.models import amount_text
from airflow_provider_starvideos.orders.spending import SPENDING_KEY, Spending
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.records import orders_in

COUNTED = ("orders", "unconfirmed", "seconds_ordered", "seconds_unknown", "amount_unknown")


def billed(tasks: Iterable[Task]) -> str | None:
    """Return in one line what tasks were billed; None: nothing was ordered, as far as it is known."""
    total = dict.fromkeys(COUNTED, 0)
    amounts: list[Decimal] = []
    alone = 0  # orders of which no more is read here
    for task in tasks:
        if task.kind not in (Kind.ORDER, Kind.BATCH):
            continue
        spent = _of_task(task)
        if spent is None:
            alone += isinstance(task.xcoms.get("video_id"), str)
            continue
        for name in COUNTED:
            value = spent.get(name)
            total[name] += int(value) if isinstance(value, int | float) and abs(value) < 1e15 else 0
        if (amount := _decimal(spent.get("amount"))) is not None:
            amounts.append(amount)
    for name in ("orders", "seconds_unknown", "amount_unknown"):
        total[name] += alone
    if not total["orders"] and not total["unconfirmed"]:
        return None
    return ", ".join(_facts(total, sum(amounts, Decimal()) if amounts else None))


def _facts(total: Mapping[str, int], amount: Decimal | None) -> list[str]:
    orders, unconfirmed = total["orders"], total["unconfirmed"]
    facts = [f"{orders} order{'s' * (orders != 1)}"] if orders else []
    facts += [f"{unconfirmed} {'more ' * bool(orders)}that may have been billed"] if unconfirmed else []
    if total["seconds_ordered"]:
        facts.append(f"{total['seconds_ordered']} s")
    if total["seconds_unknown"]:
        facts.append(f"{total['seconds_unknown']} of unknown length")
    if amount is not None:
        facts.append(f"amount {amount_text(amount)}")
    if total["amount_unknown"] > 0:
        facts.append(f"{total['amount_unknown']} of unknown amount")
    return facts


def _of_task(task: Task) -> Mapping[str, Any] | None:
    if isinstance(spent := task.value(SPENDING_KEY), dict):
        return spent
    if orders := orders_in(task.journal):
        return Spending.of(orders).to_json()
    return None  # the journal isn't read for each of a run's thousands of tasks


def _decimal(value: Any) -> Decimal | None:
    try:
        found = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:  # users may edit XComs
        return None
    return found if found is None or found.is_finite() else None
