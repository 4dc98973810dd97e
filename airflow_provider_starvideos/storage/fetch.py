"""From a result's URL to a whole, checked file on the local disk, in constant memory.

A broken transfer is taken up where it broke, if the server can (Range), else begun again; a URL that has expired is
asked for anew; attempts, size and time are bounded. Nothing of the connection to the API is used here: no key, no
cookies, no .netrc.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from airflow_provider_starvideos.api.mp4 import Mp4Check
from airflow_provider_starvideos.api.protocol import USER_AGENT
from airflow_provider_starvideos.api.retry import backoff
from airflow_provider_starvideos.exceptions import StarVideosDownloadError
from airflow_provider_starvideos.storage.guard import Guard

CHUNK_BYTES = 1024 * 1024
MAX_BYTES = 10 * 1024**3
MAX_ATTEMPTS_WITHOUT_PROGRESS = 5
MAX_REDIRECTS = 5
STALL_SECONDS = 60.0
"""Longest time without a byte."""
CONNECT_SECONDS = 10.0
TRANSFER_SECONDS = 3600.0
REDIRECTS = (301, 302, 303, 307, 308)
EXPIRED = (401, 403, 404, 410)
"""What hosts of temporary URLs answer when the time is over; then the API is asked for a fresh one."""
NOT_A_VIDEO = ("text/", "application/json", "application/xml", "image/")


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
        self._start_over()

    def run(self) -> FetchedFile:
        """Fetch the file.

        :raises StarVideosDownloadError: it can't be had whole
        :raises StarVideosUnsafeURLError: its URL leads where it must not
        """
        deadline = time.monotonic() + self._limits.transfer_seconds
        with self._session() as session, self._path.open("wb", buffering=0) as file:
            most, stuck = 0, 0
            while True:
                self._url = self._url or self._fresh_url()
                failure = self._attempt(session, file, deadline)
                if failure is None:
                    return FetchedFile(self._path, self._check.size, self._digest.hexdigest(), self._content_type)
                stuck = 0 if self._check.size > most else stuck + 1
                most = max(most, self._check.size)
                if stuck >= MAX_ATTEMPTS_WITHOUT_PROGRESS or time.monotonic() > deadline:
                    raise StarVideosDownloadError(f"The video can't be fetched: {failure}")
                delay = backoff(stuck, 0.5)
                self._log.info("%s Trying again in %.1f s; %d bytes are there.", failure, delay, self._check.size)
                self._sleep(delay)

    def _start_over(self) -> None:
        self._check = Mp4Check()
        self._digest = hashlib.sha256()
        self._content_type = ""
        self._etag = ""
        self._total: int | None = None

    def _session(self) -> requests.Session:
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _GuardedAdapter(self._guard))
        return session

    def _attempt(self, session: requests.Session, file: Any, deadline: float) -> str | None:
        """Fetch what is missing. Return what went wrong, or None when the file is whole."""
        try:
            with closing(self._open(session)) as response:
                failure = self._accept(response, file)
                return failure or self._copy(response, file, deadline)
        except (requests.RequestException, OSError) as error:
            return f"{type(error).__name__} while reading from the result's host."

    def _open(self, session: requests.Session) -> requests.Response:
        url, came_from = self._url, None
        for _ in range(MAX_REDIRECTS + 1):
            self._guard.check_url(url, came_from=came_from)
            response = session.get(
                url,
                headers=self._headers(),
                auth=_no_auth,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, self._limits.stall_seconds),
            )
            if response.status_code not in REDIRECTS:
                return response
            response.close()
            url, came_from = urljoin(url, response.headers.get("location", "")), url
        raise StarVideosDownloadError(f"The result's URL redirects more than {MAX_REDIRECTS} times.")

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
        if status not in (200, 206):
            self._begin(file)
            return f"The result's host answered {status}."
        self._begin(file)
        if status == 206:
            return "The result's host answered with another part than was asked for."
        self._content_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if self._content_type.startswith(NOT_A_VIDEO):
            self._url = ""
            return f"The result's host answered with {self._content_type}, not with a video."
        etag = response.headers.get("etag", "")
        self._etag = etag if not etag.startswith("W/") else ""
        length = response.headers.get("content-length", "")
        self._total = int(length) if length.isascii() and length.isdigit() else None
        self._check_size(self._total or 0)
        return None

    def _continues(self, response: requests.Response) -> bool:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("content-range", "").strip(), re.ASCII)
        if not match or not self._check.size:
            return False
        start, _, total = (int(number) for number in match.groups())
        return start == self._check.size and total == self._total

    def _begin(self, file: Any) -> None:
        self._start_over()
        file.seek(0)
        file.truncate()

    def _copy(self, response: requests.Response, file: Any, deadline: float) -> str | None:
        for chunk in response.iter_content(CHUNK_BYTES):
            self._write(file, chunk)
            self._digest.update(chunk)
            if not self._check.feed(chunk):
                return self._not_whole(self._check.problem, file)
            self._check_size(self._check.size)
            if time.monotonic() > deadline:
                return f"It took longer than {self._limits.transfer_seconds:g} s."
        if self._total is not None and self._check.size < self._total:
            return f"The transfer broke off at {self._check.size} of {self._total} bytes."
        problem = self._check.finish()
        if self._total is not None and self._check.size > self._total:
            problem = f"it is longer than the {self._total} bytes that were announced"
        return self._not_whole(problem, file) if problem else None

    def _write(self, file: Any, chunk: bytes) -> None:
        try:
            file.write(chunk)
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
            raise StarVideosDownloadError(f"The video is larger than the limit of {self._limits.max_bytes} bytes.")


def _no_auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given as ``auth``, so that requests doesn't take one from .netrc."""
    return prepared


class _GuardedAdapter(HTTPAdapter):
    """Opens connections through the guard, so that the address that was checked is the one that is used."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if pool.proxy is None and not hasattr(pool.ConnectionCls, "guard"):
            adapter_guard = self._guard

            class Guarded(pool.ConnectionCls):  # type: ignore[misc]
                guard = adapter_guard

                def _new_conn(self) -> Any:
                    timeout = self.timeout if isinstance(self.timeout, int | float) else None
                    return self.guard.connect(self.host.strip("[]"), self.port, timeout)

            pool.ConnectionCls = Guarded
        return pool
