"""Turns an Airflow connection into an API endpoint.

A connection comes from the form, from ``AIRFLOW_CONN_…`` as URI or JSON, or from a secrets backend. They split a base
URL in different ways over host, port and schema, and a URI's extras are all text.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import StarVideosConfigurationError
from airflow_provider_starvideos.hooks.form import NUMBER_EXTRAS, SWITCH_EXTRAS, TEXTS

CONN_TYPE = "starvideos"
DEFAULT_CONN_ID = "starvideos_default"
VENDOR_HOST, VENDOR_PATH = "zcbservice.aizfw.cn", "/kyyReactApiServer"  # page "StarVideos O3 - Create Task"
VENDOR_BASE_URL = f"https://{VENDOR_HOST}{VENDOR_PATH}"
# The path of a whole endpoint, as the vendor's pages show it. The part before it is the base URL.
ENDPOINT_PATH = re.compile(r"/+v1/+(starvideos/+videos|result(/+[^/]*)?)/*$")
LIMITING = re.compile(r"max|limit|budget|quota|order")  # an extra so named is meant to bound what is paid
CLOSE = 0.7  # similarity of two names, 0 to 1, from which one is the other one misspelled


class AirflowConnection(Protocol):
    """The fields that are read of an Airflow connection, in each Airflow's class for it."""

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    password: str | None
    extra: str | None


TRUTHS: Mapping[str, bool] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def endpoint_of(connection: AirflowConnection, extras: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint that a connection and its extras describe.

    :raises StarVideosConfigurationError: with every problem of the connection
    """
    problems: list[str] = []
    # Airflow takes an extra that it can't read for an empty one, and a limit in it would be gone.
    if not isinstance(extras, Mapping) or (not extras and not _is_json(connection.extra)):
        problems.append("extra: must be a JSON object")
        extras = {}
    problems += filter(None, map(_misspelled, extras))
    key = _key(connection.password, problems)
    numbers: dict[str, Any] = {name: _number(name, extras.get(name), problems) for name in NUMBER_EXTRAS}
    switches = {name: _truth(name, extras.get(name), problems) for name in SWITCH_EXTRAS}
    base_url = _base_url(connection, allow_http=switches.pop("allow_http"), problems=problems)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise StarVideosConfigurationError(f"Connection {connection.conn_id!r} can't be used:{listed}")
    return Endpoint(base_url, key, **numbers, **switches)


def _key(password: Any, problems: list[str]) -> str:
    key = _text("password", password, problems)
    if isinstance(password, str | None) and not key:
        problems.append("password: must hold the StarVideos API key (it is empty)")
    elif not key.isascii() or not key.isprintable() or " " in key:
        problems.append("password: must be an API key, printable ASCII without blanks (the value isn't shown)")
    return key


def _is_json(text: str | None) -> bool:
    try:
        json.loads((text or "").strip() or "{}")
    except ValueError:
        return False
    return True


def _misspelled(name: Any) -> str | None:
    """Return what is wrong with an extra's name: an administrator must not believe in a limit that isn't there.

    Other unknown extras are ignored, as Airflow's connection types do.
    """
    if name in TEXTS:
        return None
    plain, known = _plain(name), [_plain(one) for one in TEXTS]
    is_longer = any(one in plain for one in known)  # timeout_seconds, extra__starvideos__timeout
    if not (is_longer or difflib.get_close_matches(plain, known, 1, CLOSE) or LIMITING.search(plain)):
        return None
    return f"extra {shown(str(name))}: there is no such extra; perhaps you mean one of {', '.join(TEXTS)}"


def _plain(name: Any) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _number(name: str, value: Any, problems: list[str]) -> float | None:
    rule = NUMBER_EXTRAS[name]
    if value is None or value == "":
        return rule.default
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not rule.lowest <= number <= rule.highest or (rule.whole and not number.is_integer()):
        kind = "a whole number" if rule.whole else "a number"
        problems.append(f"extra {name}: must be {kind} from {rule.lowest:g} to {rule.highest:g} (got {shown(value)})")
        return rule.default
    return int(number) if rule.whole else number


def _truth(name: str, value: Any, problems: list[str]) -> bool:
    text = str(value if value is not None else "").strip().lower()
    if text not in TRUTHS:
        problems.append(f"extra {name}: must be true or false (got {shown(value)})")
    return TRUTHS.get(text, False)


def _text(name: str, value: Any, problems: list[str]) -> str:
    if value is None or isinstance(value, str):
        return (value or "").strip()
    problems.append(f"{name}: must be text (got {type(value).__name__})")
    return ""


def _port(value: Any, problems: list[str]) -> str:
    text = str(value or "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65536):
        problems.append(f"port: must be a whole number from 1 to 65535 (got {shown(value)})")
    return text


def _base_url(connection: AirflowConnection, *, allow_http: bool, problems: list[str]) -> str:
    """Put the base URL together and check it. A bare host means https, a bare loopback host http."""
    host, schema = _text("host", connection.host, problems), _text("schema", connection.schema, problems)
    connection_port = _port(connection.port, problems)
    if not host:
        return VENDOR_BASE_URL
    try:
        parts = urlsplit(_with_scheme(host))
        port = parts.port or connection_port
    except ValueError:
        problems.append(f"host: must be a base URL such as {VENDOR_BASE_URL} (got {shown(host)})")
        return VENDOR_BASE_URL
    problem = _base_url_problem(parts.scheme, parts.hostname or "", allow_http=allow_http)
    if not problem and (parts.username or parts.password or parts.query or parts.fragment):
        problem = "must be a base URL without user, query or fragment"
    if not problem and (" " in host or not host.isprintable()):
        problem = "must be a base URL without blanks"
    if problem:
        problems.append(f"host: {problem} (got {shown(host)})")
        return VENDOR_BASE_URL
    name, path = parts.hostname or "", ENDPOINT_PATH.sub("", f"/{parts.path.strip('/') or schema.strip('/')}")
    if name.rstrip(".") == VENDOR_HOST and str(port or 443) == "443":
        path = path.rstrip("/").removesuffix("/v1") or VENDOR_PATH  # the host alone is enough for the vendor's server
        if (parts.scheme, path) == ("https", VENDOR_PATH):
            return VENDOR_BASE_URL
    if ":" in name:
        name = f"[{name.replace('%25', '%', 1)}]"  # a zone, as in fe80::1%eth0, which a URL spells %25eth0
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{path.rstrip('/')}"


def _with_scheme(host: str) -> str:
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = "", host
    with suppress(ValueError):
        rest = f"[{ipaddress.IPv6Address(rest)}]"  # Airflow removes the brackets when it reads a connection's URI
    if not scheme:
        scheme = "http" if _is_loopback(urlsplit(f"//{rest}").hostname or "") else "https"
    return f"{scheme}://{rest}"


def _base_url_problem(scheme: str, hostname: str, *, allow_http: bool) -> str:
    if scheme not in ("http", "https") or not hostname:
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
