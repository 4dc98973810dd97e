"""When a record's life ends: once Airflow has recorded the task's success, and not sooner.

A task whose process dies between ``execute`` and the recorded success is retried, and the retry must find its video.
Cleared after the success, the task means a new video.

A task that succeeds on a worker has its record taken away there. For one that succeeds in the triggerer nobody can:
nothing there reaches Airflow's state store. Its record stays, and its success leaves an XCom, written with it in one
transaction. Airflow tells the next try which XComs the last one left, so that it knows of the delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.exceptions import StarVideosRecordError
from airflow_provider_starvideos.ledger.stores import store_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SUCCESS = "success"
DELIVERED = "delivered_by_triggerer"
"""The XCom of a recorded order whose task has succeeded in the triggerer; of a mapped one, with its index."""


def forget_delivered(context: Context) -> None:
    """Take the record of the order away if the try before has succeeded in the triggerer: this one means a new video.

    :param context: the task's context
    :raises StarVideosRecordError: it can't be taken away
    """
    left = _xcoms_of_last_try(context)
    if not left or delivered_xcom(context) not in left:
        return
    try:
        store_of(context).delete()
    except Exception as error:
        raise StarVideosRecordError(
            f"The record of the video that this task has delivered can't be deleted ({type(error).__name__}: {error}). "
            "Nothing was ordered. A retry delivers that video again; for a new one clear the task after that."
        ) from error


def delivered_xcom(context: Context) -> str:
    """Return the key of the XCom that tells of this task instance's delivery.

    Each index has its own: Airflow tells a task instance that isn't mapped the keys of all indexes.

    :param context: the task's context
    """
    index = context["ti"].map_index
    return DELIVERED if index is None or index < 0 else f"{DELIVERED}_{index}"


def delivery_is_told(context: Context) -> bool:
    """Tell whether this Airflow will tell the next try what ``forget_delivered`` asks for.

    :param context: the task's context
    """
    return _xcoms_of_last_try(context) is not None


def _xcoms_of_last_try(context: Context) -> list[str] | None:
    """Return the keys of the XComs that Airflow deleted as this try began; None if it doesn't tell."""
    told = getattr(context.get("ti"), "_ti_context_from_server", None)
    return getattr(told, "xcom_keys_to_clear", None)


def forget_after_success(operator: Any, forget_record: Callable[[], None]) -> None:
    """Have the record taken away after the success, by a callback. It is added at run time: it isn't part of the Dag.

    :param operator: the running task
    :param forget_record: takes the record of what it has ordered away
    """

    def forget(context: Context) -> None:
        why = "Airflow hasn't recorded the success"
        try:
            if success_is_recorded(context):
                forget_record()
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
