"""All orders, and what they cost. Decides an order's status, by the clock or by a command."""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections import Counter
from typing import Any

from airflow_provider_starvideos.emulator.event_log import Journal
from airflow_provider_starvideos.emulator.order import FINAL, STATUSES, Input, Order
from airflow_provider_starvideos.emulator.request_rules import Accepted
from airflow_provider_starvideos.emulator.settings import Settings

QUEUED_SHARE = 0.15  # of a generation's time
DEFAULT_ERROR = "The video could not be generated."

_FAIL = re.compile(r"\[fail(?::\s*(?P<message>[^\]]*))?\]")


class Orders:
    """All orders. Lives on the event loop, not thread-safe.

    :param journal: gets an entry for every acceptance and every change of status.
    :param random_source: draws times and failures.
    """

    def __init__(self, journal: Journal, random_source: random.Random) -> None:
        self._journal = journal
        self._random = random_source
        self._orders: dict[str, Order] = {}

    def accept(self, body: dict[str, Any], accepted: Accepted, settings: Settings) -> Order:
        """Accept a request: from here on it is billed, and can't be stopped."""
        now = asyncio.get_running_loop().time()
        total = None if settings.seconds is None else self._random.uniform(*settings.seconds)
        names = (("referenceImages", accepted.images), ("referenceVideos", accepted.videos))
        inputs = [Input(name, url) for name, urls in names for url in urls]
        inputs += [Input(name, url) for name, url in zip(("first_image", "last_image"), accepted.frames, strict=False)]
        order = Order(
            id=f"video_{uuid.uuid4()}",
            request=body,
            accepted=accepted,
            inputs=inputs,
            accepted_at=time.time(),
            processing_due=now + (total or 0) * QUEUED_SHARE,
            final_due=None if total is None else now + total,
            outcome=self._draw_outcome(accepted.prompt, settings.fail_rate),
        )
        self._orders[order.id] = order
        self._journal.add(
            "accepted",
            id=order.id,
            prompt=accepted.prompt,
            mode=accepted.mode.name,
            ignored=list(accepted.ignored) or None,
        )
        self._schedule(order)
        return order

    def _draw_outcome(self, prompt: str, fail_rate: float) -> str | None:
        asked = _FAIL.search(prompt)
        if asked:
            return (asked["message"] or "").strip() or DEFAULT_ERROR
        return DEFAULT_ERROR if self._random.random() < fail_rate else None

    def get(self, video_id: str) -> Order | None:
        """Return an order with its status as of now, or None."""
        order = self._orders.get(video_id)
        if order is not None:
            self.refresh(order)
        return order

    def all(self, newest: int | None = None) -> list[Order]:
        """Return orders, oldest first, with their status as of now.

        :param newest: only so many, the newest; None for all.
        """
        found = list(self._orders.values())[-newest if newest else None :]
        for order in found:
            self.refresh(order)
        return found

    def refresh(self, order: Order) -> None:
        """Bring an order's status up to the clock."""
        if order.status in FINAL:
            return
        now = asyncio.get_running_loop().time()
        if order.status == "queued" and now >= order.processing_due:
            self._become(order, "processing")
        if (
            order.status == "processing"
            and not order.waiting
            and order.final_due is not None
            and now >= order.final_due
        ):
            self._become(order, "failed" if order.outcome else "completed", order.outcome)

    def force(self, order: Order, status: str, error: str | None = None) -> None:
        """Put an order into a status, whatever the clock says. Anything but a final one then holds."""
        order.final_due = None
        order.processing_due = float("inf") if status == "queued" else 0.0
        self._become(order, status, error or DEFAULT_ERROR if status == "failed" else None)
        self._schedule(order)

    def settle(self, order: Order, failure: str | None = None) -> None:
        """Note that an order's references are there, or why it will fail without them."""
        order.waiting = False
        order.outcome = failure or order.outcome
        self.refresh(order)

    def billed(self) -> tuple[int, float]:
        """Return what was billed: videos, failed ones too, and their seconds."""
        return len(self._orders), sum(order.seconds for order in self._orders.values())

    def by_status(self) -> dict[str, int]:
        """Return how many orders have each status."""
        counted = Counter(order.status for order in self.all())
        return {status: counted[status] for status in STATUSES}

    def clear(self) -> None:
        """Forget every order."""
        for order in self._orders.values():
            if order.timer:
                order.timer.cancel()
        self._orders.clear()

    def _become(self, order: Order, status: str, error: str | None = None) -> None:
        order.status, order.error = status, error
        order.completed_at = time.time() if status == "completed" else None
        order.failed_at = time.time() if status == "failed" else None
        self._journal.add("status", id=order.id, prompt=order.accepted.prompt, status=status, error=error)

    def _schedule(self, order: Order) -> None:
        """Set one timer for an order's next change, so that its journal entry comes without a query."""
        if order.timer:
            order.timer.cancel()
        due = order.processing_due if order.status == "queued" else order.final_due
        order.timer = None
        if order.status not in FINAL and due is not None and due != float("inf"):
            loop = asyncio.get_running_loop()
            # The loop may fire a timer a clock tick early; then refresh() would find nothing due.
            order.timer = loop.call_at(due + 0.001, self._tick, order)

    def _tick(self, order: Order) -> None:
        before = order.status
        self.refresh(order)
        if order.status != before:
            self._schedule(order)
