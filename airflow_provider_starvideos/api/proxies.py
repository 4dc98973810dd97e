"""Which proxy a request takes: one rule for workers, the triggerer and downloads.

It reads ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in upper or lower case, in every form that
users of curl, Python, Go and Java write.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
PROXY_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]@]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
SEPARATORS = re.compile(r"[\s,;]+")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxy:
    """A proxy."""

    url: str  # without user and password
    authorization: str | None = field(default=None, repr=False)  # value of Proxy-Authorization; None: none is sent


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for a URL; None: connect directly.

    :raises ValueError: the variable's value can't be used; the message names the variable and shows no password
    """
    parts = urlsplit(url)
    values = {name.lower(): (name, value) for name, value in environ.items() if name.lower().endswith("_proxy")}
    values |= {name: (name, value) for name, value in environ.items() if name in values}  # lower case wins, as in curl
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        variable, value = values.get(name, (name, ""))
        if value.strip():
            if _is_exempt(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], values.get("no_proxy")):
                return None
            return _read_proxy(variable, value)
    return None


def _read_proxy(variable: str, value: str) -> Proxy:
    scheme, separator, rest = value.strip().strip("'\"").partition("://")
    if not separator:
        scheme, rest = "http", scheme.removeprefix("//")
    # Not by urlsplit: a password may hold "#", "/" or "@" that isn't percent-encoded.
    user_info, _, host = rest.rpartition("@")
    found = PROXY_HOST.fullmatch(host.partition("/")[0])
    scheme = scheme.lower()
    if scheme.startswith("socks"):
        raise ValueError(f"{variable} names a SOCKS proxy, which isn't supported: name an http:// or https:// proxy")
    if scheme not in DEFAULT_PORTS or not found or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError(f"{variable} isn't the address of a proxy such as http://proxy.example:3128")
    authorization = None
    if user_info:
        user, _, password = user_info.partition(":")
        token = f"{unquote(user)}:{unquote(password)}".encode()
        authorization = f"Basic {b64encode(token).decode()}"
    return Proxy(f"{scheme}://{found['name']}:{found['port'] or DEFAULT_PORTS[scheme]}", authorization)


def _is_exempt(host: str, port: int, no_proxy: tuple[str, str] | None) -> bool:
    name, address = _name(host), _address(host)
    entries = SEPARATORS.split(no_proxy[1].strip("'\"")) if no_proxy else []
    return any(_covers(entry, name, address, port) for entry in entries if entry)


def _covers(entry: str, name: str, address: _Address | None, port: int) -> bool:
    if "://" in entry:
        entry = entry.partition("://")[2].partition("/")[0]
    host, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and (host.endswith("]") or ":" not in host):
        return int(wanted) == port and _covers(host, name, address, port)
    with suppress(ValueError):  # an address or a network
        network = ipaddress.ip_network(entry.replace("[", "").replace("]", "").partition("%")[0], strict=False)
        return address is not None and address in network
    suffix = _name(entry.removeprefix("*.")).lstrip(".")
    if "*" in suffix:
        return fnmatchcase(name, suffix)
    return bool(suffix) and (name == suffix or (address is None and name.endswith(f".{suffix}")))


def _name(host: str) -> str:
    return host.lower().rstrip(".")


def _address(host: str) -> _Address | None:
    """Return the address that a URL's host is, without its zone; None: it is a name. Names aren't resolved."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host.partition("%")[0])
        return getattr(address, "ipv4_mapped", None) or address
    return None
