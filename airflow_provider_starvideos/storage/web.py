"""Opening a result's URL: which redirects are followed, what is sent, and when it ends.

No credential is sent. A socket's timeout bounds the wait for one byte, so a slow host could hold a worker slot for
years: a timer shuts the connection at the deadline, also in the middle of a header.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Self
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from airflow_provider_starvideos.api.protocol import USER_AGENT
from airflow_provider_starvideos.api.proxies import Proxy, proxy_for
from airflow_provider_starvideos.exceptions import StarVideosDownloadError
from airflow_provider_starvideos.storage.guard import Guard

CONNECT_SECONDS = 10.0
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # variables that name a file or folder to trust
BROKEN = (OSError, HTTPError)  # how a transfer breaks off; what requests raises is an OSError
BYTE_SECONDS = {"stall_seconds": 10.0, "total_seconds": 30.0}  # for one byte
LATER = frozenset((408, 425, 429, *range(500, 1000)))  # statuses of a host that may answer differently later


class Web:
    """Connections of one transfer, as a context manager.

    :param stall_seconds: longest time without a byte
    :param total_seconds: longest time in all
    """

    def __init__(self, guard: Guard, *, stall_seconds: float, total_seconds: float) -> None:
        self._guard = guard
        self._timeout = (min(CONNECT_SECONDS, stall_seconds), stall_seconds)
        self._watch = _Watch(total_seconds)
        self._adapter = _GuardedAdapter(guard, self._watch)
        self._session = _Session()
        self._session.trust_env = False  # requests reads proxy variables by another rule than ``api.proxies``
        self._session.verify = next(filter(None, map(os.environ.get, AUTHORITIES)), True)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)

    def __enter__(self) -> Self:
        """Begin to count the time."""
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self._watch.stop()
        self._session.close()

    @property
    def seconds_left(self) -> float:
        """Until the deadline. 0: it has passed."""
        return self._watch.seconds_left

    def get(self, url: str, headers: dict[str, str], *, follow: bool = True) -> requests.Response:
        """Return the answer of a URL, or of its redirect's target. The body isn't read yet.

        :param follow: False: a redirect is an answer, too
        :raises StarVideosUnsafeURLError: it leads where it must not
        :raises StarVideosDownloadError: it redirects too often
        :raises requests.RequestException: there is no answer
        """
        came_from = None
        for _ in range(MAX_REDIRECTS + 1):
            self._guard.check_url(url, came_from=came_from)
            self._session.close()  # a kept connection that its host has left would cost an attempt
            response = self._session.get(
                url,
                headers=headers,
                auth=_no_auth,
                stream=True,
                allow_redirects=False,
                timeout=self._timeout,
                proxies=self._adapter.use_proxy_for(url),
            )
            self._session.cookies.clear()
            if response.status_code not in REDIRECTS or not follow:
                return response
            response.close()
            url, came_from = _target(url, response), url
        raise StarVideosDownloadError(f"The result's URL redirects more than {MAX_REDIRECTS} times.")


@contextmanager
def first_byte(guard: Guard, url: str, *, follow: bool = True) -> Iterator[requests.Response]:
    """Give the answer to a request for a URL's first byte. It is a GET, because presigned URLs refuse HEAD.

    :param follow: False: a redirect is an answer, too
    :raises StarVideosDownloadError: it may not be fetched; or, with the errors of ``BROKEN``, there is no answer
    """
    headers = {"User-Agent": USER_AGENT, "Range": "bytes=0-0", "Accept-Encoding": "identity"}
    with Web(guard, **BYTE_SECONDS) as web, closing(web.get(url, headers, follow=follow)) as response:
        yield response


class _Session(requests.Session):
    """Ignores redirects. Else requests would read all of a redirect's body, even if it must not follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none."""


def _target(url: str, response: requests.Response) -> str:
    location = response.headers.get("location", "")
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()  # header bytes are UTF-8, if they aren't ASCII
    try:
        return urljoin(url, location)
    except ValueError:
        return location  # refused by the guard, which says why


def _no_auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given as ``auth``, so that requests doesn't take one from .netrc or from the URL."""
    return prepared


class _Watch:
    """Shuts the connection that is open at the deadline, and lets none be opened after it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._twin: socket.socket | None = None

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()
        self._take(None)

    def over(self, sock: socket.socket) -> socket.socket:
        """Watch a connection. Its duplicate reaches it also under TLS."""
        self._take(sock.dup())
        if not self.seconds_left:
            self._cut()
        return sock

    def _take(self, twin: socket.socket | None) -> None:
        with self._lock:
            if self._twin is not None:
                self._twin.close()
            self._twin = twin

    def _cut(self) -> None:
        with self._lock, suppress(OSError):
            if self._twin is not None:
                self._twin.shutdown(socket.SHUT_RDWR)


class _GuardedAdapter(HTTPAdapter):
    """Opens connections through the guard, so that the address that was checked is the one that is used."""

    def __init__(self, guard: Guard, watch: _Watch) -> None:
        self._guard = guard
        self._watch = watch
        self._proxy: Proxy | None = None
        super().__init__(max_retries=0)

    def use_proxy_for(self, url: str) -> dict[str, str]:
        """Return the environment's proxy of the next request, as requests takes it.

        :raises StarVideosDownloadError: a variable's value can't be used
        """
        try:
            self._proxy = proxy_for(url, os.environ)
        except ValueError as error:
            raise StarVideosDownloadError(f"The result can't be fetched: {error}.") from error
        return {url.partition(":")[0].lower(): self._proxy.url} if self._proxy else {}

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the proxy's credentials: its URL has none."""
        return {"Proxy-Authorization": self._proxy.authorization} if self._proxy and self._proxy.authorization else {}

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if not hasattr(pool.ConnectionCls, "opened_by"):
            pool.ConnectionCls = self._guarded(pool.ConnectionCls, through_proxy=self._proxy is not None)
        return pool

    def _guarded(self, kind: Any, *, through_proxy: bool) -> type:
        adapter = self

        class Guarded(kind):  # type: ignore[misc]
            opened_by = adapter

            def _new_conn(self) -> Any:
                if through_proxy:  # it resolves names itself, so they can't be checked here
                    return adapter._watch.over(super()._new_conn())
                timeout = self.timeout if isinstance(self.timeout, int | float) else None
                return adapter._watch.over(adapter._guard.connect(self.host.strip("[]"), self.port, timeout))

        return Guarded
