"""The journal of the running task instance: opened, and deleted once Airflow has recorded the task's success."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.compat.success import after_success
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.store import Store, VariableStore, journal_name


class NoStore:
    """Keeps nothing: for orders without a journal (``durable=False``)."""

    def names(self, base: str) -> list[str]:
        """Return none."""
        return []

    def read(self, name: str) -> None:
        """Return nothing."""

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keep nothing."""

    def delete(self, name: str) -> None:
        """Keep nothing."""


def open_journal(context: Context, log: Any, *, is_kept: bool = True) -> Journal:
    """Return the journal of the running task instance; it isn't loaded yet.

    :param is_kept: False: what is written to it is gone with this process
    """
    ti = context["ti"]
    name = journal_name(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
    store: Store = VariableStore(f"Open StarVideos orders of {name.subject}") if is_kept else NoStore()
    try_number = max(1, ti.try_number or 1)
    # Without a journal each earlier try counts as an order: it may have been one, and there is a limit to be held.
    return Journal(store, name, try_number, log, unrecorded=0 if is_kept else try_number - 1)


def forget_after_success(operator: Any, journal: Journal) -> None:
    """Have the journal deleted once Airflow has recorded the task's success.

    :param operator: the running task
    :param journal: loaded
    """
    after_success(
        operator,
        lambda context: journal.forget(),
        "The orders stay in the journal, so this task, run again, resumes their videos",
    )
