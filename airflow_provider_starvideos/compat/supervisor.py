"""Asks the supervisor: the process that sends requests to Airflow's api-server for a task or for a triggerer.

Airflow's own ``Variable.get`` and ``get_connection`` say "not found" also where the api-server failed (3.1+). They ask
every secrets backend first, and may answer from a cache. So what money depends on is asked here. One gap is left: an
api-server without its database says that a Variable isn't found. ``list_variables`` (3.3) doesn't have that gap.

Relies on ``airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS`` (``send`` in a task, ``asend`` in a trigger;
3.0.3+) and on the messages of ``airflow.sdk.execution_time.comms``. Without them, for example in a test that calls
``execute``, Airflow's public ``Variable`` is used, and a connection that wasn't found is missing.

Never call it in a signal handler, nor in ``on_kill``. The main thread may hold the lock of an exchange, which Airflow
(3.2+) doesn't give to one thread twice.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, get_args

from airflow.providers.common.compat.sdk import Variable

GONE = (404, 410)  # HTTP statuses


def read_variable(key: str) -> str | None:
    """Return an Airflow Variable's text as it is now, never from a cache; None only if there provably is none.

    :raises Exception: Airflow doesn't answer now, or doesn't allow it; mostly ``AirflowRuntimeError``
    """
    if not has_supervisor():
        value: str | None = Variable.get(key, None)
        return value
    answer = _send(_message("GetVariable", key=key))
    if _is_error(answer, "VARIABLE_NOT_FOUND"):
        return None
    found: str | None = _done(answer).value
    return found


def list_variables(prefix: str) -> list[str] | None:
    """Return the keys of all Airflow Variables with a prefix. Unlike a read, this proves that there is none.

    Relies on ``GetVariableKeys`` (3.3+). Without it, None: this Airflow can't list them.

    :raises Exception: Airflow doesn't answer now
    """
    keys: list[str] = []
    while True:
        try:
            answer = _done(_send(_message("GetVariableKeys", prefix=prefix, offset=len(keys))))
        except (NotImplementedError, AttributeError):  # the supervisor, or its module of messages, doesn't know it
            return None
        keys += answer.keys
        if not answer.keys or len(keys) >= answer.total_entries:
            return keys


def write_variable(key: str, value: str, description: str) -> None:
    """Set an Airflow Variable without asking every secrets backend first, as ``Variable.set`` does.

    :param key: at most 250 characters
    :param description: what Airflow's page of Variables says about it
    :raises Exception: it may not be set
    """
    if not has_supervisor():
        Variable.set(key, value, description=description)
        return
    _done(_send(_message("PutVariable", key=key, value=value, description=description)))


def delete_variable(key: str) -> None:
    """Delete an Airflow Variable, if there is one.

    :raises Exception: it may still be there
    """
    if not has_supervisor():
        Variable.delete(key)
        return
    _done(_send(_message("DeleteVariable", key=key)))


async def adelete_variable(key: str) -> None:
    """Delete an Airflow Variable in a trigger, if there is one.

    :raises NotImplementedError: this Airflow's triggerer can't (3.0.3)
    """
    _done(await _asend(_message("DeleteVariable", key=key)))


def put_question(**question: Any) -> Any:
    """Ask a person, on Airflow's page of required actions, and return the question that the page shows.

    Relies on ``CreateHITLDetailPayload`` (3.1 and later).

    :param question: as of ``upsert_hitl_detail``
    :return: with ``subject``, ``body`` and ``options``: of the task instance's first question
    :raises NotImplementedError: this Airflow can't
    :raises Exception: Airflow can't be asked now
    """
    return _done(_send(_message("CreateHITLDetailPayload", **question)))


def connection_exists(conn_id: str) -> bool:
    """Return whether there is a connection that ``get_connection`` didn't find on a worker.

    :return: False only if there provably is none, or there is no supervisor
    :raises Exception: Airflow doesn't answer now
    """
    return has_supervisor() and _is_connection(_send(_message("GetConnection", conn_id=conn_id)))


async def aconnection_exists(conn_id: str) -> bool:
    """Return the same in a trigger; see ``connection_exists``."""
    return has_supervisor() and _is_connection(await _asend(_message("GetConnection", conn_id=conn_id)))


async def atask_states(**query: Any) -> Mapping[str, Mapping[str, Any]]:
    """Return the states of task instances in a trigger, by run and task. Relies on ``GetTaskStates``.

    :param query: as of ``ti.get_task_states``
    :raises Exception: Airflow doesn't answer now
    """
    states: Mapping[str, Mapping[str, Any]] = _done(await _asend(_message("GetTaskStates", **query))).task_states
    return states


async def adelete_xcom(key: str, **of_task: Any) -> None:
    """Delete an XCom in a trigger, if there is one.

    :param of_task: ``dag_id``, ``run_id``, ``task_id`` and ``map_index``
    :raises NotImplementedError: this Airflow's triggerer can't (3.0.3)
    :raises Exception: it may still be there
    """
    _done(await _asend(_message("DeleteXCom", key=key, **of_task)))


def task_instance_exists(ti_id: Any) -> bool | None:
    """Return whether Airflow still has a task instance with this id. Each try and each clear gives a new id.

    Relies on ``ValidateInletsAndOutlets``, which each task sends as it begins (3.0 to 3.3). It is the only message of a
    task that just reads and is refused for an unknown id.

    :param ti_id: ``context["ti"].id``
    :return: None: unknown, because there is no supervisor, or it doesn't know the message
    :raises Exception: Airflow doesn't answer now; in 3.0 also where the task was removed from the Dag while it ran
    """
    if not has_supervisor():
        return None
    try:
        answer = _send(_message("ValidateInletsAndOutlets", ti_id=ti_id))
    except NotImplementedError:
        return None
    except Exception as error:
        # The supervisor of dag.test() runs in this process: the api-server's answer comes as httpx's error.
        if getattr(getattr(error, "response", None), "status_code", None) in GONE:
            return False
        raise
    if _is_error(answer) and (answer.detail or {}).get("status_code") in GONE:
        return False
    _done(answer)
    return True


def has_supervisor() -> bool:
    """Return whether this process has a supervisor: only those that run a task or triggers do."""
    return hasattr(_supervisor(), "send") or hasattr(_supervisor(), "asend")


async def _asend(message: Any) -> Any:
    from airflow.sdk.exceptions import AirflowRuntimeError

    supervisor = _supervisor()
    if not hasattr(supervisor, "asend"):  # dag.test() runs triggers with a task's supervisor
        return _send(message)
    _check_known(supervisor, message)
    try:
        # Shielded: in 3.0 and 3.1 the next exchange, of any trigger, gets the answer of one that was cancelled halfway.
        return await asyncio.shield(asyncio.ensure_future(supervisor.asend(message)))
    except AirflowRuntimeError as error:
        return error.error


def _send(message: Any) -> Any:
    from airflow.sdk.exceptions import AirflowRuntimeError

    supervisor = _supervisor()
    if supervisor is None:
        raise NotImplementedError("Airflow's supervisor can only be asked in a task or a trigger.")
    _check_known(supervisor, message)
    try:
        return supervisor.send(message)
    except AirflowRuntimeError as error:  # how errors arrive depends on the version and the case
        return error.error


def _supervisor() -> Any:
    from airflow.sdk.execution_time import task_runner

    return getattr(task_runner, "SUPERVISOR_COMMS", None)


def _message(name: str, **fields: Any) -> Any:
    from airflow.sdk.execution_time import comms

    if not hasattr(comms, name):
        raise NotImplementedError(f"This Airflow has no {name}.")
    return getattr(comms, name)(**fields)


def _check_known(supervisor: Any, message: Any) -> None:
    """Raise ``NotImplementedError`` if the supervisor doesn't know a message: it would never answer."""
    module = sys.modules.get(type(supervisor).__module__)
    for name in ("ToTriggerSupervisor", "ToSupervisor"):  # what each kind of supervisor can read
        known = get_args(next(iter(get_args(getattr(module, name, None))), None))
        if known:
            if not isinstance(message, known):
                raise NotImplementedError(f"This Airflow doesn't know {type(message).__name__} here.")
            return


def _is_connection(answer: Any) -> bool:
    if _is_error(answer, "CONNECTION_NOT_FOUND"):
        return False
    return _done(answer) is not None


def _is_error(answer: Any, name: str | None = None) -> bool:
    from airflow.sdk.execution_time.comms import ErrorResponse

    return isinstance(answer, ErrorResponse) and (name is None or answer.error.name == name)


def _done(answer: Any) -> Any:
    """Return an answer, or raise the error in it."""
    if _is_error(answer):
        from airflow.sdk.exceptions import AirflowRuntimeError

        raise AirflowRuntimeError(answer)
    return answer
