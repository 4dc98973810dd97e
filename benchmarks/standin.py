"""A stand-in for four APIs, for measuring clients: whatever is asked for is still under way.

StarVideos, and what the triggers of the dbt Cloud, OpenAI and Anthropic providers poll. One process, no HTTP library:
it answers several thousand polls per second, so that the clients are the bottleneck. ``GET /count`` shows the polls and
connections so far. Prints its port. Runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, cast

STARVIDEOS = {
    "object": "video",
    "created": 1_700_000_000,
    "model": "starvideos_o3",
    "status": "processing",
    "error": None,
    "video_url": None,
}
OPENAI = {
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "in_progress",
    "created_at": 1_700_000_000,
}
ANTHROPIC = {
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z",
    "ended_at": None,
    "archived_at": None,
    "cancel_initiated_at": None,
    "results_url": None,
}
# What an answer says, by a part of the path; the id that was asked for is added. The first that fits counts.
ANSWERS: dict[str, dict[str, Any]] = {
    "/result/": STARVIDEOS,
    "/messages/batches/": ANTHROPIC,
    "/batches/": OPENAI,
    "/runs/": {"data": {"status": 3}},  # dbt Cloud: running
}


class Connection(asyncio.Protocol):
    """One client's connection.

    :param counts: of all of them
    """

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts
        self.received = b""
        self.polled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; none has a body."""
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            body = json.dumps(self.answer(head.split(b" ", 2)[1].decode())).encode()
            headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nServer: stand-in"
            self.transport.write(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + body)

    def answer(self, path: str) -> dict[str, Any]:
        """Return what to answer, and count it."""
        if path == "/count":
            return self.counts
        self.counts["polls"] += 1
        if not self.polled:
            self.polled = True
            self.counts["connections"] += 1
        kind = next(part for part in ANSWERS if part in path)
        return ANSWERS[kind] | {"id": path.rstrip("/").rpartition("/")[2]}


async def main() -> None:
    """Serve."""
    loop = asyncio.get_running_loop()
    counts = {"polls": 0, "connections": 0}
    server = await loop.create_server(lambda: Connection(counts), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
