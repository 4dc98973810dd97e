"""Decides which hosts a result may be fetched from.

A result's URL and its redirects come from outside. They could make a worker read what is reachable only from inside a
company's network. So they must be http(s) and at public addresses, except the API's own host, or where the connection
allows private ones. The address that was checked is the one that is connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.proxies import DEFAULT_PORTS
from airflow_provider_starvideos.exceptions import StarVideosUnsafeURLError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# The public internet (RFC 4291). Python's ``is_global`` includes much more.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
MAX_ORIGIN_CHARACTERS = 200
MAX_ADDRESSES = 6  # of one host that are tried


class Guard:
    """Checks URLs and opens connections to checked addresses.

    :param api_base_url: the API's base URL; its own host and port may be private
    :param allow_private: allow every address (the connection's extra ``allow_private_downloads``)
    :param resolve: resolves a name, as ``socket.getaddrinfo`` does
    """

    def __init__(
        self,
        api_base_url: str,
        *,
        allow_private: bool = False,
        resolve: Callable[..., list[Any]] = socket.getaddrinfo,
    ) -> None:
        self._trusted = _parts(api_base_url)[1:]
        self._allow_private = allow_private
        self._resolve = resolve

    def check_url(self, url: str, *, came_from: str | None = None) -> None:
        """Check what the URL itself shows.

        :param came_from: the URL that redirected here
        :raises StarVideosUnsafeURLError: not http(s), no host, a step from https down to http
        """
        scheme, host, port = _parts(url)
        if scheme not in DEFAULT_PORTS or not host:
            raise StarVideosUnsafeURLError(f"The result's URL isn't one of http(s) with a host: {_origin(url)}")
        if came_from and _parts(came_from)[0] == "https" and scheme == "http":
            raise StarVideosUnsafeURLError(f"{_origin(came_from)} redirects from https down to {_origin(url)}")

        # A proxy resolves names itself. An address in the URL can be judged here.
        address = address_of(host)
        if address and not self._may_connect(host, port, address):
            raise _private(host, address)

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Resolve a host and connect to its first address that may be connected to and answers.

        :param timeout: seconds for each address
        :raises StarVideosUnsafeURLError: none of its addresses may be connected to
        :raises OSError: none of them answers, or the name isn't known
        """
        try:
            found = self._resolve(host, port, 0, socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(f"{host} can't be a host's name") from error
        allowed = [info for info in found if self._may_connect(host, port, str(info[4][0]))]
        if found and not allowed:
            raise _private(host, str(found[0][4][0]))
        failure: OSError = OSError(f"no address is known for {host}")
        for family, kind, protocol, _, address in allowed[:MAX_ADDRESSES]:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(timeout)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _may_connect(self, host: str, port: int, address: str) -> bool:
        return self._allow_private or (host.lower(), port) == self._trusted or is_public(address)


def is_public(text: str) -> bool:
    """Return whether an IP address is public, also where it is wrapped in an IPv6 address."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _wrapped(address)
        if inner is None:
            return address in GLOBAL_UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def address_of(host: str) -> str | None:
    """Return the address that a host's name is, also where it is written as ``127.1`` or ``0x7f000001``."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _private(host: str, address: str) -> StarVideosUnsafeURLError:
    return StarVideosUnsafeURLError(
        f"The result's URL points to {host}, at the private address {address}. If that is intended, set the extra "
        "allow_private_downloads of the StarVideos connection to true."
    )


def _parts(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port. They are empty if the URL can't be read."""
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


def _origin(url: str) -> str:
    """Return a URL's scheme and host for a message, shortened. The rest may be signed."""
    scheme, host, _ = _parts(url)
    return f"{scheme}://{host}"[:MAX_ORIGIN_CHARACTERS]
