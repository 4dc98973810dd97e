"""A real proxy for tests: CONNECT tunnels and forwarded requests, over TCP or TLS, with a password or without."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.contract.conftest import Peer, RawServer


@dataclass
class Proxy:
    """Leads every connection to one server, whatever host is asked for: names need not exist.

    :param server: where it leads
    :param password: what ``user`` must give; None: no password is needed
    :param context: for an https proxy
    """

    server: RawServer
    password: str | None = None
    context: ssl.SSLContext | None = None
    heads: list[bytes] = field(default_factory=list)

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        if self.context:
            peer.encrypt(self.context)
        if head := self._read_head(peer.sock):
            self._forward(peer.sock, *head)

    def _read_head(self, sock: socket.socket) -> tuple[bytes, bytes] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = sock.recv(65536)
            if not part:
                return None
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        self.heads.append(head)
        return head, rest

    def _forward(self, sock: socket.socket, head: bytes, rest: bytes) -> None:
        token = b64encode(f"user:{self.password}".encode())
        if self.password is not None and b"proxy-authorization: basic " + token.lower() not in head.lower():
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        server = socket.create_connection(self.server._listener.getsockname()[:2])
        with server:
            if head.startswith(b"CONNECT "):
                sock.sendall(b"HTTP/1.0 200 Connection established\r\n\r\n")
            else:
                method, target, version = head.split(b"\r\n")[0].split(b" ")
                path = b"/" + target.partition(b"://")[2].partition(b"/")[2]
                lines = [b" ".join((method, path, version)), *head.split(b"\r\n")[1:], b"Via: 1.1 test"]
                server.sendall(b"\r\n".join(line for line in lines if not line.lower().startswith(b"proxy-")))
                server.sendall(b"\r\n\r\n")
            server.sendall(rest)
            other = threading.Thread(target=_copy, args=(server, sock))
            other.start()
            _copy(sock, server)
            other.join(10)


def _copy(source: Any, target: Any) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
