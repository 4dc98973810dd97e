"""When a record's life ends: once Airflow has recorded the task's success, and not sooner.

A task whose process dies between ``execute`` and the recorded success is retried, and the retry must find its video.
Cleared after the success, the task means a new video.

A task that succeeds on a worker has its record taken away there. For one that succeeds in the triggerer nobody can:
nothing there reaches Airflow's state store. Its record stays, and its success leaves an XCom, written with it in one
transaction. Airflow tells the next try which XComs the last one left, so that it knows of the delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.compat.success import after_success
from airflow_provider_starvideos.exceptions import StarVideosRecordError
from airflow_provider_starvideos.ledger.stores import store_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

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
    """Have the record taken away after the success.

    :param operator: the running task
    :param forget_record: takes the record of what it has ordered away
    """
    otherwise = "The order stays on record, so this task, run again, will find its video"
    after_success(operator, lambda context: forget_record(), otherwise)
