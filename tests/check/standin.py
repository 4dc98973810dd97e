"""A small server that answers as StarVideos does, except what a test changes. It shares nothing with the emulator."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-check-0123456789-secret"
VIDEO_ID = "video_starvideos_1234567890"
SIGNATURE = "sig=recognisable-signature"
PREFIX = "/kyyReactApiServer"


@dataclass(frozen=True)
class Reply:
    """One answer: status, body (bytes, or JSON) and headers. A header that is None isn't sent."""

    status: int = 200
    body: Any = None
    headers: dict[str, str | None] = field(default_factory=dict)

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def error(status: int, message: str, **headers: str | None) -> Reply:
    """Return an error as the server gives it."""
    return Reply(status, {"error": {"message": message, "code": f"e{status}"}}, dict(headers))


def box(kind: bytes, data: bytes) -> bytes:
    """Return a box of an MP4."""
    return struct.pack(">I4s", len(data) + 8, kind) + data


MP4 = box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", bytes(100)) + box(b"mdat", bytes(64))  # without a picture


class StandIn:
    """The server.

    :param changes: what to answer instead: to ``path``, ``id``, ``key``, ``key order``, ``invalid``,
        ``order``, ``query`` or ``file``; a function gets the usual answer and the number of the request of that kind
    """

    def __init__(self, changes: dict[str, Any]) -> None:
        self.changes = changes
        self.counts: dict[str, int] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    @property
    def base_url(self) -> str:
        return self.url + PREFIX

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        kind = self._kind(method, path, headers.get("authorization", ""), body)
        self.counts[kind] = number = self.counts.get(kind, 0) + 1
        usual = self._usual(kind, path, number)
        change = self.changes.get(kind)
        return change(usual, number) if callable(change) else change or usual

    def _kind(self, method: str, path: str, authorization: str, body: bytes) -> str:
        known_key = authorization == f"Bearer {KEY}"
        if path.startswith("/files/"):
            return "file"
        if method == "POST" and path == f"{PREFIX}/v1/starvideos/videos":
            return ("order" if json.loads(body).get("prompt") else "invalid") if known_key else "key order"
        if not path.startswith(f"{PREFIX}/v1/result/"):
            return "path"
        if not known_key:
            return "key"
        return "query" if "0000000000" not in path else "id"

    def _usual(self, kind: str, path: str, number: int) -> Reply:
        video: dict[str, Any] = {
            "id": VIDEO_ID,
            "object": "video",
            "created": int(time.time()),
            "model": "starvideos_o3",
        }
        video |= {"status": "queued", "error": None}
        if kind == "query":
            video |= {"video_url": None, "actualDuration": None}
            video["status"] = ("queued", "processing", "completed", "completed")[min(number, 4) - 1]
            if video["status"] == "completed":
                video |= {"video_url": f"{self.url}/files/a.mp4?{SIGNATURE}", "actualDuration": 3.0, "amount": "0.76"}
        return {
            "path": lambda: Reply(404, {"message": f"No handler found for GET {path}"}),
            "id": lambda: error(404, "No such video."),
            "key": lambda: error(401, "Wrong key."),
            "key order": lambda: error(401, "Wrong key."),
            "invalid": lambda: error(400, "model is required"),
            "order": lambda: Reply(200, video),
            "query": lambda: Reply(200, video),
            "file": lambda: Reply(200, MP4, {"Content-Type": "video/mp4"}),
        }[kind]()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                standin.requests.append((self.command, self.path, headers))
                reply = standin.reply(self.command, self.path.partition("?")[0], headers, body)
                data = reply.bytes()
                self.send_response(reply.status)
                sent = {"Content-Type": "application/json", "Content-Length": str(len(data))} | reply.headers
                for name, value in sent.items():
                    if value is not None:
                        self.send_header(name, value)
                with suppress(BrokenPipeError):  # a client that was interrupted is gone
                    self.end_headers()
                    self.wfile.write(data)

            do_POST = do_GET  # noqa: N815  http.server's name

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        return Handler


Change = Reply | Callable[[Reply, int], Reply]


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    """Return what became of each assumption."""
    return {row["name"]: row["outcome"] for row in report["assumptions"]}
