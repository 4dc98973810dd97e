"""The page at ``/``: one static file that reads the control API."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from aiohttp import web

_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
    "media-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Page:
    """Serves the page, with a policy that lets nothing run but its own script."""

    def __init__(self) -> None:
        self._text = files("airflow_provider_starvideos.emulator").joinpath("page.html").read_text("utf-8")
        hashes = {tag: _hash(self._text, tag) for tag in ("script", "style")}
        self._headers = {
            "Content-Security-Policy": _POLICY.format(**hashes),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """Send the page."""
        return web.Response(text=self._text, content_type="text/html", headers=self._headers)


def _hash(text: str, tag: str) -> str:
    content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    if content is None:
        raise ValueError(f"the page has no <{tag}>")
    return base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
