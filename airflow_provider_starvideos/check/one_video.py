"""One video of 3 seconds: ordered, waited for, fetched without the key. **Costs money.**"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.api.flow import Sleep, drive
from airflow_provider_starvideos.api.models import VideoTask, time_text
from airflow_provider_starvideos.api.polling import Poll, watch
from airflow_provider_starvideos.api.protocol import create_request, query_request
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.exceptions import StarVideosError, StarVideosUnsafeURLError
from airflow_provider_starvideos.storage.fetch import Fetch, Limits
from airflow_provider_starvideos.storage.guard import Guard

PROMPT = "A small paper boat drifts across a calm pond. The camera slowly moves closer. Soft morning light."
SECONDS = 3
FETCH_SECONDS = 300.0
FETCH_BYTES = 256 * 1024**2  # far more than a video of 3 seconds has
ORDER, FIRST, AGAIN = "order", "poll 1", "poll after the end"


def order_one(
    evidence: Evidence, client: SyncClient, *, poll_interval: float, timeout: float, say: Callable[[str], None]
) -> None:
    """Order one video, wait for it, fetch it without the key."""
    # Before it is sent: if this process is killed, the user knows what to search for in the account.
    say(f"Ordering one video of {SECONDS} seconds at {time_text(time.time())}. This costs money. Its prompt: {PROMPT}")
    request = build_request(prompt=PROMPT, duration=SECONDS)  # the length is paid for; the ratio is left to the API
    exchange = evidence.ask(ORDER, client, create_request(evidence.endpoint, request))
    task = exchange.read()
    if isinstance(task, StarVideosError):
        say(f"It isn't sent again. {evidence.seen(exchange)}")
        return
    say(f"Ordered: {task.id}. Waiting for it, up to {timeout:g} s, with a poll every {poll_interval:g} s.")

    def perform(step: Poll | Sleep) -> Any:
        if isinstance(step, Sleep):
            if step.notice:
                say(evidence.redact(step.notice))
            time.sleep(step.seconds)
            return None
        label = f"poll {len(evidence.polls) + 1}"
        poll = evidence.ask(label, client, query_request(evidence.endpoint, task.id))
        evidence.polls.append(poll)
        answer = poll.read()
        if isinstance(answer, StarVideosError):
            raise answer
        return answer

    started = time.monotonic()
    try:
        done: VideoTask = drive(watch(task.id, poll_interval=poll_interval, end_time=time.time() + timeout), perform)
    except StarVideosError as error:
        evidence.wait_error = evidence.redact(str(error))
        say(f"It didn't complete: {evidence.wait_error}")
        return
    evidence.wait_seconds = round(time.monotonic() - started, 1)
    say(f"Completed after {evidence.wait_seconds:g} s and {len(evidence.polls)} polls.")
    evidence.ask(AGAIN, client, query_request(evidence.endpoint, task.id))
    if done.video_url:
        evidence.fetched = _fetch(evidence, done.video_url, say)


def _fetch(evidence: Evidence, url: str, say: Callable[[str], None]) -> dict[str, object]:
    """Fetch the result as the provider does, without the key: so it is seen whether the key is needed."""
    guard = Guard(evidence.endpoint.base_url, allow_private=evidence.endpoint.allow_private_downloads)
    limits = Limits(FETCH_BYTES, transfer_seconds=FETCH_SECONDS)
    try:
        guard.check_url(url)
        with tempfile.TemporaryDirectory(prefix="starvideos-check-") as folder:
            file = Fetch(_once(url), Path(folder) / "video.mp4", guard, _Log(say), limits=limits).run()
            return {"bytes": file.size_bytes}
    except StarVideosUnsafeURLError as error:
        return {"unsafe": evidence.redact(str(error), 300)}
    except (StarVideosError, OSError) as error:  # what requests raises is an OSError
        return {"error": evidence.redact(f"{type(error).__name__}: {error}", 300)}


def _once(url: str) -> Callable[[], str]:
    """Return a function that gives the URL once. A fresh URL would hide that the first one didn't work."""
    urls = [url]

    def fresh() -> str:
        if not urls:
            raise StarVideosError("its URL doesn't work without the key, or has expired already")
        return urls.pop()

    return fresh


class _Log:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def info(self, message: str, *values: object) -> None:
        self._say(message % values)

    warning = info
