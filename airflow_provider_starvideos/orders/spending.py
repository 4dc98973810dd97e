"""What a task has spent over all of its tries, out of its journal. What isn't known is counted as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_starvideos.api.models import amount_text
from airflow_provider_starvideos.orders.record import Order, counted

SPENDING_KEY = "spending"


@dataclass(frozen=True)
class Spending:
    """What a task has spent. A video that failed and was ordered again counts twice."""

    orders: int = 0  # those that the API accepted
    unconfirmed: int = 0  # sent, outcome unknown: perhaps accepted, so perhaps billed; not among ``orders``
    seconds_ordered: int = 0  # of ``orders`` and ``unconfirmed`` whose length is known
    seconds_unknown: int = 0  # how many of those have a length that isn't known: videos as long as their clips
    videos: int = 0  # completed, of those orders
    reused: int = 0  # videos out of the library: they cost nothing again, and aren't among ``videos``
    seconds_delivered: float = 0.0  # of the completed videos whose length the API said
    delivered_unknown: int = 0  # how many completed videos have a length that the API didn't say
    # what was billed in all, as far as the API said it; None: it said nothing of any order
    amount: Decimal | None = None
    amount_unknown: int = 0  # how many of ``orders`` the API said no amount of; they aren't in ``amount``

    @classmethod
    def of(cls, orders: Iterable[Order]) -> Spending:
        """Return what orders have cost.

        :param orders: all that the task's journal has, also of rows that aren't asked for any more
        """
        total = cls()
        for order in orders:
            total += cls._of_one(order)
        return total

    @classmethod
    def _of_one(cls, order: Order) -> Spending:
        times, has_video = order.times_ordered, order.has_video and not order.reused_from
        unconfirmed = min(times, (order.resubmitted or 0) + order.is_unresolved)
        amounts = [Decimal(one) for one in (order.earlier_amount, order.amount) if one is not None]
        known = (order.earlier_amounts or 0) + (order.amount is not None)
        return cls(
            orders=times - unconfirmed,
            unconfirmed=unconfirmed,
            seconds_ordered=times * (order.seconds or 0),
            seconds_unknown=times if order.seconds is None else 0,
            videos=int(has_video),
            reused=int(bool(order.reused_from)),
            seconds_delivered=(order.duration or 0.0) if has_video else 0.0,
            delivered_unknown=int(has_video and order.duration is None),
            amount=sum(amounts, Decimal()) if amounts else None,
            amount_unknown=max(0, times - unconfirmed - known),
        )

    def __add__(self, other: Spending) -> Spending:
        """Return both together."""
        amounts = [one for one in (self.amount, other.amount) if one is not None]
        mine, others = vars(self), vars(other)
        added = {name: mine[name] + others[name] for name in mine if name != "amount"}
        return Spending(**added, amount=sum(amounts, Decimal()) if amounts else None)

    def with_video(self, duration: float | None, amount: Decimal | None) -> Spending:
        """Return the spending after one of the orders has become a video.

        :param duration: its seconds, as the API said them
        :param amount: what was billed for it, as the API said it
        """
        return self + Spending(
            videos=1,
            seconds_delivered=duration or 0.0,
            delivered_unknown=int(duration is None),
            amount=amount,
            amount_unknown=-1 if amount is not None else 0,
        )

    def text(self) -> str:
        """Return it in one line, for the log."""
        facts = [counted(self.orders, "order"), f"{self.seconds_ordered} s ordered"]
        facts += [f"{self.unconfirmed} perhaps accepted"] if self.unconfirmed else []
        facts += [f"{self.seconds_unknown} as long as their clips"] if self.seconds_unknown else []
        facts += [f"{counted(self.reused, 'video')} out of the library"] if self.reused else []
        facts += [counted(self.videos, "video"), f"{self.seconds_delivered:g} s delivered"]
        unknown = f"{counted(self.amount_unknown, 'order')} without a known amount"
        if self.amount is None:
            facts.append("amount unknown")
        else:
            facts += [f"amount {amount_text(self.amount)}"] + ([unknown] if self.amount_unknown else [])
        return f"Spent by this task, over all tries: {', '.join(facts)}."

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object: the XCom ``spending``. ``amount`` is a decimal as text, exact, or None."""
        return asdict(self) | {"amount": None if self.amount is None else amount_text(self.amount)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spending:
        """Read it. Keys that a later version added are left out.

        :raises ArithmeticError: ``amount`` isn't a decimal
        """
        known = {name: one for name, one in value.items() if name in cls.__dataclass_fields__}
        amount = known.get("amount")
        return cls(**known | {"amount": None if amount is None else Decimal(amount)})
