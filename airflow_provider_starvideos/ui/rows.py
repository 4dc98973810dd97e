"""A batch's rows, as its task tells them: a list of ids, or a manifest in JSON Lines."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.ui.facts import Task
from airflow_provider_starvideos.ui.places import NotAllowedError, belongs, local_path, open_allowed

MAX_BYTES = 32 * 1024 * 1024
"""Of a manifest; 100,000 rows have some 60 MB, and nobody looks at so many."""
KEPT = 8
_manifests: OrderedDict[tuple[str, str], list[dict[str, Any]]] = OrderedDict()
_lock = threading.Lock()


def rows_of(task: Task) -> list[dict[str, Any]]:
    """Return the rows, numbered from 1, with the fields of the manifest as far as they are known.

    :param task: a batch, with its rendered fields
    :raises StarVideosError: there is a manifest, and it can't be read
    """
    told, manifest = task.value("return_value"), task.value("manifest")  # one that failed has told the manifest only
    if isinstance(manifest, str):
        return _read(task, manifest)
    if isinstance(told, list):
        requests = _requests(task.rendered.get("requests"), len(told))
        return [
            {"row": number, "id": video_id if isinstance(video_id, str) else None, "request": request}
            for number, (video_id, request) in enumerate(zip(told, requests, strict=True), start=1)
        ]
    return []


def _requests(given: Any, count: int) -> Sequence[Any]:
    if isinstance(given, list) and len(given) == count:
        return given
    return [None] * count


def _read(task: Task, uri: str) -> list[dict[str, Any]]:
    name = (uri, str(task.ended_at))
    with _lock:
        if name in _manifests:
            _manifests.move_to_end(name)
            return _manifests[name]
    try:
        rows = [row for row in map(_row, _content(task, uri).splitlines()) if row]
    except NotAllowedError as error:
        raise StarVideosError(f"The batch's manifest can't be shown: {error}") from error
    except Exception as error:
        raise StarVideosError(f"The batch's manifest can't be read ({type(error).__name__}): {uri}") from error
    with _lock:
        _manifests[name] = rows
        while len(_manifests) > KEPT:
            _manifests.popitem(last=False)
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    row = json.loads(line) if line.strip() else None
    return row if isinstance(row, dict) and isinstance(row.get("row"), int) else None


def _content(task: Task, uri: str) -> bytes:
    if not belongs(uri, task.rendered.get("destination"), None):
        raise NotAllowedError("it isn't in the folder that the task was told to write to")
    path = local_path(uri)
    if path is not None:
        with open_allowed(path) as file:
            return _whole(file.read(MAX_BYTES + 1))
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    store = ObjectStoragePath(uri, conn_id=task.rendered.get("storage_conn_id") or None)
    with store.open("rb") as file:  # type: ignore[no-untyped-call]
        return _whole(file.read(MAX_BYTES + 1))


def _whole(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise NotAllowedError(f"it has more than {MAX_BYTES} bytes")
    return content
