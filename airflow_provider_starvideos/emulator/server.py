"""One listening socket in front of all parts. Decides how the server starts and stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from airflow_provider_starvideos.emulator.control import Control, is_loopback
from airflow_provider_starvideos.emulator.downloads import Files
from airflow_provider_starvideos.emulator.page import page_route
from airflow_provider_starvideos.emulator.responses import drop
from airflow_provider_starvideos.emulator.routes import LARGEST_BODY, Api
from airflow_provider_starvideos.emulator.service import BASE_PATH, Service
from airflow_provider_starvideos.emulator.settings import Settings

CLOSING_SECONDS = 5.0  # how long cancelled requests may take to end
BACKLOG = 4096  # connections that may wait to be accepted
TURNS = 10  # of the event loop


class Server:
    """An emulator that listens.

    :param settings: how to behave.
    :param keys: accepted API keys.
    :param host: address to listen on.
    :param port: port to listen on; 0 for a free one.
    :param seed: makes times and failures repeatable; None for chance.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Iterable[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int | None = None,
    ) -> None:
        self.service = Service(settings, keys, seed)
        self._host = host
        self._port = port
        self._socket: socket.socket
        self._runner: web.AppRunner | None = None
        self._requests: set[asyncio.Task[object]] = set()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Where the page, the control API and the files are."""
        return f"http://{_for_url(self._host)}:{self._port}"

    @property
    def base_url(self) -> str:
        """What a client takes for the vendor's base URL."""
        return self.url + BASE_PATH

    async def start(self) -> None:
        """Listen.

        :raises OSError: the address is taken, or none of this machine.
        """
        api = Api(self.service)
        control = Control(self.service, only_loopback=is_loopback(self._host))
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._track])
        app.add_routes([*api.routes(), *Files(self.service).routes(), *control.routes(), page_route()])
        app.router.add_route("*", "/{path:.*}", api.unknown)
        runner = web.AppRunner(
            app,
            access_log=None,
            # A client that leaves ends its request: otherwise hanging requests would pile up.
            handler_cancellation=True,
            shutdown_timeout=CLOSING_SECONDS,
        )
        try:
            await runner.setup()
            await self.service.open()
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            self._socket = socket.create_server((self._host, self._port), family=family, backlog=BACKLOG)
            await web.SockSite(runner, self._socket, backlog=BACKLOG).start()
        except BaseException:
            await self.service.close()
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = self._socket.getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, drop every connection, end all work."""
        if self._runner is None:
            return
        self.service.closing = True
        asyncio.get_running_loop().remove_reader(self._socket)
        # Connections that were accepted just now need some turns of the loop to arrive; aiohttp would miss them.
        for _ in range(TURNS):
            await asyncio.sleep(0)
        # Hanging requests, slow downloads and long polls end now, not when they are done.
        for task in list(self._requests):
            task.cancel()
        await self._runner.cleanup()
        await self.service.close()
        self._runner = None

    @web.middleware
    async def _track(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.service.closing:
            # It came in while the others were being cancelled.
            drop(request)
            return web.Response()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._requests.add(task)
        try:
            return await handler(request)
        finally:
            self._requests.discard(task)


def _for_url(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
