"""From a result's URL to a whole, checked file on the local disk, in constant memory.

Decides whether the bytes are whole: by their number and the boxes of the file (``api.mp4``), not by headers. Decides
when a transfer is resumed, begun again, or given up. Nothing of the connection to the API is sent: no key, no cookies.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import requests

from airflow_provider_starvideos.api.mp4 import CONTENT_TYPE, Mp4Check
from airflow_provider_starvideos.api.protocol import USER_AGENT
from airflow_provider_starvideos.api.redaction import hide_urls, redacted
from airflow_provider_starvideos.api.retry import backoff
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosTooLargeError
from airflow_provider_starvideos.storage.guard import Guard
from airflow_provider_starvideos.storage.gunzip import MAGIC, Gunzip
from airflow_provider_starvideos.storage.web import BROKEN, Web

CHUNK_BYTES = 512 * 1024
MAX_BYTES = 10 * 1024**3
MAX_ATTEMPTS = 100
MAX_ATTEMPTS_WITHOUT_PROGRESS = 5
STALL_SECONDS = 60.0  # longest time without a byte
TRANSFER_SECONDS = 3600.0
EXPIRED = (401, 403, 404, 410)  # statuses of an expired URL; then the API is asked for a fresh one
RANGE_REFUSED = 416
MAX_TYPE_CHARACTERS = 100
SHOWN_CHARACTERS = 80  # of a text from outside
UNKNOWN_TYPE = "application/octet-stream"
VAGUE_TYPES = ("", "application/octet-stream", "binary/octet-stream", "application/mp4")
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class FetchedFile:
    """A whole and checked video on the local disk."""

    path: Path  # where
    size_bytes: int  # its size
    sha256: str  # its digest, hex
    content_type: str  # as its host said, if that is a video's; else ``video/mp4``, which its bytes are


@dataclass(frozen=True)
class Limits:
    """Bounds of one transfer: bytes, seconds without a byte, seconds in all; and whether the file's form is checked."""

    max_bytes: int = MAX_BYTES
    stall_seconds: float = STALL_SECONDS
    transfer_seconds: float = TRANSFER_SECONDS
    verify: bool = True


@dataclass(eq=False)
class Fetch:
    """One transfer."""

    fresh_url: Callable[[], str]  # asks the API for the result's URL
    path: Path  # the local file to write; after an error its content is useless
    guard: Guard
    log: Any
    _: KW_ONLY
    limits: Limits = Limits()
    key: str = ""  # the API key; it is removed from what is shown of a page that came instead of a video
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._url = ""
        self._start_over()

    def run(self) -> FetchedFile:
        """Fetch the file.

        :raises StarVideosDownloadError: it can't be fetched whole
        :raises StarVideosUnsafeURLError: its URL leads where it must not
        :raises StarVideosTooLargeError: it is larger than the limit
        """
        limits = self.limits
        web = Web(self.guard, stall_seconds=limits.stall_seconds, total_seconds=limits.transfer_seconds)
        with web, self.path.open("wb", buffering=0) as file:
            most, stuck = 0, 0
            for attempt in range(MAX_ATTEMPTS):
                self._url = self._url or self.fresh_url()
                failure = self._attempt(web, file)
                if failure is None:
                    return self._finished()
                stuck = 0 if self._received > most else stuck + 1
                most = max(most, self._received)
                if not web.seconds_left:
                    failure = f"It took longer than {limits.transfer_seconds:g} s. {failure}"
                    break
                if stuck >= MAX_ATTEMPTS_WITHOUT_PROGRESS or attempt + 1 == MAX_ATTEMPTS:
                    break
                delay = min(backoff(stuck, 0.5), web.seconds_left)
                self.log.info("%s Trying again in %.1f s; %d bytes are there.", failure, delay, self._received)
                self.sleep(delay)
            raise StarVideosDownloadError(f"The video can't be fetched: {failure}")

    def _finished(self) -> FetchedFile:
        """Return what was fetched. Log what is unusual."""
        said, kind = self._content_type, CONTENT_TYPE
        if self.limits.verify:
            remarks = self._check.remarks()
            if said.startswith("video/"):
                kind = said
            elif said not in VAGUE_TYPES:
                remarks.append(f"the content type {self._shown(said)}")
            if self._coding and not self._gunzip:
                remarks.append(f"the content coding {self._shown(self._coding)}")
            if remarks:
                self.log.warning("The video is whole, and saved, though its host sent %s.", " and ".join(remarks))
        else:
            kind, problem = said or UNKNOWN_TYPE, self._check.finish()
            self.log.warning(
                "verify=False: %d bytes are saved as they came. %s They begin with %s.",
                self._received,
                f"As an MP4 they aren't whole: {problem}." if problem else "They are a whole MP4.",
                self._shown(self._check.beginning),
            )
        return FetchedFile(self.path, self._check.size, self._digest.hexdigest(), kind)

    def _shown(self, given: str | bytes) -> str:
        """Return what came from outside for a message: quoted, short, without the key and signatures."""
        text = given if isinstance(given, str) else given.decode("utf-8", "backslashreplace")
        text = redacted(text, self.key, SHOWN_CHARACTERS) if self.key else hide_urls(text)
        return repr(text[:SHOWN_CHARACTERS])

    def _start_over(self) -> None:
        self._check = Mp4Check()
        self._received = 0
        self._gunzip: Gunzip | None = None
        self._coding = ""
        self._digest = hashlib.sha256()
        self._content_type = ""
        self._etag = ""
        self._total: int | None = None
        self._chunked = False

    def _attempt(self, web: Web, file: Any) -> str | None:
        """Fetch what is missing. Return what went wrong, or None when the file is whole."""
        try:
            with closing(web.get(self._url, self._headers())) as response:
                return self._accept(response, file) or self._copy(response, file)
        except BROKEN as error:
            of = f" of {self._total}" if self._total is not None else ""
            return f"The transfer broke off at {self._received}{of} bytes ({type(error).__name__})."

    def _headers(self) -> dict[str, str]:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "video/mp4,video/*;q=0.9,*/*;q=0.5",
            "Accept-Encoding": "identity",
        }
        if self._received and self._etag:
            headers |= {"Range": f"bytes={self._received}-", "If-Range": self._etag}
        return headers

    def _accept(self, response: requests.Response, file: Any) -> str | None:
        """Judge an answer's head. Return why it can't be used, or None."""
        status = response.status_code
        if status in EXPIRED:
            self._url = ""
            return f"The result's host answered {status}: its URL has expired."
        if status == 206 and self._continues(response):
            return None
        if status in (200, 206, RANGE_REFUSED):
            self._begin(file)
        if status == 206:
            return "The result's host answered with another part than was asked for."
        if status != 200:
            return f"The result's host answered {status}."
        return self._accept_whole(response)

    def _accept_whole(self, response: requests.Response) -> str | None:
        headers = response.headers
        self._content_type = headers.get("content-type", "").split(";")[0].strip().lower()[:MAX_TYPE_CHARACTERS]
        self._coding = _coding(response)
        self._etag = _strong_etag(response)
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        self._total = int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) and not self._chunked else None
        self._check_size(self._total or 0)
        return None

    def _continues(self, response: requests.Response) -> bool:
        match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
        if not match or not self._received or _strong_etag(response) not in ("", self._etag):
            return False
        start, total = (int(number) for number in match.groups())
        if start != self._received or self._total not in (None, total) or _coding(response) != self._coding:
            return False
        self._total = total
        return True

    def _begin(self, file: Any) -> None:
        self._start_over()
        file.seek(0)
        file.truncate()

    def _copy(self, response: requests.Response, file: Any) -> str | None:
        # read1 returns what has come. read would wait for the whole chunk, and lose it when the connection breaks.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
            if not self._received and self.limits.verify:
                chunk += response.raw.read1(1, decode_content=False) if len(chunk) == 1 else b""
                if chunk.startswith(MAGIC):  # nothing asks for it, but some hosts send it, also without a header
                    self._gunzip, self._etag = Gunzip(), ""
            self._received += len(chunk)
            for piece in self._gunzip.pieces(chunk) if self._gunzip else (chunk,):
                self._write(file, piece)
                self._digest.update(piece)
                if not self._check.feed(piece) and self.limits.verify:
                    return self._not_whole(self._check.problem, file)
                self._check_size(self._check.size)
        if self._total is not None and self._received < self._total:
            return f"The transfer broke off at {self._received} of {self._total} bytes."
        problem = self._problem()
        return self._not_whole(problem, file) if problem else None

    def _problem(self) -> str:
        """Return why the bytes aren't whole, now that all have come. An empty text: they are."""
        if self._total is not None and self._received > self._total:
            return f"it is longer than the {self._total} bytes that were announced"
        if not self.limits.verify:
            return "" if self._received else "it is empty"
        if self._gunzip and self._gunzip.problem:
            return self._gunzip.problem
        problem = self._check.finish()
        if not problem and self._total is None and not self._chunked and self._check.is_open_ended:
            return "neither its host nor the file itself says how long it is"
        return problem

    def _write(self, file: Any, chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:  # a disk that is nearly full takes a part, without an error
                left = left[file.write(left) :]
        except OSError as error:
            raise StarVideosDownloadError(
                f"The video can't be written to {self.path.parent} ({error.strerror}); it needs at least "
                f"{self._total or self._received} bytes there."
            ) from error

    def _not_whole(self, problem: str, file: Any) -> str:
        said = f"What the result's host sent isn't a whole MP4: {problem}."
        if self._received:
            said += f" It begins with {self._shown(self._check.beginning.decode('utf-8', 'backslashreplace'))}."
        self._begin(file)
        self._url = ""
        return said

    def _check_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise StarVideosTooLargeError(f"The video is larger than the limit of {self.limits.max_bytes} bytes.")


def _coding(response: requests.Response) -> str:
    """Return what the host says a body is encoded with. Stores repeat what an uploader claimed, so bytes decide."""
    coding: str = response.headers.get("content-encoding", "").strip().lower()[:MAX_TYPE_CHARACTERS]
    return "" if coding == "identity" else coding


def _strong_etag(response: requests.Response) -> str:
    """Return the answer's ETag if equal ones mean equal bytes."""
    etag: str = response.headers.get("etag", "")
    return "" if etag.startswith("W/") else etag
