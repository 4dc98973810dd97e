"""Do something once Airflow has recorded a task's success, and not sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.compat.task_instance import SUCCESS, task_state

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def after_success(operator: Any, call: Callable[[Context], None], otherwise: str) -> None:
    """Have something called by the running task's process once Airflow has recorded the task's success.

    A success callback alone is no proof: Airflow (3.2 and later) runs it also where the success was refused, because a
    user had marked or cleared the task, or the scheduler had given it up for dead, while it ended. So Airflow is asked.

    Relies on Airflow (3.0 and later) reading ``on_success_callback`` after ``execute``: a callback that is added at run
    time isn't part of the Dag. If that is gone, nothing is called, as if the process had died after its success.

    :param operator: the running task
    :param call: is given the context; an error that it raises is logged, for the task has succeeded
    :param otherwise: what to log where it isn't called or fails; the reason is put after it
    """

    def ended(context: Context) -> None:
        why = "Airflow hasn't recorded the success"
        try:
            if task_state(context) == SUCCESS:
                call(context)
                return
        except Exception as error:  # noqa: BLE001  the task has succeeded; say what follows from this
            why = f"{type(error).__name__}: {error}"
        operator.log.warning("%s: %s.", otherwise, why)

    given = operator.on_success_callback or ()
    given = given if isinstance(given, Sequence) else (given,)
    # First: a callback of the user's may end the process.
    operator.on_success_callback = [ended, *given]
