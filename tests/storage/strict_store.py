"""In front of moto's server: an S3 that checks signatures and rights, which moto doesn't."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.storage.buckets import SECRET, USER

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)"
)


def action_of(method: str, path: str, query: Mapping[str, Any]) -> str:
    """Return the right that a request needs, as AWS names it."""
    is_object = bool(path.strip("/").partition("/")[2])
    if not is_object:
        return "s3:ListBucket" if method in ("GET", "HEAD") else "s3:CreateBucket"
    if method in ("GET", "HEAD"):
        return "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"
    if method == "DELETE":
        return "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
    return "s3:PutObject"


class StrictStore:
    """The server; a context manager.

    :param port: of moto's server
    :param rights: that its user has
    :param region: of its buckets
    """

    def __init__(self, port: int, *rights: str, region: str = "us-east-1") -> None:
        self.rights, self.region = set(rights), region
        self.actions: list[str] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                status, found, headers = store.refusal(self.command, self.path, dict(self.headers.items()))
                if not status:
                    upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    upstream.request(self.command, self.path, body, dict(self.headers.items()))
                    response = upstream.getresponse()
                    status, found, headers = response.status, response.read(), dict(response.getheaders())
                    upstream.close()
                self.send_response(status)
                for name, value in headers.items():
                    own = ("transfer-encoding", "connection", "date", "server")
                    own += ("content-length",) if self.command != "HEAD" else ()
                    if name.lower() not in own:
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("content-length", str(len(found)))
                self.end_headers()
                self.wfile.write(found if self.command != "HEAD" else b"")

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def connection(self, **extra: Any) -> str:
        """Return an Airflow connection to it."""
        given = {"endpoint_url": self.url, "region_name": "us-east-1", **extra}
        return json.dumps({"conn_type": "aws", "login": USER, "password": SECRET, "extra": given})

    def refusal(self, method: str, target: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        """Return the answer of a request that is refused; a status of 0: it isn't."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        self.actions.append(action := action_of(method, parts.path, query))
        given = self._from_query(method, target, headers, query) or self._from_header(method, target, headers)
        if given is None:
            return _refused("AccessDenied")  # none, or one of V2: what objects under a key of KMS say to it
        region, claimed, right = given
        if region != self.region:
            return _refused("AuthorizationQueryParametersError", f"<Region>{self.region}</Region>", 400)
        if claimed != right:
            return _refused("SignatureDoesNotMatch")
        return (0, b"", {}) if action in self.rights else _refused("AccessDenied")

    def _from_query(
        self, method: str, target: str, headers: dict[str, str], query: dict[str, list[str]]
    ) -> tuple[str, str, str] | None:
        if "X-Amz-Signature" not in query or "X-Amz-Credential" not in query:
            return None
        claimed = query.pop("X-Amz-Signature")[0]
        region = query["X-Amz-Credential"][0].split("/")[2]
        url = f"{self.url}{urlsplit(target).path}?{urlencode(query, doseq=True)}"
        return region, claimed, _signature(S3SigV4QueryAuth, region, method, url, {}, query["X-Amz-Date"][0])

    def _from_header(self, method: str, target: str, headers: dict[str, str]) -> tuple[str, str, str] | None:
        lower = {name.lower(): value for name, value in headers.items()}
        match = AUTHORIZATION.match(lower.get("authorization", ""))
        if not match:
            return None
        signed = {name: lower[name] for name in match[3].split(";") if name in lower and name != "host"}
        right = _signature(S3SigV4Auth, match[2], method, f"{self.url}{target}", signed, lower["x-amz-date"])
        return match[2], match[4], right


def _signature(kind: Any, region: str, method: str, url: str, headers: dict[str, str], timestamp: str) -> str:
    auth = kind(Credentials(USER, SECRET), "s3", region)
    request = AWSRequest(method=method, url=url, headers=headers)
    request.context["timestamp"] = timestamp
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


def _refused(code: str, more: str = "", status: int = 403) -> tuple[int, bytes, dict[str, str]]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{more}</Error>"
    return status, body.encode(), {"content-type": "application/xml"}
