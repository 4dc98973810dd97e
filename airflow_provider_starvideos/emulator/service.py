"""All parts of one running emulator. Decides how every request of the API and of its files is handled."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

from airflow_provider_starvideos.emulator.event_log import Journal, matches
from airflow_provider_starvideos.emulator.fault_kinds import Scene
from airflow_provider_starvideos.emulator.faults import Faults, HungUpError
from airflow_provider_starvideos.emulator.limits import RateLimit
from airflow_provider_starvideos.emulator.orders import Orders
from airflow_provider_starvideos.emulator.references import References
from airflow_provider_starvideos.emulator.responses import Answer, drop, error_answer, send
from airflow_provider_starvideos.emulator.result_urls import Links
from airflow_provider_starvideos.emulator.settings import Settings
from airflow_provider_starvideos.emulator.studio import Studio

DEFAULT_KEY = "starvideos-emulator"
BASE_PATH = "/kyyReactApiServer"

log = logging.getLogger("starvideos.emulator")


def connection_to(base_url: str, key: str) -> str:
    """Return an Airflow connection as the JSON that an ``AIRFLOW_CONN_…`` variable takes."""
    return json.dumps({"conn_type": "starvideos", "host": base_url, "password": key})


@dataclass(slots=True)
class Connection:
    """A TCP connection: its number, how many requests it has carried, whether it counts as one of the API's."""

    number: int
    requests: int = 0
    counted: bool = False


@dataclass(slots=True)
class Call:
    """One request on its way through."""

    kind: str  # ``create``, ``query`` or ``download``
    request: web.Request
    connection: Connection
    id: str | None = None  # the order's id, once known
    prompt: str | None = None  # the order's prompt, once known
    accepted: bool = False  # a create was accepted and billed
    revoke: Callable[[], None] = lambda: None  # makes the URL of this download expire


Respond = Callable[[Call], Awaitable[Answer]]


class Service:
    """One running emulator. Lives on its event loop, not thread-safe.

    :param settings: how to behave at first.
    :param keys: accepted API keys. They are never logged, shown or journalled.
    :param seed: makes times and failures repeatable; None for chance.
    """

    def __init__(self, settings: Settings, keys: Iterable[str], seed: int | None = None) -> None:
        chance = random.Random(seed)
        self.settings = settings
        self.keys = tuple(keys)
        self.closing = False
        self.journal = Journal()
        self.orders = Orders(self.journal, chance)
        self.faults = Faults(self.journal, chance)
        self.links = Links()
        self.requests: Counter[str] = Counter()
        self.api_connections = 0
        self.studio = Studio()
        self.references = References(self.orders, self.studio, self.journal, lambda: self.settings)
        self._limit = RateLimit()
        self._connections: WeakKeyDictionary[asyncio.BaseTransport, Connection] = WeakKeyDictionary()
        self._numbers = 0

    def state(self) -> dict[str, Any]:
        """Return settings, faults and counters as JSON types."""
        videos, seconds = self.orders.billed()
        return {
            "settings": self.settings.public(),
            "faults": self.faults.all(),
            "billed": {"videos": videos, "seconds": seconds},
            "requests": {kind: self.requests[kind] for kind in ("create", "query", "download", "unknown")},
            "orders_by_status": self.orders.by_status(),
            "connections": self.api_connections,
            "journal_seq": self.journal.seq,
        }

    def snapshots(self, limit: int | None = None, /, **match: object) -> list[dict[str, Any]]:
        """Return the orders that match, oldest first, as JSON types.

        :param limit: only so many of them, the newest; None for all.
        :param match: fields that must be equal.
        """
        found = [asdict(order.snapshot()) for order in self.orders.all(None if match else limit)]
        fitting = [order for order in found if all(matches(order, name, value) for name, value in match.items())]
        return fitting if limit is None else fitting[-limit:]

    def reset(self) -> None:
        """Forget orders, faults, counters and the journal. Settings stay."""
        self.faults.remove(release="drop")
        self.references.clear()
        self.orders.clear()
        self.studio.clear()
        self.links.clear()
        self.journal.clear()
        self.requests.clear()
        self.api_connections = 0
        for connection in self._connections.values():
            connection.counted = False

    async def open(self) -> None:
        """Make what needs a running loop."""
        await self.references.open()

    async def close(self) -> None:
        """Stop all work. All requests have ended before."""
        self.orders.clear()
        await self.references.close()
        await self.studio.close()

    async def serve(
        self,
        request: web.Request,
        kind: str,
        respond: Respond,
        *,
        video_id: str | None = None,
        prompt: str | None = None,
    ) -> web.StreamResponse:
        """Handle one request: journal, rate limit, faults, answer.

        :param request: the request.
        :param kind: ``create``, ``query``, ``download`` or ``unknown``.
        :param respond: makes the right answer.
        :param video_id: the order's id, if known by now.
        :param prompt: the order's prompt, if known by now.
        :returns: what aiohttp's handler has to return. It has been sent.
        """
        started = time.perf_counter()
        call = Call(kind, request, self._connection(request, kind), video_id, prompt)
        self._note_request(call)
        outcome = "dropped"
        try:
            answer = await self._answer(call, respond)
            sent = await send(request, answer)
            if answer.ending == "send":
                outcome = str(answer.status) if sent.whole else f"{answer.status}, cut short"
                self.journal.add("answered", status=answer.status, whole=sent.whole, **self._fields(call))
            if kind == "download":
                authorized = hdrs.AUTHORIZATION in request.headers
                fields = {"bytes": sent.body_bytes, "had_authorization": authorized, "status": answer.status}
                self.journal.add("download", **fields, **self._fields(call))
        except HungUpError:
            drop(request)
            return web.Response()
        except (asyncio.CancelledError, ConnectionError) as exc:
            outcome = "client gone"
            if not self.closing:
                self.journal.add("client_gone", **self._fields(call))
            if isinstance(exc, asyncio.CancelledError):
                raise
            return web.Response()
        else:
            return sent.response
        finally:
            took = (time.perf_counter() - started) * 1000
            log.info("%s %s -> %s (%.0f ms)", request.method, request.rel_url.raw_path, outcome, took)

    async def _answer(self, call: Call, respond: Respond) -> Answer:
        if call.kind in ("create", "query"):
            wait = self._limit.wait(self.settings.max_requests_per_second, time.monotonic())
            if wait:
                answer = error_answer(429, "Too many requests.", "rate_limit_exceeded")
                return replace(answer, headers={"Retry-After": str(math.ceil(wait))})
        when = "before" if call.kind == "create" else None
        fault = await self.faults.choose(call.kind, when, call.id, call.prompt)
        answer = Answer()
        if fault is None or fault.spec.needs_answer:
            answer = await respond(call)
            if call.accepted:
                fault = await self.faults.choose(call.kind, "after", call.id, call.prompt)
        if fault is None or fault.spec.edit is None or (fault.spec.needs_answer and answer.status >= 300):
            return answer
        return fault.spec.edit(answer, fault.params, Scene(str(call.request.rel_url), call.revoke))

    def _connection(self, request: web.Request, kind: str) -> Connection:
        transport = request.transport
        if transport is None:
            return Connection(0)
        connection = self._connections.get(transport)
        if connection is None:
            self._numbers += 1
            connection = self._connections[transport] = Connection(self._numbers)
        connection.requests += 1
        if kind in ("create", "query") and not connection.counted:
            connection.counted = True
            self.api_connections += 1
        return connection

    def _note_request(self, call: Call) -> None:
        self.requests[call.kind] += 1
        self.journal.add(
            "request",
            method=call.request.method,
            path=call.request.path,
            nth_on_connection=call.connection.requests,
            had_authorization=hdrs.AUTHORIZATION in call.request.headers,
            **self._fields(call),
        )

    def _fields(self, call: Call) -> dict[str, Any]:
        return {"kind": call.kind, "id": call.id, "prompt": call.prompt, "connection": call.connection.number}
