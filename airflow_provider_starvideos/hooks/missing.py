"""Is an Airflow connection missing, or can it just not be read now?

``get_connection`` of Airflow 3.1 and later says "not defined" also where the api-server failed. A missing connection is
a permanent error, a failing api-server a transient one. So where a lookup found nothing the supervisor is asked again.
"""

from __future__ import annotations

from airflow_provider_starvideos.compat.supervisor import aconnection_exists, connection_exists
from airflow_provider_starvideos.exceptions import (
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
)


def why_missing(conn_id: str) -> StarVideosError:
    """Return the error of a connection that a worker's lookup didn't find.

    :param conn_id: the connection's id
    """
    try:
        exists = connection_exists(conn_id)
    except Exception as error:  # noqa: BLE001  whatever it is, the connection can't be read now
        return _unreadable(conn_id, error)
    return _lookup_failed(conn_id, exists)


async def awhy_missing(conn_id: str) -> StarVideosError:
    """Return the error of a connection that a trigger's lookup didn't find; see ``why_missing``."""
    try:
        exists = await aconnection_exists(conn_id)
    except Exception as error:  # noqa: BLE001  whatever it is, the connection can't be read now
        return _unreadable(conn_id, error)
    return _lookup_failed(conn_id, exists)


def _lookup_failed(conn_id: str, exists: bool) -> StarVideosError:
    if exists:
        return _unreadable(conn_id, "the first lookup failed, the second didn't")
    return StarVideosConfigurationError(
        f"There is no Airflow connection {conn_id!r}: create it, with type 'starvideos' and the API key as its "
        "password, or name another one in starvideos_conn_id."
    )


def _unreadable(conn_id: str, reason: Exception | str) -> StarVideosError:
    if isinstance(reason, Exception):
        # By its kind alone: the text of an error about a connection may hold the connection.
        kind = getattr(getattr(reason, "error", None), "error", None)
        reason = getattr(kind, "name", type(reason).__name__)
    return StarVideosConnectionError(f"The Airflow connection {conn_id!r} can't be read now ({reason}).", sent=False)
