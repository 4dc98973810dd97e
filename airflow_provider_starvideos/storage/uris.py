"""From the URI of a file in a store to the file, and to a URL that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import ObjectStoragePath

PACKAGES: Mapping[str, str] = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl", "az", "wasb", "wasbs"), "apache-airflow-providers-microsoft-azure"),
    "oss": "apache-airflow-providers-alibaba",
    "sftp": "apache-airflow-providers-sftp[sshfs]",
    "hdfs": "apache-airflow-providers-apache-hdfs",
}
"""Scheme -> what to install for it."""
FORGETFUL_S3FS = ("2025.10", "2026.6")
"""From this version on until that one, s3fs drops what Airflow's connection says at its second signature, if nothing
was asked of the store before."""


def object_path(uri: str, conn_id: Any = None) -> ObjectStoragePath:
    """Return what a URI names.

    :param uri: may name its connection itself, as in ``s3://conn_id@bucket/key``; that one goes first
    :param conn_id: Airflow connection of the store, or None
    :raises ValueError: no installed provider knows such URIs
    :raises ImportError: the library that it needs isn't installed
    """
    # Which of the two goes first depends on Airflow's version; and to 3.0 and 3.1 a conn_id of None is one, too.
    is_used = conn_id and "@" not in urlsplit(uri).netloc
    return ObjectStoragePath(uri, **({"conn_id": conn_id} if is_used else {}))


def package_of(uri: str) -> str:
    """Return what to install for a URI's scheme, as a part of a sentence; nothing, if it isn't known."""
    package = PACKAGES.get(uri.partition("://")[0].lower())
    return f": pip install '{package}'" if package else ""


def sign(path: ObjectStoragePath, seconds: int) -> str:
    """Return a URL that reads a file for a time; whether it exists isn't asked.

    :param seconds: how long
    :raises NotImplementedError: the store can't do it
    """
    if _forgets(path):
        with suppress(Exception):
            path.exists()
    return str(path.sign(expiration=seconds))


def _forgets(path: ObjectStoragePath) -> bool:
    from packaging.version import Version

    if not type(path.fs).__module__.startswith("s3fs"):
        return False
    first, mended = map(Version, FORGETFUL_S3FS)
    return first <= Version(version("s3fs")) < mended
