"""The control API: state, settings, faults, orders, events. Decides who may use it: without a key, on loopback."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from airflow_provider_starvideos.emulator.event_log import Wanted
from airflow_provider_starvideos.emulator.fault_kinds import KINDS
from airflow_provider_starvideos.emulator.faults import FaultError
from airflow_provider_starvideos.emulator.order import STATUSES
from airflow_provider_starvideos.emulator.service import Service
from airflow_provider_starvideos.emulator.settings import SettingsError

ROOT = "/_control"
LONGEST_WAIT_SECONDS = 600.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlError(Exception):
    """A control request makes no sense. The message says why."""


class Control:
    """The control API's endpoints.

    :param service: what they control.
    :param only_loopback: refuse requests to any other host name. A website could bind its name to loopback.
    """

    def __init__(self, service: Service, *, only_loopback: bool) -> None:
        self._service = service
        self._only_loopback = only_loopback

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(f"{ROOT}/state", self._guarded(self._state)),
            web.get(f"{ROOT}/orders", self._guarded(self._orders)),
            web.post(f"{ROOT}/orders/{{video_id}}", self._guarded(self._finish)),
            web.patch(f"{ROOT}/settings", self._guarded(self._change)),
            web.post(f"{ROOT}/faults", self._guarded(self._add_fault)),
            web.delete(f"{ROOT}/faults", self._guarded(self._remove_faults)),
            web.delete(f"{ROOT}/faults/{{fault_id}}", self._guarded(self._remove_faults)),
            web.get(f"{ROOT}/kinds", self._guarded(self._kinds)),
            web.get(f"{ROOT}/journal", self._guarded(self._journal)),
            web.post(f"{ROOT}/reset", self._guarded(self._reset)),
        ]

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._service.state())

    async def _orders(self, request: web.Request) -> web.Response:
        """List the orders with equal fields. ``contains``: a part of prompt or id. ``limit``: only the newest."""
        match: dict[str, Any] = dict(request.query)
        limit = match.pop("limit", None)
        if limit is not None and not (limit.isdecimal() and int(limit) > 0):
            raise ControlError(f"limit must be a positive integer (got {limit!r})")
        return web.json_response(self._service.snapshots(limit and int(limit), **match))

    async def _finish(self, request: web.Request) -> web.Response:
        video_id = request.match_info["video_id"]
        body = await _object(request)
        finish(self._service, video_id, body.get("status"), body.get("error"))
        return web.json_response(self._service.snapshots(id=video_id)[0])

    async def _change(self, request: web.Request) -> web.Response:
        self._service.settings = self._service.settings.changed(await _object(request))
        return web.json_response(self._service.settings.public())

    async def _add_fault(self, request: web.Request) -> web.Response:
        return web.json_response({"fault_id": self._service.faults.add(await _object(request))}, status=201)

    async def _remove_faults(self, request: web.Request) -> web.Response:
        """Remove one fault or all; ``?release=answer`` answers the requests that hang on it."""
        fault_id = request.match_info.get("fault_id")
        removed = self._service.faults.remove(fault_id, request.query.get("release"))
        if fault_id is not None and not removed:
            text = json.dumps({"error": f"there is no {fault_id}"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return web.json_response({"removed": removed})

    async def _kinds(self, request: web.Request) -> web.Response:
        rows = {
            name: {"about": kind.about, "on": kind.on, "params": list(kind.params), "needs_answer": kind.needs_answer}
            for name, kind in KINDS.items()
        }
        return web.json_response(rows)

    async def _journal(self, request: web.Request) -> web.Response:
        """List journal entries after ``since``, waiting up to ``wait`` seconds for the first of them."""
        match: dict[str, Any] = dict(request.query)
        try:
            since, wait = int(match.pop("since", 0)), float(match.pop("wait", 0))
        except ValueError:
            raise ControlError("since must be an integer, and wait a number of seconds") from None
        if not 0 <= wait <= LONGEST_WAIT_SECONDS:
            raise ControlError(f"wait must be from 0 to {LONGEST_WAIT_SECONDS:g} seconds (got {wait:g})")
        wanted = Wanted(since, match.pop("event", None), match)
        return web.json_response(await self._service.journal.wait(wanted, wait))

    async def _reset(self, request: web.Request) -> web.Response:
        self._service.reset()
        return web.json_response({})

    def _guarded(self, handler: Handler) -> Handler:
        """Turn errors into JSON, and keep other websites' scripts out."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            # A page from elsewhere may send requests to loopback, though it can't read the answers.
            origin = request.headers.get(hdrs.ORIGIN)
            if origin is not None and origin.partition("://")[2] != request.host:
                return web.json_response({"error": "cross-origin requests are refused"}, status=403)
            if self._only_loopback and not is_loopback(_host_name(request.host)):
                return web.json_response({"error": "only for loopback"}, status=403)
            try:
                return await handler(request)
            except (ControlError, SettingsError, FaultError) as exc:
                return web.json_response({"error": str(exc)}, status=400)

        return guarded


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine as seen from itself.

    :param host: an address or a name.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_name(host: str) -> str:
    """Return a ``Host`` header's name without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def finish(service: Service, video_id: str, status: object, error: object = None) -> None:
    """Put an order into a status.

    :param service: the running emulator.
    :param video_id: which order.
    :param status: ``queued``, ``processing``, ``completed`` or ``failed``.
    :param error: why it failed; with ``failed`` only.
    :raises ControlError: there is no such order or status.
    """
    order = service.orders.get(video_id)
    if order is None:
        raise ControlError(f"no order {video_id!r}")
    if status not in STATUSES:
        raise ControlError(f"status must be one of {', '.join(STATUSES)} (got {status!r})")
    if not (error is None or (isinstance(error, str) and status == "failed")):
        raise ControlError("error must be a string, and comes with the status failed only")
    service.orders.force(order, str(status), error)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body
