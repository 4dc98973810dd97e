"""Starting a task in the triggerer, so that it needs no worker at all (3.3 and later). Airflow's side of it is here.

Airflow then never runs the operator's ``execute``: it hands the trigger's arguments over as they stand in the Dag, and
renders those that are templates. Macros of the Dag's own aren't known there, and an XComArg isn't resolved: the trigger
is told which XCom it is, and reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.compat.worker_needs import may_end_in_triggerer
from airflow_provider_starvideos.compat.xcoms import backend_is_airflows_own

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs


class Computed:
    """An attribute of an operator that is computed each time it is read. What is set on the operator itself goes first.

    Relies on Airflow reading ``start_from_trigger`` and ``start_trigger_args`` only as it serializes a Dag: after its
    author and the cluster's policies have had their last word, so that a callback set on the finished task counts.

    :param of: computes it
    :param of_class: its value for the class, which is what mapped tasks have
    """

    def __init__(self, of: Callable[[Any], Any], of_class: Any) -> None:
        self._of = of
        self._of_class = of_class

    def __get__(self, operator: Any, owner: Any = None) -> Any:
        """Return the attribute's value for an operator, or for the class."""
        return self._of_class if operator is None else self._of(operator)


def may_start_in_triggerer(operator: Any, timeout: timedelta) -> bool:
    """Return whether nothing of an operator needs a worker, neither as it starts nor as it ends.

    Relies on ``iter_mapped_task_groups`` (3.0 and later); if that is gone, every read of ``start_from_trigger`` fails.

    :param operator: as its Dag has it
    :param timeout: how long its trigger may run
    """
    return (
        AIRFLOW_V_3_3_PLUS
        and not is_mapped(operator)
        and not _is_limited(operator)
        # It would end the whole wait, not the moments on a worker, and with an error that names no video.
        and not (operator.execution_timeout is not None and operator.execution_timeout < timeout)
        and may_end_in_triggerer(operator)
        and backend_is_airflows_own()
    )


def is_mapped(operator: Any) -> bool:
    """Return whether a task has several instances in a run: its map index isn't known where its trigger starts."""
    return bool(operator.is_mapped) or next(iter(operator.iter_mapped_task_groups()), None) is not None


def _is_limited(operator: Any) -> bool:
    """Return whether its author bounds how many run at once: Airflow counts only what starts on a worker."""
    limits = (operator.max_active_tis_per_dag, operator.max_active_tis_per_dagrun)
    return operator.pool != BaseOperator.pool or any(limit is not None for limit in limits)


def can_be_rendered(template: str) -> bool:
    """Return whether Airflow's triggerer can render a template at all.

    ``xcom_pull`` without ``map_indexes`` asks it for something that it never answers (3.3.2).
    """
    return "xcom_pull" not in template or "map_indexes" in template


def xcom_of(value: Any) -> list[str] | None:
    """Return task id and key of the XCom that an argument is; None if it is none, or one of a mapped task.

    Relies on ``PlainXComArg`` (3.0 and later). If it is gone, tasks with such an argument start on a worker.
    """
    try:
        from airflow.sdk.definitions.xcom_arg import PlainXComArg
    except ImportError:
        return None
    if not isinstance(value, PlainXComArg) or is_mapped(value.operator):
        return None
    return [value.operator.task_id, value.key]


def start_args(trigger: str, kwargs: dict[str, Any], method: str, timeout: timedelta) -> StartTriggerArgs:
    """Return what Airflow needs to start a task in the triggerer.

    :param trigger: path of the trigger's class
    :param kwargs: its arguments; templates are rendered
    :param method: of the operator, for the trigger's event
    :param timeout: how long the trigger may run
    """
    from airflow.triggers.base import StartTriggerArgs

    return StartTriggerArgs(trigger_cls=trigger, trigger_kwargs=kwargs, next_method=method, timeout=timeout)


def deferral_ends_at(trigger: Any) -> float | None:
    """Return when Airflow ends a task's deferral, in epoch seconds; None: it doesn't say.

    Relies on ``timeout_after``, which Airflow sets on a trigger (3.3 and later): of all that it tells a trigger, this
    alone was fixed when the task began, so a restart of the triggerer doesn't change it. If it is gone, None.
    """
    end: datetime | None = getattr(trigger, "timeout_after", None)
    return None if end is None else (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()
