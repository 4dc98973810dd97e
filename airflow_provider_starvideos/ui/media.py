"""Where a video is played from: the saved file, else a fresh temporary URL. The key stays in the api-server."""

from __future__ import annotations

import mimetypes
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from airflow_provider_starvideos.api.validation import is_http_url, is_storage_uri
from airflow_provider_starvideos.compat.ui_tables import declared
from airflow_provider_starvideos.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_starvideos.ui.allowed_files import NotAllowedError, belongs, is_allowed, local_path
from airflow_provider_starvideos.ui.api_answers import Answer, ask
from airflow_provider_starvideos.ui.limiter import STORES, BusyError
from airflow_provider_starvideos.ui.ranges import file_response
from airflow_provider_starvideos.ui.states import ASKED_FOR
from airflow_provider_starvideos.ui.videos import Video

SIGNED_SECONDS = 3600
SIGNED_KEPT_SECONDS = 1200.0
SIGNED_KEPT = 2000
NO_TRACE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class UnavailableError(Exception):
    """The video can't be played from there; the message says why, for the user."""


@dataclass(frozen=True)
class Wanted:
    """A video, and what is needed to serve it."""

    video: Video
    conn_id: str
    headers: Mapping[str, str]  # the request's ``Range`` and the like, in lower case


def conn_id_of(session: Session, dag_id: str, video: Video) -> str:
    """Return the connection of a video's tasks; the rendered fields of its tasks are there."""
    for task in video.tasks:
        if isinstance(conn_id := task.rendered.get("starvideos_conn_id"), str) and conn_id:
            return conn_id
    # A task that started in the triggerer has no rendered fields.
    conn_id = declared(session, dag_id, video.task.task_id, "starvideos_conn_id")
    return conn_id if isinstance(conn_id, str) and conn_id and "{" not in conn_id else DEFAULT_CONN_ID


def playable_file(video: Video) -> bool:
    """Return whether the saved file may be played, if it is still there."""
    if video.saved is None:
        return False
    uri, _ = video.saved
    path = local_path(uri)
    return _is_where_it_belongs(video) and (path is None or is_allowed(path))


def is_signable(video: Video, kind: str, uri: str) -> bool:
    """Return whether a URL is signed for an input: a picture in a store, and one of the task's rendered fields.

    A batch's manifest names inputs, too, but users who may write into its folder could name any file there.

    :param kind: and ``uri``: as ``serializers.inputs_of`` has it
    """
    is_picture = kind != "reference video" and (mimetypes.guess_type(uri)[0] or "").startswith("image/")
    return is_picture and not video.row and is_storage_uri(uri) and local_path(uri) is None


def picture(video: Video, kind: str, uri: str) -> Response:
    """Return a redirect to a picture that was an input.

    :param kind: and ``uri``: as ``serializers.inputs_of`` has it
    :raises UnavailableError: no URL is signed for it
    """
    if not is_signable(video, kind, uri):
        raise UnavailableError("It is no picture in a store.")
    return RedirectResponse(_signed(uri, None), headers=NO_TRACE)  # by the connection in it, as when it was ordered


def respond(wanted: Wanted, order: str) -> Response:
    """Return the video, or a redirect to it.

    :param order: which source first, a key of ``ORDERS``
    :raises UnavailableError: with the reason of each source
    """
    reasons = []
    for source in ORDERS[order]:
        try:
            return source(wanted)
        except UnavailableError as error:
            reasons.append(str(error))
    raise UnavailableError(" ".join(dict.fromkeys(reasons)))


def _is_where_it_belongs(video: Video) -> bool:
    if video.saved is None:
        return False
    uri, task = video.saved
    if not task.rendered:  # Airflow keeps them for the latest runs only
        return local_path(uri) is not None
    return belongs(uri, task.rendered.get("destination"), None if video.row else video.video_id)


def _saved(wanted: Wanted) -> Response:
    if wanted.video.saved is None:
        raise UnavailableError("The run has saved no file of it.")
    uri, task = wanted.video.saved
    if not _is_where_it_belongs(wanted.video):
        raise UnavailableError("The saved file isn't at its task's destination, so it isn't read.")
    path = local_path(uri)
    try:
        if path is not None:
            return file_response(path, wanted.headers)
        return RedirectResponse(_signed(uri, task.rendered.get("storage_conn_id")), headers=NO_TRACE)
    except NotAllowedError as error:
        raise UnavailableError(f"The saved file can't be read by the api-server: {error}.") from error
    except FileNotFoundError as error:
        raise UnavailableError("The saved file is no longer there.") from error


_urls: OrderedDict[tuple[str, str | None], tuple[float, str]] = OrderedDict()
_lock = Lock()


def _signed(uri: str, conn_id: Any) -> str:
    key = (uri, conn_id if isinstance(conn_id, str) and conn_id else None)
    with _lock:
        made, url = _urls.get(key, (0.0, ""))
    if url and time.monotonic() - made < SIGNED_KEPT_SECONDS:
        return url
    from airflow_provider_starvideos.storage.uris import sign

    try:
        with STORES.slot():
            url = sign(key[0], SIGNED_SECONDS, key[1])
    except BusyError as error:
        raise UnavailableError("Too many are asking the store at the same time; try again.") from error
    except NotImplementedError as error:
        raise UnavailableError("The store can't presign URLs.") from error
    except Exception as error:
        raise UnavailableError(f"The store can't be asked: {type(error).__name__}.") from error
    if not is_http_url(url):
        raise UnavailableError("The store gives no http(s) URL.")
    with _lock:
        _urls[key] = (time.monotonic(), url)
        while len(_urls) > SIGNED_KEPT:
            _urls.popitem(last=False)
    return url


def _temporary(wanted: Wanted) -> Response:
    if wanted.video.video_id is None or not (wanted.video.is_completed or wanted.video.state in ASKED_FOR):
        raise UnavailableError("No completed video of this task is known.")
    answer = ask(wanted.conn_id, wanted.video.video_id, ended=wanted.video.is_completed)
    if answer.video is None:
        raise UnavailableError(f"The API gave no URL: {answer.error}")
    if not answer.video.video_url or not is_http_url(answer.video.video_url):
        raise UnavailableError(_why_no_url(answer))
    return RedirectResponse(answer.video.video_url, headers=NO_TRACE)


def _why_no_url(answer: Answer) -> str:
    video = answer.video
    if video is not None and video.is_failed:
        return f"The video failed: {video.error or 'the API gave no reason'}"
    return f"The API has no URL for it; it is {video.status if video else 'unknown'}."


ORDERS: Mapping[str, tuple[Callable[[Wanted], Response], ...]] = {
    "any": (_saved, _temporary),
    "temporary": (_temporary, _saved),
    "saved": (_saved,),
}
