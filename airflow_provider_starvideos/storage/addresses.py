"""Can the API read a URL, by its host's name and addresses? The API is outside of this network."""

from __future__ import annotations

import os
import re
import socket
import unicodedata
from functools import lru_cache
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.proxies import proxy_for
from airflow_provider_starvideos.storage.guard import address_of, is_public

# Names that mean something inside of one network only: of Kubernetes, Docker and clouds.
LOCAL_NAMES = re.compile(
    r"(.*\.)?(localhost|local|localdomain|internal|intranet|corp|home|lan|private|home\.arpa|svc|test|invalid)"
    r"|[^.]*"  # a name without a dot: a container, a service, a machine of this network
    r"|.*-internal\.aliyuncs\.com|.*\.vpce\.amazonaws\.com|.*\.cos-internal\..*|.*\.privatelink\..*"
)
# Names that lead to private addresses inside of the store's own cloud, and to public ones from everywhere else.
PUBLIC_STORES = re.compile(
    r".*\.(amazonaws\.com(\.cn)?|googleapis\.com|core\.windows\.net|core\.chinacloudapi\.cn|aliyuncs\.com|myqcloud\.com"
    r"|r2\.cloudflarestorage\.com|cloudfront\.net)"
)


def why_unreachable(url: str, api_base_url: str) -> str:
    """Return why the API can't read a URL. An empty text: there is no known reason.

    :param url: of an input
    :param api_base_url: where the API is: an API in this network can read addresses of this network
    """
    reason = _why_local(_host(url), _has_proxy(url))
    return reason if reason and not _why_local(_host(api_base_url), False) else ""


def _host(url: str) -> str:
    return unicodedata.normalize("NFKC", urlsplit(url).hostname or "").lower().rstrip(".")


def _has_proxy(url: str) -> bool:
    """Return whether a proxy serves a URL: it then resolves names, which may be unknown here."""
    try:
        return proxy_for(url, os.environ) is not None
    except ValueError:  # the variable's value can't be used; sending the order says so
        return True


@lru_cache(maxsize=1000)
def _why_local(host: str, by_proxy: bool) -> str:
    address = address_of(host)
    if address:
        return "" if is_public(address) else f"{host} is an address of a private network"
    if LOCAL_NAMES.fullmatch(host):
        return f"{host} is a name of a private network"
    if by_proxy or PUBLIC_STORES.fullmatch(host):
        return ""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return ""  # not known here: the API may know it
    if not found or any(map(is_public, found)):
        return ""
    return f"{host} leads to {min(found)}, an address of a private network"
