"""The content of inputs. Decides whether an input is still the same: by what its store says of it, else by its address.

The object itself isn't read. An input whose content is unknown may have changed, so no earlier video is used for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.urls import identity
from airflow_provider_starvideos.api.validation import is_storage_uri, shown
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosDownloadError,
    StarVideosStorageError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.storage.addresses import why_unreachable
from airflow_provider_starvideos.storage.guard import Guard
from airflow_provider_starvideos.storage.uris import GCS, S3, S3_VERSION, object_path
from airflow_provider_starvideos.storage.web import BROKEN, LATER, first_byte

CONCURRENCY = 16
MOST_SHOWN = 20  # problems in one error
# Properties by which a store names the content alone: a copy under another name has the same.
MD5 = re.compile(r"[0-9a-f]{32}")
OF_CONTENT: Mapping[str, tuple[str, re.Pattern[str]]] = {
    **dict.fromkeys(S3, ("ETag", MD5)),  # of an upload in parts it is no digest of the content
    **dict.fromkeys(GCS, ("md5Hash", re.compile(r"[\w+/]{22}=="))),
}
# Properties that change with each new content of one object. The first that a store has is used, with the address.
OF_OBJECT = ("generation", "etag", "ETag", "mtime", "last_modified", "LastModified", "updated", "created")


def contents_of(inputs: Iterable[str], endpoint: Endpoint, *, head: bool) -> dict[str, Any]:
    """Return what names the content of inputs, as JSON. None: it is unknown.

    :param inputs: URLs and storage URIs; one request for each
    :param head: ask the hosts of http(s) inputs for ``ETag`` and ``Last-Modified``
    :raises StarVideosStorageError: a store or a host can't be asked now
    :raises StarVideosValidationError: hosts send neither ``ETag`` nor ``Last-Modified``; it names all of them
    """
    distinct = list(dict.fromkeys(inputs))
    # Here, in the task's own thread: it may read connections.
    requests_of = {url: _prepared(url, endpoint, head=head) for url in distinct}
    with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="starvideos-inputs") as pool:
        found = dict(zip(distinct, pool.map(lambda url: requests_of[url](), distinct), strict=True))
    if problems := [one for one in found.values() if isinstance(one, Problem)]:
        raise StarVideosValidationError(problems[:MOST_SHOWN])
    return found


def _prepared(url: str, endpoint: Endpoint, *, head: bool) -> Callable[[], Any]:
    if is_storage_uri(url):
        return _stored(url)
    return (lambda: _of_host(url, endpoint)) if head else (lambda: {"address": identity(url)})


def _stored(uri: str) -> Callable[[], Any]:
    if S3_VERSION.search(uri):
        return lambda: {"address": _without_connection(uri)}  # one version never changes
    try:
        path = object_path(uri)
        fs, name = path.fs, str(path.path)
    except Exception:  # noqa: BLE001  the check before the order says what is wrong, and orders nothing
        return lambda: None

    def ask() -> Any:
        try:
            fs.invalidate_cache(name)
            info = fs.info(name)
        except (FileNotFoundError, PermissionError):
            return None
        except Exception as error:
            raise StarVideosStorageError(
                f"{shown(uri)} can't be asked for what it holds: {type(error).__name__}: {error} Nothing was sent."
            ) from error
        return _content(uri, str(path.protocol), info)

    return ask


def _content(uri: str, protocol: str, info: Mapping[str, Any]) -> Any:
    size = info.get("size")
    name, digest = OF_CONTENT.get(protocol, ("", MD5))
    if digest.fullmatch(text := str(info.get(name) or "").strip('"')):
        return {name.lower(): text, "size": size}
    for name in OF_OBJECT:
        if info.get(name):
            return {"address": _without_connection(uri), name.lower(): str(info[name]), "size": size}
    return None


def _without_connection(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _of_host(url: str, endpoint: Endpoint) -> Any:
    """Ask an input's host for what changes with the content."""
    if why_unreachable(url, endpoint.base_url):
        return None  # the check before the order refuses it
    is_api_local = not why_unreachable("http://127.0.0.1/", endpoint.base_url)
    guard = Guard(endpoint.base_url, allow_private=endpoint.allow_private_downloads or is_api_local)
    try:
        with first_byte(guard, url) as response:
            status, answer = response.status_code, response.headers
    except (*BROKEN, StarVideosDownloadError) as error:
        raise StarVideosStorageError(
            f"{shown(url)} can't be asked whether it has changed ({type(error).__name__}). Nothing was sent. "
            'library_check="head" asks that of each http(s) input.'
        ) from None
    if status in LATER:
        raise StarVideosStorageError(f"{shown(url)} can't be asked whether it has changed: its host answered {status}.")
    sent = {name: answer[name] for name in ("etag", "last-modified") if answer.get(name)}
    if status >= 400 or not sent:
        said = f"its host answered {status}" if status >= 400 else "its host sends neither"
        rule = f'must have an ETag or Last-Modified with library_check="head", but {said}'
        return Problem("library_check", rule, shown(url))
    return {"address": identity(url), **sent}
