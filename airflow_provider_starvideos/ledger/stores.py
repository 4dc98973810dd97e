"""Where records are kept: where a worker can write and a later try of the same task instance can read.

Airflow 3.3+ has the task state store. Before that it is an Airflow Variable per open order, deleted when the task has
succeeded. XComs are no place: Airflow wipes those of a task at the start of each try.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_starvideos.compat.supervisor import delete_variable, read_variable, write_variable

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

STATE_KEY = "starvideos_order"
VARIABLE_PREFIX = "starvideos_order_"
DECISION_PREFIX = "starvideos_decision_"


class Store(Protocol):
    """Keeps one JSON object per task instance, over its tries. Every method may raise whatever Airflow raises."""

    def read(self) -> Any | None:
        """Return the object, or None if there is none."""

    def write(self, value: dict[str, Any]) -> None:
        """Keep the object in place of the one before."""

    def delete(self) -> None:
        """Keep nothing; not an error if there is nothing."""


class TaskStateStore:
    """Airflow's own store, 3.3+.

    :param accessor: ``context["task_state_store"]``
    :param key: name of the object within the task instance
    """

    def __init__(self, accessor: Any, key: str = STATE_KEY) -> None:
        self._accessor = accessor
        self._key = key

    def read(self) -> Any | None:
        """Return the object, or None if there is none."""
        return self._accessor.get(self._key)

    def write(self, value: dict[str, Any]) -> None:
        """Keep the object in place of the one before."""
        self._accessor.set(self._key, value)

    def delete(self) -> None:
        """Keep nothing."""
        self._accessor.delete(self._key)


class VariableStore:
    """An Airflow Variable, for Airflow 3.0 to 3.2.

    :param dag_id: and ``run_id``, ``task_id``, ``map_index``: the task instance
    :param key: name of the object within the task instance
    """

    def __init__(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str = STATE_KEY) -> None:
        self._task = f"{dag_id} / {run_id} / {task_id} [{map_index}]"
        name = self._task if key == STATE_KEY else f"{self._task} {key}"
        # A digest, because a Variable's key is limited to 250 characters.
        self.key = VARIABLE_PREFIX + hashlib.sha256(name.encode()).hexdigest()[:32]

    def read(self) -> Any | None:
        """Return the object, or None if there is none."""
        text = read_variable(self.key)
        return json.loads(text) if text else None

    def write(self, value: dict[str, Any]) -> None:
        """Keep the object in place of the one before."""
        write_variable(self.key, json.dumps(value), description=f"Open StarVideos order of {self._task}")

    def delete(self) -> None:
        """Keep nothing."""
        delete_variable(self.key)


def store_of(context: Context, key: str = STATE_KEY) -> Store:
    """Return where a record of the running task instance is kept.

    :param context: the task's context
    :param key: name of the record within the task instance
    """
    accessor = context.get("task_state_store")
    if accessor is not None:
        return TaskStateStore(accessor, key)
    ti = context["ti"]
    map_index = ti.map_index if ti.map_index is not None else -1
    return VariableStore(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=map_index, key=key)


def variable(key: str) -> str | None:
    """Return a Variable's text, or None if there is none."""
    value = Variable.get(key, None)
    return str(value) if value is not None else None
