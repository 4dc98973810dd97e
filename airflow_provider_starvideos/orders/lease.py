"""Who may order: the process that Airflow takes for the task instance, and no other.

Airflow gives the lease: each try, and each clear, gives the task instance a new id, and takes the old one away. So it
is acquired before the journal can be read, and costs nothing. It is checked before every sending, since a process
that was frozen or cut off may wake up when Airflow has long begun another try.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.compat.task_instance import is_current
from airflow_provider_starvideos.exceptions import StarVideosRecordError

Lease = Callable[[], None]
"""Raises ``StarVideosRecordError`` if this process may not order (any more), or if Airflow can't be asked."""


def lease_of(context: Context) -> Lease:
    """Return the lease of the running task instance."""
    return partial(_check, context)


def _check(context: Context) -> None:
    try:
        current = is_current(context)
    except Exception as error:
        raise StarVideosRecordError(
            f"Airflow can't be asked whether this task still runs ({type(error).__name__}: {error}). "
            "Not billed: nothing was sent. A retry of the task orders it."
        ) from error
    if current is False:
        raise StarVideosRecordError(
            "Airflow no longer runs this process's try of the task: it was cleared, marked, or given up for dead "
            "meanwhile. Not billed: this process sends nothing more."
        )
