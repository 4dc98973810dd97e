"""The documented API. Decides how the two calls answer, and 404 for everything else."""

from __future__ import annotations

import hmac
import json
from typing import Any, NoReturn

from aiohttp import hdrs, web

from airflow_provider_starvideos.emulator.dialects import apply_dialects
from airflow_provider_starvideos.emulator.request_rules import InvalidRequestError, Problem, check
from airflow_provider_starvideos.emulator.responses import Answer, error_answer, json_answer
from airflow_provider_starvideos.emulator.service import BASE_PATH, Call, Service

LARGEST_BODY = 1 << 20  # bytes of a create request


class Api:
    """The two documented endpoints.

    :param service: what they serve from.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(f"{BASE_PATH}/v1/starvideos/videos", self._create),
            web.get(f"{BASE_PATH}/v1/result/{{video_id}}", self._query, allow_head=False),
        ]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body: Any = None
        refusal: Answer | None = None
        try:
            body = decode(await request.read())
        except web.HTTPRequestEntityTooLarge:
            refusal = error_answer(413, f"The request is larger than {LARGEST_BODY} bytes.", "request_too_large")
        except InvalidRequestError as exc:
            refusal = _invalid(exc)
        prompt = body.get("prompt") if isinstance(body, dict) else None

        async def respond(call: Call) -> Answer:
            return self._in_dialects(self._refusal(request) or refusal or self._accept(call, body))

        return await self._service.serve(request, "create", respond, prompt=prompt if isinstance(prompt, str) else None)

    async def _query(self, request: web.Request) -> web.StreamResponse:
        video_id = request.match_info["video_id"]
        order = self._service.orders.get(video_id)

        async def respond(call: Call) -> Answer:
            return self._in_dialects(self._refusal(request) or self._show(call, video_id))

        prompt = order.accepted.prompt if order else None
        return await self._service.serve(request, "query", respond, video_id=video_id, prompt=prompt)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """Answer as the vendor's server does for a path that it doesn't have."""

        async def respond(call: Call) -> Answer:
            return json_answer({"message": f"No handler found for {request.method} {request.path}"}, 404)

        return await self._service.serve(request, "unknown", respond)

    def _in_dialects(self, answer: Answer) -> Answer:
        return apply_dialects(answer, self._service.settings.dialect)

    def _refusal(self, request: web.Request) -> Answer | None:
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        good = [
            hmac.compare_digest(key.strip().encode(errors="replace"), known.encode()) for known in self._service.keys
        ]
        if scheme.lower() == "bearer" and any(good):
            return None
        return error_answer(401, "Invalid or missing API key.", "invalid_api_key")

    def _accept(self, call: Call, body: Any) -> Answer:
        try:
            accepted = check(body)
        except InvalidRequestError as exc:
            return _invalid(exc)
        order = self._service.orders.accept(body, accepted, self._service.settings)
        call.id, call.accepted = order.id, True
        answer = json_answer(order.document())
        self._service.references.start(order)
        return answer

    def _show(self, call: Call, video_id: str) -> Answer:
        service = self._service
        order = service.orders.get(video_id)
        if order is None:
            return error_answer(404, f"No video {video_id!r}.", "video_not_found")
        order.queries += 1
        document: dict[str, Any] = {**order.document(), "video_url": None, "actualDuration": None}
        if order.status == "completed":
            origin = service.settings.files_url or f"{call.request.scheme}://{call.request.host}"
            document["video_url"] = service.links.make(origin, order.id, service.settings.url_ttl)
            document["actualDuration"] = order.seconds
            if service.settings.price_per_second is not None:
                document["amount"] = round(order.seconds * service.settings.price_per_second, 4)
        return json_answer(document)


def _invalid(error: InvalidRequestError) -> Answer:
    problems = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    return error_answer(400, str(error), "invalid_request", problems=problems)


def decode(raw: bytes) -> Any:
    """Read a JSON body.

    :param raw: the bytes as received.
    :returns: what they mean.
    :raises InvalidRequestError: they are not JSON.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequestError([Problem("body", f"must be JSON ({exc})")]) from None
