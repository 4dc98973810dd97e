"""Starts a task in the triggerer, so that it needs no worker at all (Airflow 3.3+).

Airflow then never runs the operator's ``execute``. It gives the trigger the arguments as the Dag has them, and renders
templates in them. The Dag's own macros aren't known there. An XComArg isn't resolved, so the trigger reads the XCom.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.compat.worker_needs import may_end_in_triggerer
from airflow_provider_starvideos.compat.xcoms import backend_is_airflows_own


class Computed:
    """An attribute of an operator that is computed at each read, unless it is set on the operator itself.

    Relies on Airflow reading ``start_from_trigger`` and ``start_trigger_args`` only as it serializes a Dag. By then the
    author and the cluster's policies are done, so that a callback set on the finished task counts.

    :param of: computes it
    :param of_class: its value for the class, and so for mapped tasks
    """

    def __init__(self, of: Callable[[Any], Any], of_class: Any) -> None:
        self._of = of
        self._of_class = of_class

    def __get__(self, operator: Any, owner: Any = None) -> Any:
        """Return the attribute's value for an operator, or for the class."""
        return self._of_class if operator is None else self._of(operator)


def may_start_in_triggerer(operator: Any, timeout: timedelta) -> bool:
    """Return whether nothing of a Dag's operator needs a worker, neither at its start nor at its end.

    Relies on ``iter_mapped_task_groups`` (3.0+). Without it, every read of ``start_from_trigger`` fails.

    :param timeout: how long its trigger may run
    """
    return (
        AIRFLOW_V_3_3_PLUS
        and not is_mapped(operator)
        and not _is_limited(operator)
        # It would end the whole wait, not the time on a worker, and with an error that names no video.
        and not (operator.execution_timeout is not None and operator.execution_timeout < timeout)
        and may_end_in_triggerer(operator)
        and backend_is_airflows_own()
    )


def is_mapped(operator: Any) -> bool:
    """Return whether a task has several instances in a run: a trigger that starts doesn't know its map index."""
    return bool(operator.is_mapped) or next(iter(operator.iter_mapped_task_groups()), None) is not None


def _is_limited(operator: Any) -> bool:
    """Return whether the author limits how many run at once: Airflow counts only tasks that start on a worker."""
    limits = (operator.max_active_tis_per_dag, operator.max_active_tis_per_dagrun)
    return operator.pool != BaseOperator.pool or any(limit is not None for limit in limits)


def can_be_rendered(template: str) -> bool:
    """Return whether Airflow's triggerer can render a template: ``xcom_pull`` without ``map_indexes`` hangs (3.3.2)."""
    return "xcom_pull" not in template or "map_indexes" in template


def xcom_of(value: Any) -> list[str] | None:
    """Return task id and key of an argument that is an XCom; None for other arguments, and for a mapped task's.

    Relies on ``PlainXComArg`` (3.0+). Without it, tasks with such an argument start on a worker.
    """
    try:
        from airflow.sdk.definitions.xcom_arg import PlainXComArg
    except ImportError:
        return None
    if not isinstance(value, PlainXComArg) or is_mapped(value.operator):
        return None
    return [value.operator.task_id, value.key]


def deferral_ends_at(trigger: Any) -> float | None:
    """Return when Airflow ends a task's deferral, in epoch seconds; None: unknown.

    Relies on ``timeout_after``, which Airflow (3.3+) sets on a trigger. It is fixed when the task begins, so a restart
    of the triggerer doesn't change it. Without it, None.
    """
    end: datetime | None = getattr(trigger, "timeout_after", None)
    return None if end is None else (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()
