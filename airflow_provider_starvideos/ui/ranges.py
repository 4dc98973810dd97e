"""HTTP ranges: a local file, or the requested part of it (RFC 9110, one range)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from fastapi.responses import Response, StreamingResponse

from airflow_provider_starvideos.api.mp4 import CONTENT_TYPE
from airflow_provider_starvideos.ui.allowed_files import NotAllowedError, open_allowed

CHUNK_BYTES = 256 * 1024
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def file_response(path: Path, headers: Mapping[str, str]) -> Response:
    """Return a local video, if it is one that may be shown.

    :param headers: the request's, in lower case
    :raises NotAllowedError: it isn't in an allowed folder, or isn't an MP4
    :raises FileNotFoundError: it isn't there
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_allowed(path))
        about = os.fstat(file.fileno())
        if file.read(8)[4:] != b"ftyp":
            raise NotAllowedError("it is no MP4")
        tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
        sent = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
        if headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=sent)
        asked = headers.get("range", "") if headers.get("if-range", tag) == tag else ""
        match = RANGE.fullmatch(asked.strip())
        partial = match is not None and match.groups() != ("", "")  # the whole file, if the range can't be understood
        part = _part(match[1], match[2], about.st_size) if match and partial else (0, about.st_size - 1)
        if part is None:
            return Response(status_code=416, headers=sent | {"Content-Range": f"bytes */{about.st_size}"})
        first, last = part
        sent["Content-Length"] = str(last - first + 1)
        if partial:
            sent["Content-Range"] = f"bytes {first}-{last}/{about.st_size}"
        body = _bytes(file, first, last - first + 1, stack.pop_all())
        return StreamingResponse(body, status_code=206 if partial else 200, headers=sent, media_type=CONTENT_TYPE)


def _part(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte to send; None if there are none."""
    if not first:  # the last so many bytes
        return (max(0, size - int(last)), size - 1) if int(last) else None
    if int(first) >= size or (last and int(last) < int(first)):
        return None
    return int(first), min(int(last or size - 1), size - 1)


def _bytes(file: BinaryIO, start: int, count: int, open_file: ExitStack) -> Iterator[bytes]:
    with open_file:
        file.seek(start)
        while count > 0 and (chunk := file.read(min(CHUNK_BYTES, count))):
            count -= len(chunk)
            yield chunk
