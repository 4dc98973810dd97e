"""Calls a function after Airflow has recorded a task's success, never before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.compat.task_instance import SUCCESS, task_state


def after_success(operator: Any, call: Callable[[Context], None], otherwise: str) -> None:
    """Have a function called in the running task's process after Airflow has recorded the task's success.

    A success callback alone is no proof. Airflow (3.2+) also runs it where it refused the success: a user had marked or
    cleared the task, or the scheduler took the process for dead. So Airflow is asked for the state.

    Relies on Airflow (3.0+) reading ``on_success_callback`` after ``execute``. Without that, nothing is called, as if
    the process had died after its success.

    :param call: gets the context; its error is only logged, because the task has succeeded
    :param otherwise: what to log where it isn't called or fails, before the reason
    """

    def ended(context: Context) -> None:
        why = "Airflow hasn't recorded the success"
        try:
            if task_state(context) == SUCCESS:
                call(context)
                return
        except Exception as error:  # noqa: BLE001  the task has succeeded
            why = f"{type(error).__name__}: {error}"
        operator.log.warning("%s: %s.", otherwise, why)

    given = operator.on_success_callback or ()
    given = given if isinstance(given, Sequence) else (given,)
    # First, because a user's callback may end the process.
    operator.on_success_callback = [ended, *given]
