"""The rows of a batch: out of its manifest, its list of ids, or, before its end, the journal of its orders."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.ui.allowed_files import NotAllowedError, belongs, local_path, open_allowed
from airflow_provider_starvideos.ui.limiter import STORES, BusyError
from airflow_provider_starvideos.ui.queries import Task
from airflow_provider_starvideos.ui.records import rows_of_journal

MAX_BYTES = 32 * 1024 * 1024  # of a manifest; 100,000 rows have some 60 MB
NOT_SHOWN = "The batch's manifest can't be shown"
MAX_ROWS = 10_000_000
KEPT = 8
_manifests: OrderedDict[tuple[str, str], list[dict[str, Any]]] = OrderedDict()
_lock = threading.Lock()


def has_ended(task: Task) -> bool:
    """Return whether the batch has ended, and its XComs name its rows."""
    return isinstance(task.value("manifest"), str) or isinstance(task.value("return_value"), list)


def rows_of(task: Task) -> list[dict[str, Any]]:
    """Return the rows, numbered from 1, with the fields of the manifest as far as they are known.

    :param task: a batch, with its rendered fields, and its journal until it has ended
    :raises StarVideosError: there is a manifest, and it can't be read
    """
    result, manifest = task.value("return_value"), task.value("manifest")  # one that failed has the manifest only
    if isinstance(manifest, str):
        return _read(task, manifest)
    if isinstance(result, list):
        return _with_requests(task, [_row_of_id(task, *one) for one in enumerate(result, start=1)])
    return _with_requests(task, rows_of_journal(task.journal))


def _row_of_id(task: Task, number: int, video_id: Any) -> dict[str, Any]:
    """Return the row of an id of a batch that saves nothing; its state is known if the counts have one that fits."""
    counts = task.value("counts")
    states = set(counts) & set(OrderState) if isinstance(counts, dict) else {"completed"}
    if isinstance(video_id, str):
        states &= {"completed", "reused"}
        return {"row": number, "id": video_id, "status": states.pop() if len(states) == 1 else "ready"}
    states -= {"completed", "reused"}
    return {"row": number, "id": None, "status": states.pop() if len(states) == 1 else "no_video"}


def _with_requests(task: Task, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add what was ordered, where Airflow has it whole: it keeps the rendered fields of a few thousand characters."""
    given = task.rendered.get("requests")
    if not isinstance(given, list) or len(given) != len(rows):
        return rows
    for row, request in zip(rows, given, strict=True):
        row["request"] = {"prompt": request} if isinstance(request, str) else request
        row.setdefault("name", request.get("name") if isinstance(request, dict) else None)
    return rows


def _read(task: Task, uri: str) -> list[dict[str, Any]]:
    # Before the cache is read: another task may have been allowed to read the file.
    if not belongs(uri, task.rendered.get("destination"), None):
        raise StarVideosError(f"{NOT_SHOWN}: it isn't in the task's destination")
    name = (uri, str(task.ended_at))
    with _lock:
        if name in _manifests:
            _manifests.move_to_end(name)
            return _manifests[name]
    try:
        with STORES.slot():
            rows = [row for row in map(_row, _content(task, uri).splitlines()) if row]
    except NotAllowedError as error:
        raise StarVideosError(f"{NOT_SHOWN}: {error}") from error
    except BusyError as error:
        raise StarVideosError(f"{NOT_SHOWN}: too many are asking the store at the same time; try again") from error
    except Exception as error:
        raise StarVideosError(f"The batch's manifest can't be read ({type(error).__name__}): {uri}") from error
    with _lock:
        if task.ended_at:  # else it may be written again
            _manifests[name] = rows
        while len(_manifests) > KEPT:
            _manifests.popitem(last=False)
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    row = json.loads(line) if line.strip() else None
    number = row.get("row") if isinstance(row, dict) else None
    return row if type(number) is int and 0 < number <= MAX_ROWS else None


def _content(task: Task, uri: str) -> bytes:
    path = local_path(uri)
    if path is not None:
        with open_allowed(path) as file:
            return _whole(file.read(MAX_BYTES + 1))
    from airflow_provider_starvideos.storage.uris import object_path

    store = object_path(uri, task.rendered.get("storage_conn_id"))
    with store.open("rb") as file:  # type: ignore[no-untyped-call]
        return _whole(file.read(MAX_BYTES + 1))


def _whole(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise NotAllowedError(f"it has more than {MAX_BYTES} bytes")
    return content
