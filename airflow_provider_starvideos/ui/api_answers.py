"""The API's answers about videos that users open, with a cache: few requests, and short ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.ui.limiter import BusyError, Limiter

ANSWER_SECONDS = 10.0
MAX_KEPT = 2000
TOO_MANY = "Too many are asking the API at the same time; try again."
LEAST_SECONDS = 5.0  # between two questions about one video
Place = tuple[str, int, int, str | None]  # a video of a run: task id, map index, row, video id


@dataclass(frozen=True)
class Answer:
    """What the API said, or why it said nothing."""

    at: float
    video: VideoTask | None
    error: str | None

    @property
    def keep_seconds(self) -> float:
        """How long it is good enough; the vendor recommends 30 seconds between two polls."""
        if self.video is None or not self.is_final:
            return 30.0
        return 300.0 if self.video.is_completed else 3600.0

    @property
    def is_final(self) -> bool:
        """It won't change, but for the URL."""
        return self.video is not None and (self.video.is_completed or self.video.is_failed)


_answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
_final: OrderedDict[tuple[str, str, Place], Answer] = OrderedDict()
_lock = threading.Lock()
_limiter = Limiter(at_once=4, waiting=4, seconds=ANSWER_SECONDS)


def ask(conn_id: str, video_id: str, *, ended: bool = False) -> Answer:
    """Return what the API says of a video, as of now or of a moment ago. Doesn't raise: an error is an answer.

    :param ended: Airflow knows that the video is completed or failed, so an answer from before that is of no use
    """
    key = (conn_id, video_id)
    if known := _good_enough(key, ended=ended):
        return known
    try:
        with _limiter.slot():
            if known := _good_enough(key, ended=ended):  # another thread has just asked
                return known
            answer = _asked(conn_id, video_id)
    except BusyError:
        return Answer(time.monotonic(), None, TOO_MANY)
    with _lock:
        _answers[key] = answer
        _answers.move_to_end(key)
        while len(_answers) > MAX_KEPT:
            _answers.popitem(last=False)
    return answer


def remember(dag_id: str, run_id: str, place: Place, answer: Answer) -> None:
    """Note how a video of a run has ended, as the API said, for the state of that video and no other."""
    if answer.is_final:
        with _lock:
            _final[dag_id, run_id, place] = answer
            while len(_final) > MAX_KEPT:
                _final.popitem(last=False)


def known_answers(dag_id: str, run_id: str) -> dict[Place, Answer]:
    """Return how videos of a run have ended, as far as the API was asked."""
    with _lock:
        return {place: answer for (dag, run, place), answer in _final.items() if (dag, run) == (dag_id, run_id)}


def _good_enough(key: tuple[str, str], *, ended: bool) -> Answer | None:
    with _lock:
        known = _answers.get(key)
    if known is None:
        return None
    keep = known.keep_seconds if known.is_final or not ended else LEAST_SECONDS
    return known if time.monotonic() - known.at < keep else None


def _asked(conn_id: str, video_id: str) -> Answer:
    try:
        endpoint = StarVideosHook(conn_id).get_conn()
        brief = replace(endpoint, timeout=min(endpoint.timeout, ANSWER_SECONDS), connect_timeout=5.0)
        with SyncClient() as transport:
            video = transport.run(calls.poll(brief, video_id))  # one attempt: a user waits
    except StarVideosError as error:
        return Answer(time.monotonic(), None, str(error))
    except Exception as error:  # noqa: BLE001  for example of a secrets backend; its text may hold anything
        return Answer(time.monotonic(), None, f"The connection {conn_id!r} can't be used: {type(error).__name__}.")
    return Answer(time.monotonic(), video, None)
