"""Who is told of an order that is being sent: the ledger, which lies above the hook."""

from __future__ import annotations

from typing import Protocol


class OrderWitness(Protocol):
    """Is told what happens to an order, so that it can be put on record."""

    def before_sending(self) -> None:
        """The order is sent next; an error raised here keeps it back."""

    def withdraw(self) -> None:
        """The order was sent and provably wasn't accepted."""
