"""Decides whether an Airflow connection is missing (permanent), or can't be read at the moment (transient).

``get_connection`` of Airflow 3.1+ says "not defined" also where the api-server failed. So the supervisor is asked too.
"""

from __future__ import annotations

from airflow_provider_starvideos.compat.supervisor import aconnection_exists, connection_exists
from airflow_provider_starvideos.exceptions import (
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
)


def why_missing(conn_id: str) -> StarVideosError:
    """Return the error of a connection that ``get_connection`` didn't find on a worker."""
    try:
        return _not_found(conn_id, exists=connection_exists(conn_id))
    except Exception as error:  # noqa: BLE001  whatever it is, the connection can't be read now
        return _unreadable(conn_id, error)


async def awhy_missing(conn_id: str) -> StarVideosError:
    """Return the error of a connection that a trigger didn't find; see ``why_missing``."""
    try:
        return _not_found(conn_id, exists=await aconnection_exists(conn_id))
    except Exception as error:  # noqa: BLE001  whatever it is, the connection can't be read now
        return _unreadable(conn_id, error)


def _not_found(conn_id: str, *, exists: bool) -> StarVideosError:
    if exists:
        return _unreadable(conn_id, "the first lookup failed, the second didn't")
    return StarVideosConfigurationError(
        f"There is no Airflow connection {conn_id!r}: create it, with type 'starvideos' and the API key as its "
        "password, or name another one in starvideos_conn_id."
    )


def _unreadable(conn_id: str, reason: Exception | str) -> StarVideosError:
    if isinstance(reason, Exception):
        # Only its kind: the text of an error about a connection may contain the connection.
        kind = getattr(getattr(reason, "error", None), "error", None)
        reason = getattr(kind, "name", type(reason).__name__)
    return StarVideosConnectionError(f"The Airflow connection {conn_id!r} can't be read now ({reason}).", sent=False)
