"""A server of the S3 protocol, as a separate process, and a client for it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

import pytest

USER = "tests"
SECRET = "s3-secret-that-must-show-up-nowhere"
SERVER = """
import sys
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


class S3:
    """Moto's server; a context manager."""

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        env = {**os.environ, "MOTO_S3_CUSTOM_ENDPOINTS": self.url}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.port)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    self._process.kill()
                    raise
                time.sleep(0.05)
        self.client = self._client()
        self._parts = tempfile.mkdtemp(prefix="starvideos-parts-")
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._parts)

    @property
    def airflow_connection(self) -> str:
        """An Airflow connection to it."""
        extra = {"endpoint_url": self.url, "region_name": "us-east-1"}
        return json.dumps({"conn_type": "aws", "login": USER, "password": SECRET, "extra": extra})

    def ready(self, monkeypatch: pytest.MonkeyPatch, conn_id: str, *buckets: str) -> Self:
        """Be there for one test: with an Airflow connection, and with empty buckets.

        What is uploaded has a separate folder: where one process has put its clock forward, it sweeps others' files.
        """
        monkeypatch.setattr(tempfile, "tempdir", self._parts)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", self.airflow_connection)
        self.empty(*buckets)
        return self

    def empty(self, *buckets: str) -> None:
        """Make buckets, or take out all that is in them."""
        for bucket in buckets:
            self.client.create_bucket(Bucket=bucket)
            for name in self.names(bucket):
                self.client.delete_object(Bucket=bucket, Key=name)
            for upload in self.uploads(bucket):
                self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def names(self, bucket: str) -> list[str]:
        """Return the keys of a bucket's objects."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def uploads(self, bucket: str) -> list[dict[str, Any]]:
        """Return a bucket's unfinished uploads."""
        found: list[dict[str, Any]] = self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return found

    def put(self, bucket: str, name: str, data: bytes) -> str:
        """Put an object there, and return its URI, with the Airflow connection in it."""
        self.client.put_object(Bucket=bucket, Key=name, Body=data)
        return f"s3://aws_default@{bucket}/{name}"

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=USER,
            aws_secret_access_key=SECRET,
        )
