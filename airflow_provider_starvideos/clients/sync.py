"""The blocking client, for workers: it runs ``aio`` on a separate thread, so that both send in the same way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Self

from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import Sleep, drive
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import HttpRequest, HttpResponse, lost
from airflow_provider_starvideos.clients.aio import AioClient
from airflow_provider_starvideos.clients.in_flight import InFlight
from airflow_provider_starvideos.exceptions import StarVideosError

GOODBYE_SECONDS = 0.1  # lets TLS connections end, which older versions of aiohttp don't wait for
BACKSTOP_SECONDS = 2.0  # ``aio`` keeps the timeouts; so long after them its thread counts as stuck


class SyncClient:
    """Sends requests one after the other: queries over a kept-alive connection, every order over a new one.

    An exception that a signal's handler raises gives up the request in flight: nothing is sent after it. If the whole
    answer has come by then, the client returns it, and raises the exception as the ``with`` block ends.

    :param log: where a flow's notices go; None: nowhere
    """

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, log: Any = None) -> None:
        self._sleep = sleep
        self._log = log
        self._loop: _Loop | None = None
        self._interruption: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave_loop()
        self._raise_interruption()

    def run(self, call: Call) -> VideoTask:
        """Carry out one call of the API: return its result, or raise its error."""
        return drive(call, self.perform)

    def perform(self, step: HttpRequest | Sleep) -> HttpResponse | None:
        """Do one step of a flow: send, or sleep."""
        self._raise_interruption()
        if isinstance(step, HttpRequest):
            return self.send(step)
        step.log_to(self._log)
        self._sleep(step.seconds)
        return None

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read its answer, up to ``MAX_ANSWER_BYTES``.

        :raises StarVideosConnectionError: no whole answer came within the endpoint's timeouts
        """
        in_flight, seconds = InFlight(), request.endpoint.timeout
        try:
            loop = self._loop = self._loop or _Loop()
        except (OSError, RuntimeError) as error:  # no file descriptor, or no thread, is left for it
            raise lost(request, str(error), sent=False) from error
        interruption: BaseException | None = None
        try:
            exchange = loop.start(request, in_flight)
            wait([exchange], seconds + BACKSTOP_SECONDS)
            if exchange.done():
                return exchange.result()
        except StarVideosError:
            raise
        except BaseException as error:  # noqa: BLE001  raised by a signal's handler; raised again below or by __exit__
            interruption = error
        answer = in_flight.give_up()
        self._leave_loop()
        if answer is not None:
            self._interruption = interruption
            return answer
        if interruption is not None:
            raise interruption
        raise lost(request, f"no whole answer within {seconds:g} s", sent=in_flight.connected)

    def _leave_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.end()

    def _raise_interruption(self) -> None:
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            raise interruption


class _Loop:
    """An event loop on a daemon thread: nothing that hangs there holds the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AioClient()
        self._over = asyncio.Event()
        try:
            threading.Thread(target=self._run, name="starvideos-request", daemon=True).start()
        except RuntimeError:
            self._loop.close()
            raise

    def start(self, request: HttpRequest, in_flight: InFlight) -> Future[HttpResponse]:
        """Begin to send."""
        return asyncio.run_coroutine_threadsafe(self._client.send(request, in_flight), self._loop)

    def end(self) -> None:
        """Cancel what is in flight, and close all connections, without waiting for it."""
        self._loop.call_soon_threadsafe(self._over.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with self._client:
            await self._over.wait()
        await asyncio.sleep(GOODBYE_SECONDS)
