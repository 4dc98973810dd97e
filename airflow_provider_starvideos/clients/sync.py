"""Bytes over requests, for workers. Decides nothing: what is sent, read and repeated is decided in ``api``."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse as WireResponse
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep, drive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import (
    MAX_ANSWER_BYTES,
    HttpRequest,
    HttpResponse,
    cause_of,
    lost,
    received,
)
from airflow_provider_starvideos.exceptions import StarVideosConnectionError

CHUNK_BYTES = 64 * 1024


class SyncClient:
    """Sends requests one after the other; queries over a kept-alive connection, every order over one of its own.

    :param sleep: how to wait between two requests
    :param notify: where a flow's notices go
    :param warn: where those go that are warnings; None: to the others
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        notify: Callable[[str], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._sleep = sleep
        self._notify = notify or (lambda notice: None)
        self._warn = warn or self._notify
        self._session: requests.Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def run(self, call: Call) -> VideoTask:
        """Carry out one call of the API.

        :return: the call's result
        :raises StarVideosError: what the call raises
        """
        return drive(call, self.perform)

    def perform(self, step: HttpRequest | Sleep) -> HttpResponse | None:
        """Do one step of a flow: send, or sleep."""
        if isinstance(step, HttpRequest):
            return self.send(step)
        if step.notice:
            (self._warn if step.warn else self._notify)(step.notice)
        self._sleep(step.seconds)
        return None

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read its answer, up to the cap.

        :raises StarVideosConnectionError: no whole answer came within the endpoint's timeouts
        """
        if request.is_order:
            # A kept-alive connection that the server has just closed can't be told from a lost answer.
            with _new_session() as session:
                return _Exchange(request, session).run()
        if self._session is None:
            self._session = _new_session()
        exchange = _Exchange(request, self._session)
        try:
            return exchange.run()
        finally:
            if exchange.given_up:
                self._session = None  # its thread may hold the old one for a moment longer


class _Exchange:
    """One request and its answer, in a thread of its own.

    The timeouts of requests are per read, so a server that drips a byte now and then would hold a worker for ever, and
    a name look-up has no timeout at all. So the whole exchange runs in a thread that is given up when its time is over.

    Once it is given up nothing is sent any more: the caller was told so, and may order again.
    """

    def __init__(self, request: HttpRequest, session: requests.Session) -> None:
        self.request = request
        self.session = session
        self.connected = False
        self.given_up = False
        self.outcome: HttpResponse | BaseException | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def run(self) -> HttpResponse:
        timeout = self.request.endpoint.timeout
        thread = threading.Thread(target=self._work, name="starvideos-request", daemon=True)
        thread.start()
        try:
            thread.join(timeout)
        finally:  # also where a signal ends the task meanwhile
            self._give_up_unless_done()
        if isinstance(self.outcome, HttpResponse):
            return self.outcome
        if self.outcome is None:
            raise self._error(f"no whole answer within {timeout:g} s")
        if isinstance(self.outcome, Exception):
            # Whatever it is, urllib3 has more than requests wraps: an order must not end as an unknown error.
            failure = self._error(f"{type(self.outcome).__name__}: {self.outcome}")
            raise failure from cause_of(self.request, self.outcome)
        raise self.outcome

    def note_connected(self, sock: socket.socket) -> None:
        """Note that from here on bytes may leave.

        :raises TimeoutError: the exchange was given up before
        """
        with self._lock:
            if self.given_up:
                raise TimeoutError("the connection came too late")
            self.connected, self._socket = True, sock

    def _give_up_unless_done(self) -> None:
        with self._lock:
            self.given_up = self.outcome is None
            sock = self._socket
        if self.given_up:
            self.session.close()
            if sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # ends the thread's read

    def _error(self, what: str) -> StarVideosConnectionError:
        return lost(self.request, what, sent=self.connected)

    def _work(self) -> None:
        outcome: HttpResponse | BaseException
        try:
            outcome = self._exchange()
        except BaseException as error:  # noqa: BLE001  raised in the caller's thread
            outcome = error
        with self._lock:
            if not self.given_up:
                self.outcome = outcome

    def _exchange(self) -> HttpResponse:
        request, endpoint = self.request, self.request.endpoint
        adapter = self.session.get_adapter(request.url)
        if isinstance(adapter, _NotingAdapter):
            adapter.exchange = self
        response = self.session.request(
            request.method,
            request.url,
            data=request.body,
            headers=request.headers,
            auth=_Bearer(endpoint.key),
            timeout=(endpoint.connect_timeout, endpoint.timeout + 1.0),  # ``run`` gives up before
            allow_redirects=False,  # the key goes to this host and nowhere else
            stream=True,
        )
        headers: dict[str, str] = {}
        for name, value in response.raw.headers.iteritems():  # requests joins a name's values; ``aio`` finds the first
            headers.setdefault(name.lower(), value)
        # Else urllib3 unpacks it, in older versions without a bound; ``received`` has one.
        response.raw.headers.pop("content-encoding", None)
        with response:
            body = bytearray()
            for chunk in response.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES or self.given_up:
                    break
        return received(response.status_code, headers, bytes(body))


class _Bearer(AuthBase):
    """Sets the key. Passed as ``auth`` because requests would otherwise put a .netrc entry of the host in its place."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self._key}"
        return prepared


class _FinalResponse(WireResponse):
    """Reads over interim answers, as in ``aio``: http.client takes all but 100 for the answer itself."""

    def begin(self, *args: Any, **kwargs: Any) -> None:
        super().begin(*args, **kwargs)
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin(*args, **kwargs)


class _NotingAdapter(HTTPAdapter):
    """Notes on the running exchange when a connection stands: before that, provably nothing was sent."""

    exchange: _Exchange | None = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not hasattr(pool.ConnectionCls, "noting_adapter"):
            adapter = self

            class Noting(pool.ConnectionCls):  # type: ignore[misc]
                noting_adapter = adapter
                answer: _FinalResponse | None = None

                def response_class(self, *args: Any, **kwargs: Any) -> _FinalResponse:
                    self.answer = _FinalResponse(*args, **kwargs)
                    return self.answer

                def getresponse(self) -> Any:
                    try:
                        return super().getresponse()
                    except BaseException:
                        if self.answer is not None:
                            self.answer.close()  # urllib3 leaves it open where it can't read the headers
                        raise

                def connect(self) -> None:
                    super().connect()
                    adapter.note_connected(self.sock)

                def request(self, *args: Any, **kwargs: Any) -> None:
                    if self.sock is not None:  # kept alive from an earlier request
                        adapter.note_connected(self.sock)
                    super().request(*args, **kwargs)

            pool.ConnectionCls = Noting
        return pool

    def note_connected(self, sock: socket.socket) -> None:
        if self.exchange is not None:
            self.exchange.note_connected(sock)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no redirects: even where none is followed, requests reads the whole body of one, and its address."""
        return


def _new_session() -> requests.Session:
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none are kept, as in ``aio``
    adapter = _NotingAdapter(max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
