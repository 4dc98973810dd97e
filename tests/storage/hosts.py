"""Videos' bytes, answers' bytes, and a host that answers as a test says."""

from __future__ import annotations

import logging
import socketserver
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOG = logging.getLogger("tests.storage")
KEY = "key-that-must-show-up-nowhere"


def box(kind: bytes, payload: bytes = b"") -> bytes:
    """Return one box of an MP4."""
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def mp4(size: int = 200_000, fill: bytes = b"v") -> bytes:
    """Return a small file in an MP4's form, of ``size`` bytes."""
    head = box(b"ftyp", b"isom") + box(b"moov", b"m" * 100)
    return head + box(b"mdat", fill * (size - len(head) - 8))


def index(*offsets: int, inside: bytes = b"", large: bool = False) -> bytes:
    """Return a ``moov`` of one track, whose chunks are at these offsets; ``inside``: more of its boxes."""
    code, kind = ("Q", b"co64") if large else ("I", b"stco")
    table = box(kind, struct.pack(f">II{len(offsets)}{code}", 0, len(offsets), *offsets))
    for outer in (b"stbl", b"minf", b"mdia", b"trak"):
        table = box(outer, box(b"free") + table)
    return box(b"moov", box(b"mvhd", bytes(100)) + table + inside)


VIDEO = mp4()


def answer(
    body: bytes = VIDEO,
    status: str = "200 OK",
    *,
    length: int | str | None = -1,
    cut: int | None = None,
    **headers: Any,
) -> bytes:
    """Return an HTTP answer's bytes; ``length``: -1 for the right one, None for none; ``cut``: send so much only."""
    given = {"content-type": "video/mp4", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if length is not None:
        given["content-length"] = len(body) if length == -1 else length
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body[:cut]


def chunked(body: bytes, *, end: bool = True, **headers: Any) -> bytes:
    """Return an answer in chunks; without ``end`` the last one is missing."""
    head = answer(b"", length=None, transfer_encoding="chunked", **headers)
    return head + b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if end else b"")


Reply = bytes | Callable[[Any], None]


class Host:
    """A server that gives the scripted replies in order, the last one for ever; one a connection.

    A reply is bytes, or a function that gets the socket.
    """

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[str] = []
        host = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += (more := self.request.recv(65536))
                    if not more:
                        return
                host.requests.append(data.decode("latin-1"))
                reply = host.replies.pop(0) if len(host.replies) > 1 else host.replies[0]
                try:
                    if callable(reply):
                        reply(self.request)
                    else:
                        self.request.sendall(reply)
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/video.mp4"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def left_in(folder: Path) -> list[str]:
    """Return the names of all that is in a folder."""
    return sorted(path.name for path in folder.iterdir())
