"""From an Airflow connection to an API endpoint: everything that reads the connection stands here.

Works for a connection from the form, from ``AIRFLOW_CONN_…`` as URI or JSON, and from a secrets backend: those differ
in how they split a base URL over host, port and schema, and a URI's extras are all text.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import StarVideosConfigurationError

CONN_TYPE = "starvideos"
DEFAULT_CONN_ID = "starvideos_default"
VENDOR_BASE_URL = "https://zcbservice.aizfw.cn/kyyReactApiServer"
"""From the vendor's page "StarVideos O3 - Create Task"."""


class AirflowConnection(Protocol):
    """What is read of an Airflow connection, whichever class this Airflow has for it."""

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    password: str | None


@dataclass(frozen=True)
class NumberExtra:
    """A number among the connection's extras."""

    default: float
    lowest: float
    highest: float
    whole: bool = False


NUMBER_EXTRAS: Mapping[str, NumberExtra] = {
    "timeout": NumberExtra(60, 1, 600),
    "connect_timeout": NumberExtra(10, 0.1, 120),
    "max_retries": NumberExtra(3, 0, 20, whole=True),
}
TRUTHS: Mapping[str, bool] = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
    "": False,
}


def endpoint_of(connection: AirflowConnection, extras: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint that a connection describes.

    :param connection: its host, port and schema give the base URL (empty: the vendor's), its password the key
    :param extras: the connection's extra, as a mapping
    :raises StarVideosConfigurationError: with every problem of the connection
    """
    problems: list[str] = []
    if not isinstance(extras, Mapping):
        problems.append("extra: must be a JSON object")
        extras = {}
    key = (connection.password or "").strip()
    if not key:
        problems.append("password: must hold the StarVideos API key (it is empty)")
    elif not key.isascii() or not key.isprintable() or " " in key:
        problems.append("password: must be an API key, printable ASCII without blanks (the value isn't shown)")
    numbers = {name: _number(name, rule, extras.get(name), problems) for name, rule in NUMBER_EXTRAS.items()}
    allow_http = _truth("allow_http", extras.get("allow_http"), problems)
    base_url = _base_url(connection, allow_http=allow_http, problems=problems)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise StarVideosConfigurationError(f"Connection {connection.conn_id!r} can't be used:{listed}")
    return Endpoint(base_url, key, numbers["timeout"], numbers["connect_timeout"], int(numbers["max_retries"]))


def _number(name: str, rule: NumberExtra, value: Any, problems: list[str]) -> float:
    if value is None or value == "":
        return rule.default
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not rule.lowest <= number <= rule.highest or (rule.whole and not number.is_integer()):
        kind = "a whole number" if rule.whole else "a number"
        problems.append(f"extra {name}: must be {kind} from {rule.lowest:g} to {rule.highest:g} (got {shown(value)})")
        return rule.default
    return number


def _truth(name: str, value: Any, problems: list[str]) -> bool:
    text = str(value if value is not None else "").strip().lower()
    if text not in TRUTHS:
        problems.append(f"extra {name}: must be true or false (got {shown(value)})")
    return TRUTHS.get(text, False)


def _base_url(connection: AirflowConnection, *, allow_http: bool, problems: list[str]) -> str:
    """Put the base URL together and check it. A bare host means https, a bare loopback host http."""
    host = (connection.host or "").strip()
    if not host:
        return VENDOR_BASE_URL
    try:
        if "://" not in host:
            host = f"{'http' if _is_loopback(urlsplit('//' + host).hostname or '') else 'https'}://{host}"
        parts = urlsplit(host)
        port = parts.port or connection.port
    except ValueError:
        problems.append(f"host: must be a base URL such as {VENDOR_BASE_URL} (got {shown(host)})")
        return VENDOR_BASE_URL
    problem = _base_url_problem(parts.scheme, parts.hostname or "", allow_http=allow_http)
    if not problem and (parts.username or parts.password or parts.query or parts.fragment or not host.isprintable()):
        problem = "must be a base URL without user, query or fragment"
    if problem:
        problems.append(f"host: {problem} (got {shown(host)})")
        return VENDOR_BASE_URL
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    path = parts.path.strip("/") or (connection.schema or "").strip().strip("/")
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{f'/{path}' if path else ''}"


def _base_url_problem(scheme: str, hostname: str, *, allow_http: bool) -> str:
    if scheme not in ("http", "https") or not hostname or " " in hostname:
        return f"must be an https:// URL such as {VENDOR_BASE_URL}"
    if scheme == "http" and not allow_http and not _is_loopback(hostname):
        return (
            "must be https, or the key could be read on the way; "
            "http is for loopback only, or with the extra allow_http=true"
        )
    return ""


def _is_loopback(hostname: str) -> bool:
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False
