"""Where records are kept: both stores hold to one contract, over fakes of what Airflow gives a task."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    DeleteVariable,
    ErrorResponse,
    GetVariable,
    OKResponse,
    PutVariable,
    VariableResult,
)

from airflow_provider_starvideos.ledger.stores import Store, TaskStateStore, VariableStore, store_of

RECORD = {"fingerprint": "f", "sent_at": 1795380302.5, "summary": "text to video, prompt 'ä'"}
DOWN = ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"message": "timed out"})


class FakeAccessor:
    """``context["task_state_store"]``."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.down = False

    def get(self, key: str) -> Any:
        self._check()
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self._check()
        self.values[key] = value

    def delete(self, key: str) -> None:
        self._check()
        self.values.pop(key, None)

    def _check(self) -> None:
        if self.down:
            raise AirflowRuntimeError(DOWN)


class FakeSupervisor:
    """What a task asks for Variables. Errors come as answers or as exceptions, by version and case."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.down = self.raises = False

    def send(self, message: Any) -> Any:
        answer = self._answer(message)
        if self.raises and isinstance(answer, ErrorResponse):
            raise AirflowRuntimeError(answer)
        return answer

    def _answer(self, message: Any) -> Any:
        if self.down:
            return DOWN
        if isinstance(message, PutVariable):
            assert len(message.key) <= 250
            self.values[message.key] = str(message.value)
        elif isinstance(message, DeleteVariable):
            self.values.pop(message.key, None)
        elif isinstance(message, GetVariable):
            if message.key in self.values:
                return VariableResult(key=message.key, value=self.values[message.key])
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)
        return OKResponse(ok=True)


class Instance:
    """A running task instance."""

    def __init__(self, run_id: str = "r" * 250, map_index: int | None = -1) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = "d" * 250, run_id, "order", map_index


@pytest.fixture(params=["task state store", "Variable, errors answered", "Variable, errors raised"])
def backing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Any]:
    """A store, and what is behind it."""
    if request.param == "task state store":
        accessor = FakeAccessor()
        return store_of({"task_state_store": accessor, "ti": Instance()}), accessor  # type: ignore[typeddict-item]
    supervisor = FakeSupervisor()
    supervisor.raises = request.param.endswith("raised")
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return store_of({"ti": Instance()}), supervisor  # type: ignore[typeddict-item]


def test_kept_replaced_deleted(backing: tuple[Store, Any]) -> None:
    """What is written is read, by another try too; deleting twice is no error."""
    store, behind = backing
    assert store.read() is None
    store.write(RECORD)
    assert store.read() == RECORD
    store.write({**RECORD, "video_id": "video_1"})
    assert store.read() == {**RECORD, "video_id": "video_1"}
    assert len(behind.values) == 1
    store.delete()
    store.delete()
    assert store.read() is None


def test_out_of_reach_is_not_nothing(backing: tuple[Store, Any]) -> None:
    """A record that can't be read must not be taken for none, or the video would be ordered twice."""
    store, behind = backing
    store.write(RECORD)
    behind.down = True
    with pytest.raises(AirflowRuntimeError):
        store.read()


def test_which_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task state store where there is one, else Variables."""
    assert isinstance(store_of({"task_state_store": FakeAccessor(), "ti": Instance()}), TaskStateStore)  # type: ignore[typeddict-item]
    assert isinstance(store_of({"ti": Instance()}), VariableStore)  # type: ignore[typeddict-item]


def test_each_task_instance_has_its_own_variable() -> None:
    """By run and map index; no map index is the same as -1."""
    stores = [store_of({"ti": Instance(*each)}) for each in (("a", 0), ("a", 1), ("b", 0), ("a", -1), ("a", None))]  # type: ignore[typeddict-item]
    keys = [store.key for store in stores if isinstance(store, VariableStore)]
    assert len(keys) == 5
    assert len(set(keys)) == 4
    assert keys[3] == keys[4]
