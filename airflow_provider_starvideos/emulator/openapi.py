"""The OpenAPI document of the two documented calls, made from the rules that the server checks; see ``validation``."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_provider_starvideos.emulator.order import STATUSES
from airflow_provider_starvideos.emulator.routes import LARGEST_BODY
from airflow_provider_starvideos.emulator.service import BASE_PATH, Service
from airflow_provider_starvideos.emulator.validation import (
    DEFAULT_DURATION,
    DEFAULT_RATIO,
    DURATIONS,
    MODEL,
    MODES,
    RATIOS,
    Mode,
)

PATH = "/openapi.json"
URL_PATTERN = r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,60}[A-Za-z0-9])?(:[1-9][0-9]{0,3})?(/[!-~]*)?$"
"""Plain URLs. The server takes further ones, with an IPv6 address or beyond ASCII, that a pattern can't tell well."""

JSON = "application/json"
ERRORS = {
    "400": "The request breaks a rule; every problem is listed.",
    "401": "The key is missing or wrong.",
    "404": "There is no such video, or no such path.",
    "413": f"The request is larger than {LARGEST_BODY} bytes.",
    "429": "Too many requests.",
}


def document(origin: str) -> dict[str, Any]:
    """Return the OpenAPI document.

    :param origin: ``http://host:port`` as the client knows this server.
    """
    create = {
        "operationId": "createVideo",
        "summary": "Order a video",
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref("Order")}}},
        "responses": {"200": _answer("The order was accepted, and is billed.", "Video")} | _errors("400", "413"),
    }
    query = {
        "operationId": "queryVideo",
        "summary": "Show a video",
        "parameters": [{"name": "video_id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": _answer("The video as it is now.", "Result")} | _errors("404"),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "StarVideos O3, emulated",
            "version": "1",
            "description": "Written from the vendor's pages; error statuses and bodies aren't documented there.",
        },
        "servers": [{"url": origin + BASE_PATH}],
        "security": [{"key": []}],
        "paths": {"/v1/starvideos/videos": {"post": create}, "/v1/result/{video_id}": {"get": query}},
        "components": {"schemas": _schemas(), "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": _ref(schema)}}}


def _errors(*statuses: str) -> dict[str, Any]:
    """Return the errors of a call: its own, and those of every call."""
    return {status: _answer(ERRORS[status], "Error") for status in sorted({*statuses, "401", "429"})}


def _schemas() -> dict[str, Any]:
    video: dict[str, Any] = {
        "id": {"type": "string", "minLength": 1},
        "object": {"const": "video"},
        "created": {"type": "integer", "description": "Unix seconds."},
        "model": {"const": MODEL},
        "status": {"enum": list(STATUSES)},
        "error": {"type": ["string", "null"]},
    }
    result = video | {
        "video_url": {"type": ["string", "null"], "description": "Once completed. Temporary."},
        "actualDuration": {"type": ["number", "null"], "description": "Seconds, once completed."},
    }
    message = {"type": "string"}
    detailed = {"type": "object", "required": ["message", "code"], "properties": {"message": message, "code": message}}
    return {
        "Order": {"oneOf": [_mode(mode) for mode in MODES]},
        "Video": {"type": "object", "required": list(video), "properties": video},
        "Result": {"type": "object", "required": list(result), "properties": result},
        "Error": {
            "anyOf": [
                {"type": "object", "required": ["error"], "properties": {"error": detailed}},
                {"type": "object", "required": ["message"], "properties": {"message": message}},
            ]
        },
    }


def _mode(mode: Mode) -> dict[str, Any]:
    """Return the schema of the orders of one mode."""
    url = {"type": "string", "pattern": URL_PATTERN}
    given: dict[str, Any] = {
        name: {"type": "array", "items": url, "minItems": amount[0], "maxItems": amount[-1]}
        for name, amount in (("referenceImages", mode.images), ("referenceVideos", mode.videos))
        if amount[-1]
    }
    given |= dict.fromkeys(("first_image", "last_image"), url) if mode.frames else {}
    absent = [name for name in ("referenceImages", "referenceVideos", "first_image", "last_image") if name not in given]
    return {
        "title": mode.name,
        "type": "object",
        "required": ["model", "prompt", *given],
        "properties": {
            "model": {"const": MODEL},
            "prompt": {"type": "string", "pattern": r"\S"},
            "duration": _duration(mode),
            "ratio": _ratio(mode),
            **given,
            **dict.fromkeys(absent, False),
        },
    }


def _duration(mode: Mode) -> dict[str, Any]:
    if not mode.timed:
        return {"type": "integer", "description": "Ignored: the output follows the clip."}
    return {"type": "integer", "minimum": DURATIONS[0], "maximum": DURATIONS[-1], "default": DEFAULT_DURATION}


def _ratio(mode: Mode) -> dict[str, Any]:
    if not mode.timed:
        return {"type": "string", "description": "Ignored: the output follows the clip."}
    return {"enum": list(RATIOS), "default": DEFAULT_RATIO}


class Schema:
    """Publishes the document.

    :param service: knows how a client names this server.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get(PATH, self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """Send the document."""
        return web.json_response(document(self._service.origin(request)))
