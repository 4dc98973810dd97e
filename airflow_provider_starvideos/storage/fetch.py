"""From a result's URL to a whole, checked file on the local disk, in constant memory.

A broken transfer is taken up where it broke, if the server can (Range), else begun again; a URL that has expired is
asked for anew; attempts, size and time are bounded. Nothing of the connection to the API is used here: no key, no
cookies, no .netrc.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_starvideos.api.mp4 import Mp4Check
from airflow_provider_starvideos.api.protocol import USER_AGENT
from airflow_provider_starvideos.api.retry import backoff
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosTooLargeError
from airflow_provider_starvideos.storage.digest import Digest
from airflow_provider_starvideos.storage.guard import Guard
from airflow_provider_starvideos.storage.web import Web

CHUNK_BYTES = 512 * 1024
MAX_BYTES = 10 * 1024**3
MAX_ATTEMPTS = 100
MAX_ATTEMPTS_WITHOUT_PROGRESS = 5
STALL_SECONDS = 60.0
"""Longest time without a byte."""
TRANSFER_SECONDS = 3600.0
EXPIRED = (401, 403, 404, 410)
"""What hosts of temporary URLs answer when the time is over; then the API is asked for a fresh one."""
RANGE_REFUSED = 416
MAX_TYPE_CHARACTERS = 100
NOT_A_VIDEO = ("text/", "application/json", "application/xml", "image/")
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class FetchedFile:
    """A whole and checked video on the local disk.

    :param path: where
    :param size_bytes: its size
    :param sha256: its digest, hex
    :param content_type: as its host said
    """

    path: Path
    size_bytes: int
    sha256: str
    content_type: str


@dataclass(frozen=True)
class Limits:
    """Bounds of one transfer: bytes, seconds without a byte, seconds in all."""

    max_bytes: int = MAX_BYTES
    stall_seconds: float = STALL_SECONDS
    transfer_seconds: float = TRANSFER_SECONDS


class Fetch:
    """One transfer.

    :param fresh_url: asks the API for the result's URL
    :param path: the local file to write; what it holds after an error is worthless
    :param guard: says which hosts may be fetched from
    :param log: a logger
    :param limits: bounds
    :param sleep: how to wait between two attempts
    """

    def __init__(
        self,
        fresh_url: Callable[[], str],
        path: Path,
        guard: Guard,
        log: Any,
        *,
        limits: Limits = Limits(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fresh_url = fresh_url
        self._path = path
        self._guard = guard
        self._log = log
        self._limits = limits
        self._sleep = sleep
        self._url = ""
        self._digest = Digest()
        self._start_over()

    def run(self) -> FetchedFile:
        """Fetch the file.

        :raises StarVideosDownloadError: it can't be had whole
        :raises StarVideosUnsafeURLError: its URL leads where it must not
        :raises StarVideosTooLargeError: it is larger than the limit
        """
        limits = self._limits
        web = Web(self._guard, stall_seconds=limits.stall_seconds, total_seconds=limits.transfer_seconds)
        with ExitStack() as stack:
            stack.callback(lambda: self._digest.close())
            stack.enter_context(web)
            file = stack.enter_context(self._path.open("wb", buffering=0))
            most, stuck = 0, 0
            for attempt in range(MAX_ATTEMPTS):
                self._url = self._url or self._fresh_url()
                failure = self._attempt(web, file)
                if failure is None:
                    return FetchedFile(self._path, self._check.size, self._digest.hexdigest(), self._content_type)
                stuck = 0 if self._check.size > most else stuck + 1
                most = max(most, self._check.size)
                if not web.seconds_left:
                    failure = f"It took longer than {limits.transfer_seconds:g} s. {failure}"
                    break
                if stuck >= MAX_ATTEMPTS_WITHOUT_PROGRESS or attempt + 1 == MAX_ATTEMPTS:
                    break
                delay = min(backoff(stuck, 0.5), web.seconds_left)
                self._log.info("%s Trying again in %.1f s; %d bytes are there.", failure, delay, self._check.size)
                self._sleep(delay)
            raise StarVideosDownloadError(f"The video can't be fetched: {failure}")

    def _start_over(self) -> None:
        self._check = Mp4Check()
        self._digest.close()
        self._digest = Digest()
        self._content_type = ""
        self._etag = ""
        self._total: int | None = None
        self._chunked = False

    def _attempt(self, web: Web, file: Any) -> str | None:
        """Fetch what is missing. Return what went wrong, or None when the file is whole."""
        try:
            with closing(web.get(self._url, self._headers())) as response:
                return self._accept(response, file) or self._copy(response, file)
        except (requests.RequestException, HTTPError, OSError) as error:
            of = f" of {self._total}" if self._total is not None else ""
            return f"The transfer broke off at {self._check.size}{of} bytes ({type(error).__name__})."

    def _headers(self) -> dict[str, str]:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "video/mp4,video/*;q=0.9,*/*;q=0.5",
            "Accept-Encoding": "identity",
        }
        if self._check.size and self._etag:
            headers |= {"Range": f"bytes={self._check.size}-", "If-Range": self._etag}
        return headers

    def _accept(self, response: requests.Response, file: Any) -> str | None:
        """Look at an answer's head: does it go on, begin again, or is it none?"""
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
        encoding = _encoding(response)
        if self._content_type.startswith(NOT_A_VIDEO) or encoding:
            self._url = ""
            what = f"{encoding}-encoded content" if encoding else self._content_type
            return f"The result's host answered with {what}, not with a video."
        self._etag = _strong_etag(response)
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        self._total = int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) and not self._chunked else None
        self._check_size(self._total or 0)
        return None

    def _continues(self, response: requests.Response) -> bool:
        match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
        if not match or not self._check.size or _strong_etag(response) not in ("", self._etag) or _encoding(response):
            return False
        start, total = (int(number) for number in match.groups())
        if start != self._check.size or self._total not in (None, total):
            return False
        self._total = total
        return True

    def _begin(self, file: Any) -> None:
        self._start_over()
        file.seek(0)
        file.truncate()

    def _copy(self, response: requests.Response, file: Any) -> str | None:
        # read1 returns what has come; read would wait for the whole chunk, and lose it when the connection breaks.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
            self._write(file, chunk)
            self._digest.update(chunk)
            if not self._check.feed(chunk):
                return self._not_whole(self._check.problem, file)
            self._check_size(self._check.size)
        if self._total is not None and self._check.size < self._total:
            return f"The transfer broke off at {self._check.size} of {self._total} bytes."
        problem = self._check.finish()
        if self._total is not None and self._check.size > self._total:
            problem = f"it is longer than the {self._total} bytes that were announced"
        elif self._total is None and not self._chunked and self._check.is_open_ended:
            problem = "neither its host nor the file itself says how long it is"
        return self._not_whole(problem, file) if problem else None

    def _write(self, file: Any, chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:  # a disk that is nearly full takes a part, and says nothing
                left = left[file.write(left) :]
        except OSError as error:
            raise StarVideosDownloadError(
                f"The video can't be written to {self._path.parent} ({error.strerror}); it needs at least "
                f"{self._total or self._check.size} bytes there."
            ) from error

    def _not_whole(self, problem: str, file: Any) -> str:
        self._begin(file)
        self._url = ""
        return f"What the result's host sent isn't a whole MP4: {problem}."

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise StarVideosTooLargeError(f"The video is larger than the limit of {self._limits.max_bytes} bytes.")


def _encoding(response: requests.Response) -> str:
    """Return what a body is encoded with, if it is: it wasn't asked for, and urllib3 would make ready to decode it."""
    encoding = response.headers.get("content-encoding", "").strip().lower()[:MAX_TYPE_CHARACTERS]
    return "" if encoding == "identity" else encoding


def _strong_etag(response: requests.Response) -> str:
    """Return the answer's ETag if equal ones mean equal bytes."""
    etag: str = response.headers.get("etag", "")
    return "" if etag.startswith("W/") else etag
