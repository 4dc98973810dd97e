"""What one poke of a rescheduled sensor leaves to the next, in what Airflow gives a process at its start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_starvideos.compat import reschedule


class Instance:
    """A task instance as a process has it."""

    try_number = 2

    def __init__(self, keys: list[str]) -> None:
        self.pushed: list[str] = []
        self._ti_context_from_server = SimpleNamespace(xcom_keys_to_clear=keys)

    def xcom_push(self, key: str, value: Any) -> None:
        """Note a key."""
        self.pushed.append(key)


def test_airflow_tells_a_process_the_keys() -> None:
    """By these names, in every supported version."""
    from airflow.sdk.api.datamodels._generated import TIRunContext

    assert "xcom_keys_to_clear" in TIRunContext.model_fields
    assert "_ti_context_from_server" in {*RuntimeTaskInstance.__private_attributes__, *RuntimeTaskInstance.model_fields}


def test_what_is_left_is_found_by_the_next_poke_of_the_same_try() -> None:
    """And by no other."""
    first = Instance([])
    reschedule.store({"ti": first}, "3-17")  # type: ignore[typeddict-item]
    (key,) = first.pushed
    assert reschedule.stored({"ti": Instance(["return_value", key])}) == "3-17"  # type: ignore[typeddict-item]
    other = Instance([key])
    other.try_number = 3
    assert reschedule.stored({"ti": other}) == ""  # type: ignore[typeddict-item]
