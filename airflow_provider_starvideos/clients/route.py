"""What all requests to an endpoint share: key, proxy, certificates, timeouts."""

from __future__ import annotations

import os
from typing import Any

import aiohttp
from multidict import CIMultiDict

from airflow_provider_starvideos.api.protocol import BODY_HEADERS, HEADERS, Endpoint
from airflow_provider_starvideos.api.proxies import proxy_for
from airflow_provider_starvideos.clients.certificates import ssl_context


class Route:
    """Headers and options for aiohttp. Raises ``ValueError`` if the environment's proxy or certificates are wrong."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.headers = CIMultiDict({**HEADERS, "Authorization": f"Bearer {endpoint.key}"})
        self.options: dict[str, Any] = {
            "ssl": ssl_context(os.environ),
            "timeout": aiohttp.ClientTimeout(total=endpoint.timeout, sock_connect=endpoint.connect_timeout),
        }
        if proxy := proxy_for(endpoint.base_url, os.environ):
            self.options["proxy"] = proxy.url
            # Not as ``proxy_auth``: aiohttp's errors would show it.
            credentials = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
            self.options["proxy_headers"] = {**credentials, "User-Agent": HEADERS["User-Agent"]}
            if endpoint.base_url.startswith("http://"):  # no tunnel: the proxy reads the request itself
                self.headers.update(credentials)
        self.headers_with_body = CIMultiDict({**self.headers, **BODY_HEADERS})
