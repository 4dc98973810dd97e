"""Which certificate authorities are trusted: the same on workers and in the triggerer.

Where ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` is set, it alone counts. Otherwise the system's authorities
(``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name others) and certifi's count.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import certifi

ONLY = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
SYSTEM = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def ssl_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context that checks servers and https proxies.

    :raises ValueError: a variable names a file that is missing or holds no certificates; the message names both
    """
    only = next(((name, environ[name]) for name in ONLY if environ.get(name, "").strip()), None)
    named = [only] if only else [(name, environ[name]) for name in SYSTEM if environ.get(name, "").strip()]
    paths = [
        (name, Path(part.strip()).expanduser())
        for name, value in named
        for part in (value.split(os.pathsep) if name == "SSL_CERT_DIR" else [value])
    ]
    return _context(tuple((name, path, _changed_at(name, path)) for name, path in paths))


def _changed_at(name: str, path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise ValueError(f"{name} names {path}, which can't be read: {error.strerror}") from error


@lru_cache(4)
def _context(named: tuple[tuple[str, Path, int], ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name; trusts no authority yet
    context.set_alpn_protocols(["http/1.1"])
    for name, path, _ in named:
        _load(context, name, path)
    if all(name in SYSTEM for name, _, _ in named):
        context.load_default_certs()
        context.load_verify_locations(certifi.where())
    return context


def _load(context: ssl.SSLContext, name: str, path: Path) -> None:
    if path.is_dir():
        context.load_verify_locations(capath=path)  # finds files named by their hash; the loop below reads the others
        files = [file for file in path.iterdir() if file.suffix in (".pem", ".crt", ".cer")]
        for file in files:
            with suppress(OSError):  # ssl.SSLError is one: a folder may hold keys, too
                context.load_verify_locations(cafile=file)
        return
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ValueError(f"{name} names {path}, which holds no certificates that can be read: {error}") from error
