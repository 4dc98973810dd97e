"""One suite for both transports, over real sockets: who sends, and the servers that it is sent to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import (
    Endpoint,
    HttpRequest,
    HttpResponse,
    create_request,
    query_request,
)
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.clients.aio import AioClient as AioTransport
from airflow_provider_starvideos.clients.sync import SyncClient as SyncTransport
from airflow_provider_starvideos.emulator import Emulator

KEY = "sk-key-of-the-contract-tests"
REQUEST = build_request(prompt="a red fox", duration=5)


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    """One server for all tests; its videos are done when a test says so."""
    with Emulator(key=KEY, seconds="hold", references="off") as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator) -> Emulator:
    """The server, as if it had just started."""
    running_emulator.reset()
    return running_emulator


class Log:
    """A logger that keeps its lines.

    :param notices: gets those of ``info``
    :param warnings: gets those of ``warning``
    """

    def __init__(self, notices: list[str], warnings: list[str]) -> None:
        self.info = lambda text, *values: notices.append(text % values)
        self.warning = lambda text, *values: warnings.append(text % values)


class SyncClient:
    """The blocking transport."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.slept: list[float] = []
        self.warnings: list[str] = []
        self.transport = SyncTransport(sleep=self.slept.append, log=Log(self.notices, self.warnings))

    def send(self, request: HttpRequest) -> HttpResponse:
        return self.transport.send(request)

    def run(self, call: Call) -> VideoTask:
        return self.transport.run(call)

    def sleep(self, step: Sleep) -> None:
        self.transport.perform(step)

    def leave(self) -> None:
        self.transport.__exit__(None, None, None)

    def close(self) -> None:
        self.leave()


class AioClient:
    """The awaited transport, on a separate event loop."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.slept: list[float] = []

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        self.runner = asyncio.Runner()
        self.warnings: list[str] = []
        self.transport = AioTransport(sleep=sleep, log=Log(self.notices, self.warnings))

    def send(self, request: HttpRequest) -> HttpResponse:
        return self.runner.run(self.transport.send(request))

    def run(self, call: Call) -> VideoTask:
        return self.runner.run(self.transport.run(call))

    def sleep(self, step: Sleep) -> None:
        self.runner.run(self.transport.perform(step))

    def leave(self) -> None:
        self.runner.run(self.transport.__aexit__(None, None, None))

    def close(self) -> None:
        self.leave()
        self.runner.close()


Client = SyncClient | AioClient


@pytest.fixture(params=[SyncClient, AioClient], ids=["sync", "aio"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Each of the two transports; it sleeps no time between two requests."""
    client: Client = request.param()
    yield client
    client.close()


@dataclass(frozen=True)
class Api:
    """Requests and calls to one server.

    :param endpoint: where it is
    """

    endpoint: Endpoint

    @property
    def order(self) -> HttpRequest:
        return create_request(self.endpoint, REQUEST)

    @property
    def query(self) -> HttpRequest:
        return query_request(self.endpoint, "video_1")

    def create(self) -> Call:
        return calls.create(self.endpoint, REQUEST)

    def poll(self, video_id: str = "video_1") -> Call:
        return calls.query(self.endpoint, video_id)

    def with_(self, **changes: Any) -> Api:
        return Api(replace(self.endpoint, **changes))


@pytest.fixture
def api() -> Callable[..., Api]:
    """Make requests to a server: ``api(base_url, timeout=…)``. Nothing is sent again unless a test says so."""

    def make(base_url: str, **options: Any) -> Api:
        return Api(Endpoint(base_url, KEY, **{"timeout": 10.0, "connect_timeout": 5.0, "max_retries": 0, **options}))

    return make


@dataclass
class Peer:
    """One connection to a ``RawServer``, from the server's side."""

    sock: socket.socket
    server: RawServer
    gone: bool = False

    def read_request(self) -> bytes:
        """Read one request with its body; empty when the client has left."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0]):
            body += self.sock.recv(65536)
        whole = head + b"\r\n\r\n" + body
        self.server.requests.append(whole)
        self.server.received.set()
        return whole

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, as a server."""
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.server._socks.append(self.sock)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def drip(self, data: bytes, seconds: float = 0.02) -> None:
        """Send that over and over, a byte at a time, until the client leaves or the server closes."""
        while True:
            for index in range(len(data)):
                if self.server.closing.wait(seconds):
                    return
                self.send(data[index : index + 1])

    def hang(self) -> None:
        """Do nothing until the client leaves or the server closes."""
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        """End the connection with a RST, as a server that dies does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Handle = Callable[[Peer], None]


@dataclass
class RawServer:
    """A TCP server on loopback that does with each connection what a test says, byte by byte.

    :param handle: called for each connection, on a separate thread
    :param family: IPv4 or IPv6
    :param host: what it listens on; empty: loopback
    """

    handle: Handle
    family: socket.AddressFamily = socket.AF_INET
    host: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    received: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        host = self.host or {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}[self.family]
        self._listener = socket.create_server((host, 0), family=self.family)
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="raw-server")]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                sock = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), name="raw-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        peer = Peer(sock, self)
        with suppress(OSError):
            self.handle(peer)
        peer.sock.close()

    def close(self) -> None:
        self.closing.set()
        for sock in (self._listener, *self._socks):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a test's server hangs"


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """Start servers: ``serve(handle, family=…)``. They are stopped after the test."""
    with ExitStack() as stack:

        def start(handle: Handle, **options: Any) -> RawServer:
            server = RawServer(handle, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def unused_port() -> int:
    """A port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port
