"""Bytes over aiohttp, for the triggerer. Decides nothing: what is sent, read and repeated is decided in ``api``."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep, adrive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import (
    BODY_HEADERS,
    HEADERS,
    MAX_ANSWER_BYTES,
    Endpoint,
    HttpRequest,
    HttpResponse,
    cause_of,
    lost,
    received,
)

MAX_CONNECTIONS = 20
"""Kept-alive connections to the API at once; further queries wait for a free one."""
MAX_PARSED_URLS = 2048
"""Parsing a URL costs a tenth of a poll, and each wait asks for the same one over and over."""
NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError, aiohttp.ClientHttpProxyError)
"""aiohttp's errors after which no connection to the API stood. Exact enough for the message of a query's error."""

_parsed = lru_cache(MAX_PARSED_URLS)(URL)


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
        self._way: _Way | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

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

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read its answer, up to the cap.

        :raises StarVideosConnectionError: no whole answer came within the endpoint's timeouts
        """
        if request.is_order:
            note = _Note()
            # A kept-alive connection that the server has just closed can't be told from a lost answer.
            async with _new_session(force_close=True, traces=[note.trace()]) as session:
                return await self._exchange(session, request, note)
        if self._session is None:
            self._session = _new_session(force_close=False)
        return await self._exchange(self._session, request, None)

    async def _exchange(self, session: aiohttp.ClientSession, request: HttpRequest, note: _Note | None) -> HttpResponse:
        # A triggerer sends thousands of these, so whatever is alike in all of them was made before.
        endpoint = request.endpoint
        try:
            way = self._way_to(endpoint)
            async with session.request(
                request.method,
                _parsed(request.url),
                data=request.body,
                headers=way.headers if request.body is None else way.headers_with_body,
                allow_redirects=False,  # the key goes to this host and nowhere else
                proxy=way.proxy,
                ssl=way.trusted,
                timeout=way.timeout,
            ) as response:
                return received(response.status, response.headers, await _read(response))
        except Exception as error:  # noqa: BLE001  whatever it is: an order must not end as an unknown error
            sent = note.connected if note else not isinstance(error, NEVER_CONNECTED)
            what = f"{type(error).__name__}: {error}"
            if isinstance(error, TimeoutError):
                what = (
                    f"no whole answer within {endpoint.timeout:g} s, "
                    f"or no connection within {endpoint.connect_timeout:g} s"
                )
            failure, cause = lost(request, what, sent=sent), cause_of(request, error)
        raise failure from cause  # aiohttp's own error may show the request's headers, and so the key

    def _way_to(self, endpoint: Endpoint) -> _Way:
        if self._way is None or (self._way.endpoint is not endpoint and self._way.endpoint != endpoint):
            self._way = _Way(endpoint)
        return self._way


class _Way:
    """What all requests to an endpoint have alike.

    :param endpoint: where to, with which key
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.headers = CIMultiDict({**HEADERS, "Authorization": f"Bearer {endpoint.key}"})
        self.headers_with_body = CIMultiDict({**self.headers, **BODY_HEADERS})
        self.timeout = aiohttp.ClientTimeout(total=endpoint.timeout, sock_connect=endpoint.connect_timeout)
        self.proxy = _proxy_of(endpoint.base_url)
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self.trusted = _trusted(bundle) if bundle else True


class _Note:
    """Whether an order's connection stood: before that, provably nothing was sent."""

    def __init__(self) -> None:
        self.connected = False

    def trace(self) -> aiohttp.TraceConfig:
        """Return what makes a session note it here."""

        async def connected(*_: object) -> None:
            self.connected = True

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(connected)
        trace.on_connection_reuseconn.append(connected)
        return trace


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body; of one beyond the cap a little more than the cap, and its connection is closed."""
    content = response.content
    first = await content.readany()
    if content.at_eof():  # an answer of the usual size comes in one piece
        return first
    body = bytearray(first)
    while not content.at_eof():
        if len(body) > MAX_ANSWER_BYTES:
            response.close()
            break
        body += await content.readany()
    return bytes(body)


@lru_cache(4)
def _trusted(bundle: str) -> ssl.SSLContext:
    """Trust the authorities of a file or folder, which requests reads from the same variables.

    :raises OSError: there is no such file, or it holds no certificates
    """
    path = Path(bundle)
    return ssl.create_default_context(capath=path) if path.is_dir() else ssl.create_default_context(cafile=path)


def _proxy_of(url: str) -> str | None:
    """Return the environment's proxy for ``url``. aiohttp's ``trust_env`` would read .netrc too, and fail on it."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _new_session(*, force_close: bool, traces: list[aiohttp.TraceConfig] | None = None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=force_close)
    return aiohttp.ClientSession(
        connector=connector,
        trace_configs=traces,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # older versions unpack without a bound; ``received`` has one
    )
