"""The page at ``/``: one static file that uses the control API. Decides what that page may run."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from aiohttp import web


def page_route() -> web.RouteDef:
    """Return the route of the page, with a policy that lets nothing run except its own script."""
    text = files("airflow_provider_starvideos.emulator").joinpath("page.html").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(text, 'script')}'; style-src '{_hash(text, 'style')}'; "
        "connect-src 'self'; media-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    headers |= {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html", headers=headers)

    return web.get("/", show)


def _hash(text: str, tag: str) -> str:
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
