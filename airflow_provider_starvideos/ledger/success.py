"""When a record's life ends: once Airflow has recorded the task's success, and not sooner.

A task whose process dies between ``execute`` and the recorded success is retried, and the retry must find its video.
Cleared after the success, the task means a new video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SUCCESS = "success"


class Record(Protocol):
    """The record of what a task has ordered."""

    def forget(self) -> None:
        """Take it away."""


def forget_after_success(operator: Any, record: Record) -> None:
    """Have the record taken away after the success, by a callback. It is added at run time: it isn't part of the Dag.

    :param operator: the running task
    :param record: of what it has ordered
    """

    def forget(context: Context) -> None:
        why = "Airflow hasn't recorded the success"
        try:
            if success_is_recorded(context):
                record.forget()
                return
        except Exception as error:  # noqa: BLE001  the task has succeeded; say what follows from this
            why = f"{type(error).__name__}: {error}"
        operator.log.warning("The order stays on record, so this task, run again, will find its video: %s.", why)

    given = operator.on_success_callback or ()
    given = given if isinstance(given, Sequence) else (given,)
    # First: a callback of the user's may end the process.
    operator.on_success_callback = [forget, *given]


def success_is_recorded(context: Context) -> bool:
    """Ask Airflow whether the running task has succeeded.

    Its success callbacks don't tell: Airflow (3.2 and later) runs them also where the success was refused, because a
    user had marked or cleared the task, or the scheduler had given it up for dead, while it ended.

    :param context: the task's context
    """
    ti = context["ti"]
    index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    states = ti.get_task_states(dag_id=ti.dag_id, map_index=index, task_ids=[ti.task_id], run_ids=[ti.run_id])
    name = ti.task_id if index is None else f"{ti.task_id}_{index}"
    return bool(states.get(ti.run_id, {}).get(name) == SUCCESS)
