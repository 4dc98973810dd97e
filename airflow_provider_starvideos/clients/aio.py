"""The awaited client, over aiohttp: for the triggerer, and below ``sync`` on workers. ``api`` decides what to send."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
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
from airflow_provider_starvideos.clients.in_flight import InFlight
from airflow_provider_starvideos.clients.route import Route

MAX_CONNECTIONS = 20  # kept alive at once; further queries wait for a free one
MAX_PARSED_URLS = 2048  # parsing a URL costs a tenth of a poll, and each wait polls the same URL again and again
CLOSE_SECONDS = 1.0  # how long closing the connections may take
# Bytes of the status line, bytes of a header, number of headers. Large: a gateway's headers must not lose an order.
HEADER_BOUNDS = {"max_line_size": 256 * 1024, "max_field_size": 256 * 1024, "max_headers": 1000}
# aiohttp's errors without a connection to the API. Exact enough for a query's message; orders use ``InFlight``.
NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError, aiohttp.ClientHttpProxyError)

log = logging.getLogger(__name__)
_parsed = lru_cache(MAX_PARSED_URLS)(URL)
_known = inspect.signature(aiohttp.ClientSession).parameters  # older versions don't bound the number of headers
_bounds: dict[str, Any] = {name: bound for name, bound in HEADER_BOUNDS.items() if name in _known}


class AioClient:
    """Sends requests on one event loop: queries over a shared pool, every order over a new connection.

    :param log: where a flow's notices go; None: nowhere
    """

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, log: Any = None) -> None:
        self._sleep = sleep
        self._log = log
        self._session: aiohttp.ClientSession | None = None
        self._routes: dict[Endpoint, Route] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                await asyncio.wait_for(session.close(), CLOSE_SECONDS)
            except Exception:
                log.warning("The connections to the API couldn't be closed.", exc_info=True)

    async def run(self, call: Call) -> VideoTask:
        """Carry out one call of the API: return its result, or raise its error."""
        return await adrive(call, self.perform)

    async def perform(self, step: HttpRequest | Sleep) -> HttpResponse | None:
        """Do one step of a flow: send, or sleep."""
        if isinstance(step, HttpRequest):
            return await self.send(step)
        step.log_to(self._log)
        await self._sleep(step.seconds)
        return None

    async def send(self, request: HttpRequest, in_flight: InFlight | None = None) -> HttpResponse:
        """Send one request and read its answer, up to ``MAX_ANSWER_BYTES``.

        :param in_flight: shared with a thread that may give the request up
        :raises StarVideosConnectionError: no whole answer came within the endpoint's timeouts
        """
        in_flight = in_flight or InFlight()
        if not request.is_order:
            self._session = self._session or _new_session(force_close=False)
            return await self._exchange(self._session, request, in_flight)
        # A new connection: on a kept-alive one that the server has just closed, the answer would count as lost.
        session = _new_session(force_close=True, in_flight=in_flight)
        try:
            return await self._exchange(session, request, in_flight)
        finally:
            session.detach()  # its only connection is closed with the answer: nothing to wait for

    async def _exchange(
        self, session: aiohttp.ClientSession, request: HttpRequest, in_flight: InFlight
    ) -> HttpResponse:
        # A triggerer sends thousands of these, so what is the same in all of them is made once.
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
                in_flight.answer = received(response.status, response.headers, await _read(response))
                return in_flight.answer
            finally:
                _release(response)
        except Exception as error:  # noqa: BLE001  whatever it is: an order must not end as an unknown error
            self._routes.clear()  # what they were made of may be repaired soon, such as a file of certificates
            sent = in_flight.connected if request.is_order else not isinstance(error, (*NEVER_CONNECTED, ValueError))
            what = f"{type(error).__name__}: {error}"
            if isinstance(error, TimeoutError):
                what = (
                    f"no whole answer within {endpoint.timeout:g} s, "
                    f"or no connection within {endpoint.connect_timeout:g} s"
                )
            failure, cause = lost(request, what, sent=sent), cause_of(request, error)
        raise failure from cause  # aiohttp's own error may show the request's headers, and so the key


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body. It stops a little above ``MAX_ANSWER_BYTES``."""
    content = response.content
    first = await content.readany()
    if content.at_eof():  # an answer of the usual size comes in one piece
        return first
    body = bytearray(first)
    while not content.at_eof() and len(body) <= MAX_ANSWER_BYTES:
        body += await content.readany()
    return bytes(body)


def _release(response: aiohttp.ClientResponse) -> None:
    """Keep a connection whose answer was read whole. Close any other."""
    try:
        response.release()
    except Exception:
        log.warning("A connection couldn't be closed.", exc_info=True)


class _WatchedConnector(aiohttp.TCPConnector):
    """Marks a request as connected after connecting (tunnel and handshake included), before sending."""

    in_flight: InFlight | None = None

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        try:
            if self.in_flight:
                self.in_flight.mark_connected()
        except TimeoutError:
            connection.close()
            raise
        return connection


def _new_session(*, force_close: bool, in_flight: InFlight | None = None) -> aiohttp.ClientSession:
    connector = _WatchedConnector(
        limit=MAX_CONNECTIONS,
        force_close=force_close,
        resolver=aiohttp.ThreadedResolver(),  # the system's resolver, also where aiodns is installed
    )
    connector.in_flight = in_flight
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # older versions unpack without a bound, ``received`` has one
        **_bounds,
    )
