"""An API that repeats all it got: it answers with the key, and with the signatures of inputs, in every form."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

BASE_PATH = "/kyyReactApiServer"
Answer = tuple[int, dict[str, str], str]
JSON, HTML = {"Content-Type": "application/json"}, {"Content-Type": "text/html"}


def _said(text: str, status: int = 400) -> Answer:
    return status, JSON, json.dumps({"error": {"message": text, "code": "E1"}})


def _page(handler: Handler, status: int) -> Answer:
    told = html.escape(handler.told)
    return status, HTML, f"<html><title>{status}</title><pre>{told}</pre></html>"


ANSWERS: Mapping[str, Callable[[Handler], Answer]] = {
    # word in the prompt: what becomes of the order
    "header": lambda handler: _said(f"Refused: Authorization: {handler.key}", 401),
    "request": lambda handler: _said(f"Can't read {handler.sent}"),
    "url": lambda handler: _said(f"Can't read {handler.input} (403)"),
    "quoted": lambda handler: _said(f"Can't read {quote(handler.input, safe='')}"),
    "target": lambda handler: _said(f"GET {urlsplit(handler.input).path}?{urlsplit(handler.input).query} gave 403"),
    "query": lambda handler: _said(f"403 for the query {urlsplit(handler.input).query}"),
    "debug": lambda handler: _said(f"{handler.told} {quote(handler.key)} {html.escape(handler.key)}", 403),
    "page": lambda handler: _page(handler, 404),
    "gateway": lambda handler: _page(handler, 502),  # so it is unknown whether it was accepted
    "welcome": lambda handler: _page(handler, 200),
    "redirect": lambda handler: (302, {"Location": f"https://elsewhere.example/{quote(handler.told)}"}, ""),
    "odd": lambda handler: (
        200,
        JSON,
        json.dumps({"id": "video_odd", "status": {"said": handler.key, "input": handler.input}}),
    ),
}
FAILED = "doomed"  # word in the prompt of an order that is accepted, and fails with all that its input's URL says
BROKEN = "broken"  # word in the prompt of an order whose answer isn't even HTTP


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    protocol_version = "HTTP/1.1"
    sent = ""

    @property
    def key(self) -> str:
        """The text after ``Bearer``."""
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    @property
    def input(self) -> str:
        """The URL of the order's first image."""
        images = json.loads(self.sent).get("referenceImages") if self.sent else None
        return str(images[0]) if images else "https://nothing.example/?"

    @property
    def told(self) -> str:
        """All that the client said."""
        return f"{self.requestline} {dict(self.headers)} {self.sent}"

    def do_POST(self) -> None:
        """Take an order, and repeat it."""
        self.sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        order = json.loads(self.sent)
        self.server.inputs.add(self.input)
        if BROKEN in order["prompt"]:
            self.wfile.write(f"{self.told} {self.input}\r\n\r\n".encode())
            self.close_connection = True
        elif FAILED in order["prompt"]:
            video_id = f"video_doomed_{len(self.server.orders)}"
            self.server.orders[video_id] = self.input
            self._send((200, JSON, json.dumps({"id": video_id, "object": "video", "status": "queued"})))
        else:
            self._send(next(answer(self) for word, answer in ANSWERS.items() if word in order["prompt"]))

    def do_GET(self) -> None:
        """Answer with a failed video, or that the key is wrong."""
        video_id = self.path.rpartition("/")[2]
        url = self.server.orders.get(video_id)
        if url is None:
            self._send(ANSWERS["debug"](self))
            return
        query = urlsplit(url).query
        error = f"Can't read {url} nor {quote(url, safe='')} ({query}), asked with {self.key}"
        self._send((200, JSON, json.dumps({"id": video_id, "status": "failed", "error": error})))

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _send(self, answer: Answer) -> None:
        status, headers, text = answer
        body = text.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}
        self.inputs: set[str] = set()
        super().__init__(("127.0.0.1", 0), Handler)


class IndiscreetApi:
    """The server; a context manager."""

    def __enter__(self) -> Self:
        self._server = _Server()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}{BASE_PATH}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def inputs(self) -> set[str]:
        """The URLs of all orders' inputs."""
        return self._server.inputs
