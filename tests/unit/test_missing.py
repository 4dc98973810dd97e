"""A connection that isn't there is permanent; one that can't be read now isn't."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ConnectionResult, ErrorResponse

from airflow_provider_starvideos.hooks.missing import awhy_missing, why_missing

MISSING = ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)
DOWN = ErrorResponse(error=ErrorType.API_SERVER_ERROR)


class Supervisor:
    """Answers, or raises, what it was given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def send(self, request: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def asend(self, request: Any) -> Any:
        return self.send(request)


@pytest.mark.parametrize("answer", [MISSING, AirflowRuntimeError(MISSING), None], ids=["answered", "raised", "outside"])
async def test_a_connection_that_is_not_there_is_permanent(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the supervisor says so, or there is none to ask; the message says what to do."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(answer) if answer else None, raising=False)
    for error in (why_missing("nobody"), await awhy_missing("nobody")):
        assert error.permanent
        assert "There is no Airflow connection 'nobody': create it" in str(error)


@pytest.mark.parametrize(
    "answer", [DOWN, AirflowRuntimeError(DOWN), OSError("broken pipe")], ids=["answered", "raised", "no supervisor"]
)
async def test_an_api_server_that_fails_is_no_missing_connection(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes: the task's retries apply, and no message asks to create what is there."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(answer), raising=False)
    for error in (why_missing("mine"), await awhy_missing("mine")):
        assert not error.permanent
        assert "'mine' can't be read now" in str(error)


async def test_a_connection_that_is_found_after_all_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The api-server failed at the first lookup only: a retry finds it, and its key is in no error."""
    fields = dict.fromkeys(("host", "schema", "login", "port", "extra"))
    found = ConnectionResult(conn_id="mine", conn_type="starvideos", password="sk-hush", **fields)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(found), raising=False)
    for error in (why_missing("mine"), await awhy_missing("mine")):
        assert not error.permanent
        assert "'mine' can't be read now" in str(error)
        assert "sk-hush" not in f"{error} {error!r}"
