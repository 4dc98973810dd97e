"""What one process of a rescheduled sensor leaves to the next one.

Airflow keeps nothing of a sensor in ``mode="reschedule"``: each poke is a process, and deletes the task's XComs when it
begins. But it is told their keys, so a key can carry a few words from one poke to the next, and is gone after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

PREFIX = "starvideos_polls_"


def leave(context: Context, words: str) -> None:
    """Leave a few words to the next poke of this try. One write.

    :param context: the task's context
    :param words: letters, digits, ``-`` and ``_``
    """
    context["ti"].xcom_push(key=f"{PREFIX}{context['ti'].try_number}_{words}", value=True)


def left(context: Context) -> str:
    """Return what the poke before, of this try, has left; empty: nothing. Asks nobody.

    Relies on ``xcom_keys_to_clear`` of what Airflow tells a process about its task instance (3.0 to 3.3). If that is
    gone, each poke begins with nothing.

    :param context: the task's context
    """
    told: Any = getattr(context["ti"], "_ti_context_from_server", None)
    start = f"{PREFIX}{context['ti'].try_number}_"
    keys = getattr(told, "xcom_keys_to_clear", None) or ()
    return next((key.removeprefix(start) for key in keys if key.startswith(start)), "")
