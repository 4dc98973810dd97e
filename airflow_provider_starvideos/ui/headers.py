"""What every answer carries: only our own scripts and styles, videos and pictures from where they can be, no traces."""

from __future__ import annotations

from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'none'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src 'self' {web}; media-src 'self' {web}"
)
"""The hosts of temporary URLs, buckets and reference images are unknown, so media may come from any https host."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class StrictHeaders:
    """An ASGI app around another, that adds these headers."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on, and add the headers to its answer."""
        web = "https:" if scope.get("scheme") == "https" else "https: http:"  # a page of https can't load http anyway
        added = HEADERS | {"Content-Security-Policy": POLICY.format(web=web)}

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                more = [(name.lower().encode(), value.encode()) for name, value in added.items()]
                message = message | {"headers": given + [each for each in more if each[0] not in names]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
