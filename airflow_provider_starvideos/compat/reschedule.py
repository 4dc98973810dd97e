"""Passes a few words from one poke of a rescheduled sensor to the next.

In ``mode="reschedule"`` each poke is a process, which deletes the task's XComs as it begins. But Airflow gives it their
keys, so the words are in a key.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Context

PREFIX = "starvideos_polls_"


def store(context: Context, words: str) -> None:
    """Store a few words (letters, digits, ``-`` and ``_``) for the next poke of this try. One write."""
    context["ti"].xcom_push(key=f"{PREFIX}{context['ti'].try_number}_{words}", value=True)


def stored(context: Context) -> str:
    """Return what the previous poke of this try has stored; empty: nothing. Sends no request.

    Relies on ``xcom_keys_to_clear`` in Airflow's message to a task's process (3.0 to 3.3). Without it, each poke begins
    with nothing.
    """
    received: Any = getattr(context["ti"], "_ti_context_from_server", None)
    start = f"{PREFIX}{context['ti'].try_number}_"
    keys = getattr(received, "xcom_keys_to_clear", None) or ()
    return next((key.removeprefix(start) for key in keys if key.startswith(start)), "")
