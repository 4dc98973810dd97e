"""URIs of files in stores. Decides how one becomes a file, and a URL that reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

S3, GCS = ("s3", "s3a", "s3n"), ("gs", "gcs")
PACKAGES: Mapping[str, str] = {  # scheme → what to install for it
    **dict.fromkeys(S3, "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(GCS, "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl", "az", "wasb", "wasbs"), "apache-airflow-providers-microsoft-azure"),
    "oss": "apache-airflow-providers-alibaba",
    "sftp": "apache-airflow-providers-sftp[sshfs]",
    "hdfs": "apache-airflow-providers-apache-hdfs",
}
S3_VERSION = re.compile(r"\?versionid=([^?&#/]*)$", re.IGNORECASE)
ANY_VERSION = re.compile(r"[?&](versionid|generation|snapshot)=|#[0-9]{6,}$", re.IGNORECASE)


def object_path(uri: str, conn_id: Any = None) -> ObjectStoragePath:
    """Return what a URI names.

    :param uri: may name its connection itself, as in ``s3://conn_id@bucket/key``; that one goes first
    :param conn_id: Airflow connection of the store, or None
    :raises ValueError: no installed provider knows such URIs
    :raises ImportError: the library that it needs isn't installed
    """
    # Which of the two goes first depends on Airflow's version. 3.0 and 3.1 use a conn_id of None, too.
    is_used = conn_id and "@" not in urlsplit(uri).netloc
    return ObjectStoragePath(uri, **({"conn_id": conn_id} if is_used else {}))


def package_of(uri: str) -> str:
    """Return what to install for a URI's scheme, as a part of a sentence. An empty text: it isn't known."""
    package = PACKAGES.get(uri.partition("://")[0].lower())
    return f": pip install '{package}'" if package else ""


def names_version(uri: str) -> bool:
    """Return whether a URI names a version of an object, but in a way that can't be signed here."""
    version = S3_VERSION.search(uri) if _is_s3(uri) else None
    return bool(ANY_VERSION.search(uri[: version.start()] if version and version[1] else uri))


def sign(uri: str, seconds: int, conn_id: Any = None, region: str | None = None) -> str:
    """Return a URL that reads a file for a time. The store isn't asked whether the file exists.

    :param uri: and ``conn_id`` as for ``object_path``; in S3 it may name a version (``?versionId=…``)
    :param seconds: how long
    :param region: of a bucket in S3; None: the connection's
    :raises NotImplementedError: the store can't do it
    :raises ValueError: no installed provider knows such URIs
    :raises ImportError: the library that it needs isn't installed
    """
    if not _is_s3(uri):
        return str(object_path(uri, conn_id).sign(expiration=seconds))
    found = _S3Object.of(uri, conn_id)
    params = {"Bucket": found.bucket, "Key": found.key} | ({"VersionId": found.version} if found.version else {})
    client = _s3_client(found.conn_id, _connection_of(found.conn_id), region)
    return str(client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds))


def _is_s3(uri: str) -> bool:
    return uri.partition("://")[0].lower() in S3


@dataclass(frozen=True)
class _S3Object:
    """What a URI of S3 names."""

    conn_id: str | None
    bucket: str
    key: str
    version: str | None

    @classmethod
    def of(cls, uri: str, conn_id: Any) -> _S3Object:
        version = S3_VERSION.search(uri)
        authority, _, key = (uri[: version.start()] if version else uri).partition("://")[2].partition("/")
        given, _, bucket = authority.rpartition("@")
        return cls(given or conn_id or None, bucket, key, version[1] if version else None)


def _connection_of(conn_id: str | None) -> str:
    """Return a connection's URI, as a part of a cache's key."""
    with suppress(Exception):  # S3Hook reads it again, and says what is wrong
        return str(BaseHook.get_connection(conn_id).get_uri()) if conn_id else ""
    return ""


@lru_cache(maxsize=8)  # making one takes half a second
def _s3_client(conn_id: str | None, connection: str, region: str | None) -> Any:
    """Return a client that signs with V4, for the bucket's own region.

    By default it would sign with V2 in most regions, which objects under a key of KMS refuse. It would also name a host
    whose redirect breaks the signature. Settings of the connection have priority.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore import UNSIGNED
    from botocore.config import Config

    hook = S3Hook(aws_conn_id=conn_id)
    config = Config(signature_version="s3v4")
    if not hook.conn_config.get_service_endpoint_url(service_name="s3"):
        config = config.merge(Config(s3={"addressing_style": "virtual"}))
    if hook.get_session().get_credentials() is None:  # a public bucket
        config = config.merge(Config(signature_version=UNSIGNED))
    given = hook.conn_config.botocore_config
    return S3Hook(aws_conn_id=conn_id, region_name=region, config=config.merge(given) if given else config).get_conn()
