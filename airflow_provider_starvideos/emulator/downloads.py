"""Results and sample inputs. Decides how everything is served that is fetched without an API key."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from email.utils import formatdate

from aiohttp import hdrs, web

from airflow_provider_starvideos.emulator.libraries import MissingLibraryError
from airflow_provider_starvideos.emulator.order import Order
from airflow_provider_starvideos.emulator.request_rules import RATIOS
from airflow_provider_starvideos.emulator.responses import Answer, Body, error_answer, send
from airflow_provider_starvideos.emulator.service import Call, Service

RANGE = re.compile(r"bytes=(\d*)-(\d*)\s*", re.ASCII)
SAMPLE = "{name:[a-z0-9-]+}"
LONGEST_CLIP = 30  # seconds of a sample clip: long enough to be refused as a reference


class Files:
    """The download route and the samples.

    :param service: what they serve from.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/files/{video_id}.mp4", self._download),
            web.get(f"/samples/{SAMPLE}.png", self._picture),
            web.get(f"/samples/{SAMPLE}-{{seconds:[0-9]{{1,2}}}}s.mp4", self._clip),
            web.get("/_control/orders/{video_id}/video", self._preview),
        ]

    async def _download(self, request: web.Request) -> web.StreamResponse:
        video_id = request.match_info["video_id"]
        order = self._service.orders.get(video_id)
        if order is not None:
            order.downloads += 1

        async def respond(call: Call) -> Answer:
            links, settings = self._service.links, self._service.settings
            verdict = links.check(video_id, request.query)
            if verdict == "forged":
                return error_answer(403, "The URL's signature is wrong.", "bad_signature")
            if verdict == "expired":
                return error_answer(settings.expired_status, "The URL has expired.", "url_expired")
            if order is None or order.status != "completed":
                return error_answer(404, "No such file.", "file_not_found")
            call.revoke = lambda: links.revoke(request.query)
            return await self._video(order, request.headers, ranged=settings.ranges)

        prompt = order.accepted.prompt if order else None
        return await self._service.serve(request, "download", respond, video_id=video_id, prompt=prompt)

    async def _preview(self, request: web.Request) -> web.StreamResponse:
        """Send a result to the emulator's own page: no signature, no faults, no counting."""
        order = self._service.orders.get(request.match_info["video_id"])
        if order is None or order.status != "completed":
            raise web.HTTPNotFound
        return (await send(request, await self._video(order, request.headers, ranged=True))).response

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        return await self._sample(request, "image/png", self._service.studio.sample(request.match_info["name"]))

    async def _clip(self, request: web.Request) -> web.StreamResponse:
        name, seconds = request.match_info["name"], int(request.match_info["seconds"])
        ratio = request.query.get("ratio", "16:9")
        if ratio not in RATIOS or not 1 <= seconds <= LONGEST_CLIP:
            raise web.HTTPNotFound(text=f"A clip has 1 to {LONGEST_CLIP} seconds, and a ratio of {', '.join(RATIOS)}.")
        return await self._sample(request, "video/mp4", self._service.studio.sample(name, seconds, ratio))

    async def _sample(self, request: web.Request, content_type: str, making: Awaitable[bytes]) -> web.StreamResponse:
        self._service.requests["sample"] += 1
        try:
            data = await making
            etag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
            answer = Answer(200, Body(data), content_type, headers={"ETag": etag})
        except MissingLibraryError as exc:
            answer = error_answer(501, str(exc), "missing_library")
        return (await send(request, answer)).response

    async def _video(self, order: Order, headers: Mapping[str, str], *, ranged: bool) -> Answer:
        try:
            await self._service.references.settled(order)
            video = await self._service.studio.video(order)
        except MissingLibraryError as exc:
            return error_answer(501, str(exc), "missing_library")
        padding = self._service.settings.pad_bytes
        body = Body(video + free_box(padding), max(0, padding - len(free_box(padding))))
        etag = f'"{hashlib.sha256(video).hexdigest()[:24]}-{padding}"'
        modified = formatdate(order.completed_at or 0, usegmt=True)
        fixed = {"ETag": etag, "Last-Modified": modified, "Cache-Control": "private"}
        if not ranged:
            return Answer(200, body, "video/mp4", fixed)
        whole = Answer(200, body, "video/mp4", {**fixed, "Accept-Ranges": "bytes"})
        condition = headers.get(hdrs.IF_RANGE)
        if condition is not None and condition not in (etag, modified):
            return whole
        return replace(_ranged(whole, headers.get(hdrs.RANGE)), whole=whole)


def _ranged(whole: Answer, header: str | None) -> Answer:
    size = whole.body.size
    try:
        span = read_range(header, size)
    except UnsatisfiableError:
        return Answer(416, headers={"Content-Range": f"bytes */{size}"})
    if span is None:
        return whole
    headers = {**whole.headers, "Content-Range": f"bytes {span[0]}-{span[1] - 1}/{size}"}
    return replace(whole, status=206, body=whole.body.part(*span), headers=headers)


def free_box(size: int) -> bytes:
    """Return the head of an MP4 ``free`` box, which players skip, of so many bytes in all.

    :param size: 0, or at least 8 bytes, head included.
    """
    if size == 0:
        return b""
    if size < 1 << 32:
        return struct.pack(">I4s", size, b"free")
    return struct.pack(">I4sQ", 1, b"free", size)


class UnsatisfiableError(Exception):
    """A range lies outside the file."""


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a ``Range`` header.

    :param header: its value, or None.
    :param size: the file's size, bytes.
    :returns: (start, stop), stop not included; None for the whole file. A header that makes no sense, or asks for
        several ranges, is ignored, as the RFC allows.
    :raises UnsatisfiableError: it lies outside the file.
    """
    found = RANGE.fullmatch(header or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise UnsatisfiableError
    return start, stop
