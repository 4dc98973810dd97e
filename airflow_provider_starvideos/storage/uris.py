"""From the URI of a file in a store to the file."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath


def object_path(uri: str, conn_id: Any = None) -> ObjectStoragePath:
    """Return what a URI names.

    :param uri: may name its connection itself, as in ``s3://conn_id@bucket/key``
    :param conn_id: Airflow connection of the store; None or empty: the one in the URI, if any
    :raises ValueError: no installed provider knows such URIs
    :raises ImportError: the library that it needs isn't installed
    """
    # To Airflow 3.0 and 3.1 a conn_id of None is one, too: with it they don't take the one in the URI.
    return ObjectStoragePath(uri, **({"conn_id": conn_id} if conn_id else {}))
