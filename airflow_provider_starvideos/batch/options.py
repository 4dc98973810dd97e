"""How a batch is carried out, as the Dag's author asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_starvideos.orders.approval import NONE_NEEDED, Approval


@dataclass(frozen=True)
class Options:
    """How a batch is carried out; ``StarVideosBatchOperator`` explains each option."""

    max_submit_concurrency: int
    max_in_flight: int
    max_failures: int | float
    retry_failed: bool
    resubmit: bool
    poll_interval: float
    timeout: float
    save_interval: float
    max_orders: int | None = None
    asks: bool = False
    approval: Approval = NONE_NEEDED
