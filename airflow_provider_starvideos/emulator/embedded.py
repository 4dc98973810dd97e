"""The emulator for tests and notebooks: a server on a separate thread, and methods to control it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from airflow_provider_starvideos.emulator.control import finish
from airflow_provider_starvideos.emulator.event_log import Entry, Wanted
from airflow_provider_starvideos.emulator.order import OrderSnapshot
from airflow_provider_starvideos.emulator.server import Server
from airflow_provider_starvideos.emulator.service import DEFAULT_KEY, Service
from airflow_provider_starvideos.emulator.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Billed:
    """What was billed.

    :param videos: accepted orders, failed ones too.
    :param seconds: how long their videos are, seconds.
    """

    videos: int
    seconds: float


class Emulator:
    """A StarVideos server on loopback, running from the constructor until :meth:`close`.

    Every method is thread-safe, and returns within microseconds, except :meth:`wait_for`. In a coroutine use
    :meth:`async_wait_for`.

    :param key: the API key that it accepts.
    :param port: port to listen on; 0 for a free one.
    :param host: address to listen on.
    :param seed: makes times and failures repeatable; None for chance.
    :param settings: see :class:`~airflow_provider_starvideos.emulator.settings.Settings`.
    :raises SettingsError: a setting is unknown or out of bounds.
    :raises OSError: the port is taken.
    """

    def __init__(
        self,
        *,
        key: str = DEFAULT_KEY,
        port: int = 0,
        host: str = "127.0.0.1",
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        self.key = key
        first_settings = Settings().changed(settings)
        self._started: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._server: Server
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(first_settings, host, port, seed)),
            name="starvideos-emulator",
            daemon=True,
        )
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise

    async def _run(self, settings: Settings, host: str, port: int, seed: int | None) -> None:
        try:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._server = Server(settings, [self.key], host=host, port=port, seed=seed)
            await self._server.start()
        except BaseException as exc:  # noqa: BLE001 - it is raised in the thread that waits
            self._started.set_exception(exc)
            return
        self._started.set_result(None)
        await self._stop.wait()
        await self._server.stop()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Stop: drop every connection and end the thread. A second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    @property
    def url(self) -> str:
        """Where the page, the control API, the files and the samples are."""
        return self._server.url

    @property
    def base_url(self) -> str:
        """What a client takes for the vendor's base URL."""
        return self._server.base_url

    @property
    def billed(self) -> Billed:
        """What was billed so far."""
        return self._call(lambda service: Billed(*service.orders.billed()))

    @property
    def orders(self) -> list[OrderSnapshot]:
        """Every order as of now, oldest first."""
        return self._call(lambda service: [order.snapshot() for order in service.orders.all()])

    @property
    def requests(self) -> dict[str, int]:
        """How many requests came: ``create``, ``query``, ``download``, ``unknown``."""
        requests: dict[str, int] = self.state["requests"]
        return requests

    @property
    def connections(self) -> int:
        """How many TCP connections carried API requests."""
        return self._call(lambda service: service.api_connections)

    @property
    def state(self) -> dict[str, Any]:
        """Settings, faults and counters, as the control API shows them."""
        return self._call(lambda service: service.state())

    @property
    def seq(self) -> int:
        """The number of the newest journal entry, for ``since``."""
        return self._call(lambda service: service.journal.seq)

    def order(self, video_id: str) -> OrderSnapshot:
        """Return an order as of now.

        :param video_id: which order.
        :raises KeyError: there is none with that id.
        """

        def find(service: Service) -> OrderSnapshot | None:
            order = service.orders.get(video_id)
            return order.snapshot() if order else None

        found = self._call(find)
        if found is None:
            raise KeyError(video_id)
        return found

    def sample(self, name: str) -> str:
        """Return the URL of a sample input.

        :param name: ``cat.png``, ``waves-5s.mp4``, ``waves-5s.mp4?ratio=9:16``; any name.
        """
        return f"{self.url}/samples/{name}"

    def add_fault(self, *, on: str, kind: str, **fields: object) -> str:
        """Set a fault.

        :param on: ``create``, ``query`` or ``download``.
        :param kind: what goes wrong; see ``fault_kinds.KINDS``.
        :param fields: ``times``, ``rate``, ``match``, ``skip``, ``when`` and the kind's own parameters.
        :return: the fault's id.
        :raises FaultError: it makes no sense.
        """
        return self._call(lambda service: service.faults.add({"on": on, "kind": kind, **fields}))

    def clear_faults(self, fault_id: str | None = None, *, release: str | None = None) -> int:
        """Remove one fault or all, and let go of the requests that hang on it.

        :param fault_id: which; None for all.
        :param release: ``drop`` or ``answer``: what becomes of hanging requests; None for what the fault says.
        :return: how many were removed.
        """
        return self._call(lambda service: service.faults.remove(fault_id, release))

    def update(self, **settings: Any) -> None:
        """Change some settings, from now on.

        :param settings: see :class:`~airflow_provider_starvideos.emulator.settings.Settings`.
        :raises SettingsError: one is unknown or out of bounds; nothing is changed then.
        """

        def change(service: Service) -> None:
            service.settings = service.settings.changed(settings)

        self._call(change)

    def finish(self, video_id: str, status: str = "completed", error: str | None = None) -> None:
        """Put an order into a status, whatever the clock says.

        :param video_id: which order.
        :param status: ``queued``, ``processing``, ``completed`` or ``failed``.
        :param error: why it failed; with ``failed`` only.
        :raises ControlError: there is no such order or status.
        """
        self._call(lambda service: finish(service, video_id, status, error))

    def journal(self, since: int = 0, event: str | None = None, **match: object) -> list[Entry]:
        """Return journal entries, oldest first.

        :param since: only entries with a greater ``seq``.
        :param event: only this event; None for all.
        :param match: fields that must be equal; ``contains``: a part of the prompt or of the id.
        """
        return self._call(lambda service: service.journal.find(Wanted(since, event, match)))

    def wait_for(self, event: str, *, since: int = 0, timeout: float = 10, **match: object) -> Entry:
        """Wait for an event, and return its journal entry: the first after ``since`` that fits.

        :param event: ``request``, ``accepted``, ``fault``, ``answered``, ``client_gone``, ``status``, ``fetched`` or
            ``download``.
        :param since: only entries with a greater ``seq``; 0 sees those of the past too.
        :param timeout: longest wait, seconds.
        :param match: fields that must be equal; ``contains``: a part of the prompt or of the id.
        :return: the entry.
        :raises TimeoutError: none came in time.
        """
        return self._awaited(event, since, timeout, match).result()

    async def async_wait_for(self, event: str, *, since: int = 0, timeout: float = 10, **match: object) -> Entry:
        """Wait as :meth:`wait_for` does, without blocking the caller's event loop.

        :param event: what to wait for.
        :param since: only entries with a greater ``seq``.
        :param timeout: longest wait, seconds.
        :param match: fields that must be equal.
        :return: the entry.
        :raises TimeoutError: none came in time.
        """
        return await asyncio.wrap_future(self._awaited(event, since, timeout, match))

    def reset(self) -> None:
        """Forget orders, faults, counters and the journal. Settings stay."""
        self._call(lambda service: service.reset())

    def _awaited(self, event: str, since: int, timeout: float, match: Mapping[str, object]) -> Future[Entry]:
        async def wait() -> Entry:
            found = await self._server.service.journal.wait(Wanted(since, event, match), timeout)
            if not found:
                raise TimeoutError(f"no {event!r} event with {dict(match)} in {timeout:g} seconds")
            return found[0]

        return self._submit(wait)

    def _call(self, work: Callable[[Service], T]) -> T:
        async def run() -> T:
            return work(self._server.service)

        return self._submit(run).result()

    def _submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run something on the server's loop, where all of its state lives."""
        if not self._thread.is_alive():
            raise RuntimeError("the emulator is closed")
        return asyncio.run_coroutine_threadsafe(work(), self._loop)
