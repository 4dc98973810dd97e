"""What is sent to Airflow's own metrics (StatsD, OpenTelemetry). Every name and its tags are in the table here.

Tags are few: the connection, and one of six modes. No ids, Dags or tasks: their number has no bound.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from airflow_provider_starvideos.api.models import GenerationMode

log = logging.getLogger(__name__)

METRICS: Mapping[str, str] = {
    "starvideos.ordered": "orders that the API accepted; tags: connection, mode",
    "starvideos.unconfirmed": "orders whose outcome is unknown; tags: connection, mode",
    "starvideos.completed": "completed videos that a task got; tag: connection",
    "starvideos.failed": "failed videos that a task got; tag: connection",
    "starvideos.seconds": "a timing: from a video's order until it is seen completed; tag: connection",
    "starvideos.polls": "polls of a video while a task waits for it in the triggerer; tag: connection",
    "starvideos.rate_limit_pauses": "pauses of all polls that the API asked for (429); tag: connection",
    "starvideos.amount_micros": "millionths of what the API said was billed for completed videos; tag: connection",
    "starvideos.reused": "rows whose video was in the library, so that nothing was ordered; tag: connection",
    "starvideos.saved_bytes": "bytes of saved videos; tag: connection",
}


def count(name: str, connection: str, value: int = 1, mode: GenerationMode | None = None) -> None:
    """Add to a counter.

    :param name: after ``starvideos.``
    """
    _send("incr", name, value, {"connection": connection} | ({"mode": mode.name.lower()} if mode else {}))


def completed(
    connection: str, created: float | None, *, seen_at: float | None = None, amount: Decimal | None = None
) -> None:
    """Note a completed video that a task got.

    :param created: epoch seconds of its order, if they are known
    :param seen_at: epoch seconds at which it was seen completed; None: now
    :param amount: what was billed for it; None: not known, and nothing is counted
    """
    count("completed", connection)
    if created:
        took = timedelta(seconds=max(0.0, (seen_at or time.time()) - created))
        _send("timing", "seconds", took, {"connection": connection})
    if amount is not None:
        count("amount_micros", connection, round(amount * 1_000_000))  # some StatsD servers cut decimals off


def _send(kind: str, name: str, value: Any, tags: dict[str, str]) -> None:
    full = f"starvideos.{name}"
    if full not in METRICS:
        raise KeyError(f"{full} isn't in the table of metrics")
    try:
        from airflow.providers.common.compat.sdk import Stats

        getattr(Stats, kind)(full, value, tags=tags)
    except Exception as error:  # noqa: BLE001  a metric that can't be sent must not cost an order
        log.warning("The metric %s can't be sent: %r", full, error)
