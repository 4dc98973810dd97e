"""Is an Airflow connection missing, or can it just not be read now?

``get_connection`` of Airflow 3.1 and later says "not defined" also where the api-server failed. A missing connection is
permanent, a failing api-server passes, so where a lookup found nothing the supervisor is asked once more, itself.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_starvideos.exceptions import (
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
)


def why_missing(conn_id: str) -> StarVideosError:
    """Return the error of a connection that a worker's lookup didn't find.

    :param conn_id: the connection's id
    """
    supervisor, request = _supervisor(conn_id)
    if not hasattr(supervisor, "send"):
        return _missing(conn_id)
    try:
        answer = supervisor.send(request)
    except Exception as error:  # noqa: BLE001  whatever it is, the connection can't be read now
        answer = error
    return _error(conn_id, answer)


async def awhy_missing(conn_id: str) -> StarVideosError:
    """Return the error of a connection that a trigger's lookup didn't find; see ``why_missing``."""
    supervisor, request = _supervisor(conn_id)
    if not hasattr(supervisor, "asend"):
        return _missing(conn_id)
    try:
        answer = await supervisor.asend(request)
    except Exception as error:  # noqa: BLE001  whatever it is, the connection can't be read now
        answer = error
    return _error(conn_id, answer)


def _supervisor(conn_id: str) -> tuple[Any, Any]:
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetConnection

    return getattr(task_runner, "SUPERVISOR_COMMS", None), GetConnection(conn_id=conn_id)


def _error(conn_id: str, answer: Any) -> StarVideosError:
    answer = getattr(answer, "error", answer)  # an AirflowRuntimeError holds the ErrorResponse
    kind = getattr(answer, "error", answer)
    if getattr(kind, "name", "") == "CONNECTION_NOT_FOUND":
        return _missing(conn_id)
    return StarVideosConnectionError(f"The Airflow connection {conn_id!r} can't be read now ({kind}).", sent=False)


def _missing(conn_id: str) -> StarVideosError:
    return StarVideosConfigurationError(
        f"There is no Airflow connection {conn_id!r}: create it, with type 'starvideos' and the API key as its "
        "password, or name another one in starvideos_conn_id."
    )
