"""Bytes over aiohttp, for the triggerer. Decides nothing: what is sent, read and repeated is decided in ``api``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep, adrive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import MAX_ANSWER_BYTES, HttpRequest, HttpResponse
from airflow_provider_starvideos.exceptions import StarVideosConnectionError

MAX_CONNECTIONS = 20
"""Kept-alive connections to the API at once; further queries wait for a free one."""


class AioTransport:
    """Sends requests on one event loop; queries over a shared pool, every order over a connection of its own.

    :param sleep: how to wait between two requests
    :param notify: where a flow's notices go
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._sleep = sleep
        self._notify = notify or (lambda notice: None)
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

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
            self._notify(step.notice)
        await self._sleep(step.seconds)
        return None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read its answer, up to the cap.

        :raises StarVideosConnectionError: no whole answer came within the endpoint's timeouts
        """
        if request.is_order:
            # A kept-alive connection that the server has just closed can't be told from a lost answer.
            async with _new_session(force_close=True) as session:
                return await _exchange(session, request, self._proxy(request.url))
        if self._session is None:
            self._session = _new_session(force_close=False)
        return await _exchange(self._session, request, self._proxy(request.url))

    def _proxy(self, url: str) -> str | None:
        # Remembered: reading the environment costs a tenth of a poll.
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        if origin not in self._proxies:
            self._proxies[origin] = _proxy_of(origin)
        return self._proxies[origin]


@dataclass
class _Note:
    """Whether a connection stood: before that, provably nothing was sent."""

    connected: bool = False


async def _exchange(session: aiohttp.ClientSession, request: HttpRequest, proxy: str | None) -> HttpResponse:
    endpoint, note = request.endpoint, _Note()
    try:
        async with session.request(
            request.method,
            request.url,
            data=request.body,
            headers=request.headers | {"Authorization": f"Bearer {endpoint.key}"},
            allow_redirects=False,  # the key goes to this host and nowhere else
            proxy=proxy,
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout, sock_connect=endpoint.connect_timeout),
            trace_request_ctx=note,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    response.close()
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            too_large = len(body) > MAX_ANSWER_BYTES
            return HttpResponse(response.status, headers, bytes(body[:MAX_ANSWER_BYTES]), too_large)
    except Exception as error:  # whatever it is: an order must not end as an unknown error
        where = "no connection to" if not note.connected else "lost the connection to"
        what = f"{type(error).__name__}: {error}"
        if isinstance(error, TimeoutError):
            what = (
                f"no whole answer within {endpoint.timeout:g} s, or no connection within {endpoint.connect_timeout:g} s"
            )
        text = f"{request.method} {request.url}: {where} {endpoint.host} ({what})."
        failure = StarVideosConnectionError(text.replace(endpoint.key, "***"), sent=note.connected)
        if not isinstance(error, aiohttp.ClientResponseError):
            raise failure from error
    raise failure  # without aiohttp's error: its repr shows the request's headers, and so the key


def _proxy_of(url: str) -> str | None:
    """Return the environment's proxy for ``url``. aiohttp's ``trust_env`` would read .netrc too, and fail on it."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


async def _note_connected(session: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:
    if isinstance(context.trace_request_ctx, _Note):
        context.trace_request_ctx.connected = True


def _new_session(*, force_close: bool) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_note_connected)
    trace.on_connection_reuseconn.append(_note_connected)
    connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=force_close)
    return aiohttp.ClientSession(connector=connector, trace_configs=[trace], cookie_jar=aiohttp.DummyCookieJar())
