"""Between an answer's last byte and its caller nothing waits; what is given up is not sent any more (CASES B6)."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from airflow_provider_starvideos.clients import aio, sync
from airflow_provider_starvideos.clients.aio import AioClient
from airflow_provider_starvideos.clients.in_flight import InFlight
from airflow_provider_starvideos.exceptions import StarVideosConnectionError
from tests.contract.conftest import Peer, SyncClient

VIDEO = b'{"id": "video_1", "status": "queued"}'


class Interruption(BaseException):
    """As Airflow's AirflowTaskTimeout: no Exception, raised by a signal's handler."""


async def hang(*_: Any, **__: Any) -> None:
    """Close for ever."""
    await asyncio.sleep(3600)


async def fail(*_: Any, **__: Any) -> None:
    """Close with an error."""
    raise OSError("closing failed")


def fail_at_once(*_: Any, **__: Any) -> None:
    """Release with an error."""
    raise OSError("closing failed")


def answer(peer: Peer) -> None:
    """Answer every request."""
    while peer.read_request():
        peer.answer(VIDEO)


def ended() -> None:
    """Wait until no client's thread is left, and collect what they haven't closed."""
    for thread in threading.enumerate():
        if thread.name == "starvideos-request":
            thread.join(10)
            assert not thread.is_alive()
    gc.collect()


CLOSINGS = {
    "a session hangs": (aiohttp.ClientSession, "close", hang),
    "a session fails": (aiohttp.ClientSession, "close", fail),
    "a connector hangs": (aiohttp.TCPConnector, "close", hang),
    "a connector fails": (aiohttp.TCPConnector, "close", fail),
}


@pytest.mark.parametrize(("owner", "name", "closing"), CLOSINGS.values(), ids=CLOSINGS)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_orders_answer_does_not_wait_for_a_closing(
    owner: type, name: str, closing: Any, client: Any, api: Any, serve: Any, monkeypatch: Any, request: Any
) -> None:
    """Nor does leaving the client after an order; after a poll it takes ``CLOSE_SECONDS`` at most."""
    monkeypatch.setattr(owner, name, closing)
    monkeypatch.setattr(aio, "CLOSE_SECONDS", 0.1)
    request.addfinalizer(ended)
    here = api(serve(answer).url)
    started = time.monotonic()
    assert client.run(here.create()).id == "video_1"
    client.leave()
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.poll()).id == "video_1"
    client.leave()
    assert time.monotonic() - started < 5


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_that_cannot_be_released_loses_no_answer(
    client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    """The answer is there: whatever the library does afterwards."""
    monkeypatch.setattr(aiohttp.ClientResponse, "release", fail_at_once)
    request.addfinalizer(ended)
    here = api(serve(answer).url)
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.poll()).id == "video_1"
    client.leave()


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Raise an ``Interruption`` in the main thread, as a signal does."""

    def handler(number: int, frame: Any) -> None:
        raise Interruption

    before = signal.signal(signal.SIGUSR1, handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)  # type: ignore[misc]
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def blocking() -> Any:
    """The blocking client alone: a signal reaches the main thread."""
    client = SyncClient()
    yield client
    client.close()


def test_an_interruption_before_a_connection_stands_sends_nothing_after_it(
    blocking: SyncClient, api: Any, serve: Any, interrupt: Callable[[], None]
) -> None:
    """The server completes the handshake afterwards, and never gets the order."""
    told = threading.Event()

    def handle(peer: Peer) -> None:
        assert peer.sock.recv(5, 2)  # the client's hello has come
        interrupt()
        told.wait(10)
        peer.hang()

    server = serve(handle)
    with pytest.raises(Interruption):
        blocking.send(api(f"https://127.0.0.1:{server.port}", timeout=60.0, connect_timeout=60.0).order)
    told.set()
    server._threads[1].join(10)  # the client has hung up
    assert server.requests == []


def test_an_interruption_while_the_server_works_gives_the_order_up(
    blocking: SyncClient, api: Any, serve: Any, interrupt: Callable[[], None]
) -> None:
    """It is raised at once, the connection ends, and the client can go on."""

    def handle(peer: Peer) -> None:
        peer.read_request()
        if peer.server.connections == 1:
            interrupt()
            peer.hang()
        peer.answer(VIDEO)

    server = serve(handle)
    here = api(server.url, timeout=60.0)
    started = time.monotonic()
    with pytest.raises(Interruption):
        blocking.send(here.order)
    assert time.monotonic() - started < 10
    server._threads[1].join(10)
    assert blocking.send(here.query).body == VIDEO


async def test_a_request_that_was_given_up_before_it_connected_is_not_sent(api: Any, serve: Any) -> None:
    """Also before it is cancelled: the connection comes too late."""
    server = serve(answer)
    in_flight = InFlight()
    assert in_flight.give_up() is None
    async with AioClient() as client:
        with pytest.raises(StarVideosConnectionError) as caught:
            await client.send(api(server.url).order, in_flight)
    assert caught.value.sent is False
    assert server.requests == []


def test_an_answer_that_comes_with_an_interruption_is_kept(
    blocking: SyncClient, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paid video's id is returned, so that it can be put on record, and leaving the client raises."""
    wait = sync.wait

    def interrupted(*args: Any) -> Any:
        wait(*args)
        raise Interruption

    monkeypatch.setattr(sync, "wait", interrupted)
    here = api(serve(answer).url)
    assert blocking.run(here.create()).id == "video_1"
    with pytest.raises(Interruption):
        blocking.leave()
    assert blocking.run(here.create()).id == "video_1"
    with pytest.raises(Interruption):
        blocking.run(here.create())  # nothing is sent any more
    blocking.leave()


def test_a_thread_that_is_stuck_holds_nobody(
    blocking: SyncClient, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading certificates from a file system that hangs, say: the order ends in its time, and never leaves."""
    free = threading.Event()
    monkeypatch.setattr(sync, "BACKSTOP_SECONDS", 0.1)
    monkeypatch.setattr("airflow_provider_starvideos.clients.route.ssl_context", lambda _: free.wait(30))
    server = serve(answer)
    with pytest.raises(StarVideosConnectionError, match=r"no whole answer within 0\.2 s") as caught:
        blocking.send(api(server.url, timeout=0.2).order)
    assert caught.value.sent is False
    free.set()
    ended()
    assert server.requests == []


def test_a_process_without_threads_or_files_to_spare_sends_nothing(
    blocking: SyncClient, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of the connection, and the order provably never left."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with pytest.raises(StarVideosConnectionError, match="can't start new thread") as caught:
        blocking.send(api("https://api.test").order)
    assert caught.value.sent is False
