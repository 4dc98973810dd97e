"""Bytes over aiohttp: in the triggerer, and under ``sync`` on workers. What is sent, and how often, ``api`` decides."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep, adrive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import (
    MAX_ANSWER_BYTES,
    Endpoint,
    HttpRequest,
    HttpResponse,
    cause_of,
    lost,
    received,
)
from airflow_provider_starvideos.clients.gate import Gate
from airflow_provider_starvideos.clients.route import Route

MAX_CONNECTIONS = 20  # kept alive at once; further queries wait for a free one
MAX_PARSED_URLS = 2048  # parsing a URL costs a tenth of a poll, and each wait asks for the same one over and over
CLOSE_SECONDS = 1.0
HEADER_BOUNDS = {"max_line_size": 256 * 1024, "max_field_size": 256 * 1024, "max_headers": 1000}
"""Bytes of the status line and of a header, and how many headers: an accepted order isn't lost over a gateway's."""
NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError, aiohttp.ClientHttpProxyError)
"""aiohttp's errors after which no connection to the API stood. Exact enough for the message of a query's error."""

log = logging.getLogger(__name__)
_parsed = lru_cache(MAX_PARSED_URLS)(URL)
_known = inspect.signature(aiohttp.ClientSession).parameters  # older versions don't bound the number of headers
_bounds: dict[str, Any] = {name: bound for name, bound in HEADER_BOUNDS.items() if name in _known}


class AioClient:
    """Sends requests on one event loop; queries over a shared pool, every order over a connection of its own.

    :param sleep: how to wait between two requests
    :param notify: where a flow's notices go
    :param warn: where those go that are warnings; None: to the others
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        notify: Callable[[str], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._sleep = sleep
        self._notify = notify or (lambda notice: None)
        self._warn = warn or self._notify
        self._session: aiohttp.ClientSession | None = None
        self._routes: dict[Endpoint, Route] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                await asyncio.wait_for(session.close(), CLOSE_SECONDS)
            except Exception:
                log.warning("The connections to the API couldn't be closed.", exc_info=True)

    async def run(self, call: Call) -> VideoTask:
        """Carry out one call of the API.

        :return: the call's result
        :raises StarVideosError: what the call raises
        """
        return await adrive(call, self.perform)

    async def perform(self, step: HttpRequest | Sleep) -> HttpResponse | None:
        """Do one step of a flow: send, or sleep."""
        if isinstance(step, HttpRequest):
            return await self.send(step)
        if step.notice:
            (self._warn if step.warn else self._notify)(step.notice)
        await self._sleep(step.seconds)
        return None

    async def send(self, request: HttpRequest, gate: Gate | None = None) -> HttpResponse:
        """Send one request and read its answer, up to the cap.

        :param gate: shared with a thread that may give the request up; None: its own
        :raises StarVideosConnectionError: no whole answer came within the endpoint's timeouts
        """
        gate = gate or Gate()
        if not request.is_order:
            self._session = self._session or _new_session(force_close=False)
            return await self._exchange(self._session, request, gate)
        # A kept-alive connection that the server has just closed can't be told from a lost answer.
        session = _new_session(force_close=True, gate=gate)
        try:
            return await self._exchange(session, request, gate)
        finally:
            session.detach()  # its only connection is closed with the answer: nothing to wait for

    async def _exchange(self, session: aiohttp.ClientSession, request: HttpRequest, gate: Gate) -> HttpResponse:
        # A triggerer sends thousands of these, so whatever is alike in all of them was made before.
        endpoint = request.endpoint
        try:
            route = self._routes.get(endpoint)
            if route is None:
                route = self._routes[endpoint] = Route(endpoint)
            response = await session.request(
                request.method,
                _parsed(request.url),
                data=request.body,
                headers=route.headers if request.body is None else route.headers_with_body,
                allow_redirects=False,  # the key goes to this host and nowhere else
                **route.options,
            )
            try:
                gate.answer = received(response.status, response.headers, await _read(response))
                return gate.answer
            finally:
                _release(response)
        except Exception as error:  # noqa: BLE001  whatever it is: an order must not end as an unknown error
            self._routes.clear()  # what they were made of, such as a file of certificates, may be put right meanwhile
            sent = gate.connected if request.is_order else not isinstance(error, (*NEVER_CONNECTED, ValueError))
            what = f"{type(error).__name__}: {error}"
            if isinstance(error, TimeoutError):
                what = (
                    f"no whole answer within {endpoint.timeout:g} s, "
                    f"or no connection within {endpoint.connect_timeout:g} s"
                )
            failure, cause = lost(request, what, sent=sent), cause_of(request, error)
        raise failure from cause  # aiohttp's own error may show the request's headers, and so the key


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body; of one beyond the cap a little more than the cap."""
    content = response.content
    first = await content.readany()
    if content.at_eof():  # an answer of the usual size comes in one piece
        return first
    body = bytearray(first)
    while not content.at_eof() and len(body) <= MAX_ANSWER_BYTES:
        body += await content.readany()
    return bytes(body)


def _release(response: aiohttp.ClientResponse) -> None:
    """Keep a connection whose answer was read whole, where it may be kept; close any other."""
    try:
        response.release()
    except Exception:
        log.warning("A connection couldn't be closed.", exc_info=True)


class _GatedConnector(aiohttp.TCPConnector):
    """Asks a gate between connecting, with tunnel and handshake, and sending."""

    gate: Gate | None = None

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        try:
            if self.gate:
                self.gate.open()
        except TimeoutError:
            connection.close()
            raise
        return connection


def _new_session(*, force_close: bool, gate: Gate | None = None) -> aiohttp.ClientSession:
    connector = _GatedConnector(
        limit=MAX_CONNECTIONS,
        force_close=force_close,
        resolver=aiohttp.ThreadedResolver(),  # as the system does, also where aiodns is installed
    )
    connector.gate = gate
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # older versions unpack without a bound; ``received`` has one
        **_bounds,
    )
