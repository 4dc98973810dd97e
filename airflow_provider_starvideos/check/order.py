"""One 3-second video the whole way: ordered, waited for, fetched without the key. **Costs money.**"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.api.flow import Sleep, drive
from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.polling import Poll, watch
from airflow_provider_starvideos.api.protocol import USER_AGENT, create_request, query_request
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.check.evidence import Evidence, Exchange, moment
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.exceptions import StarVideosError, StarVideosUnsafeURLError
from airflow_provider_starvideos.storage.fetch import Fetch, Limits
from airflow_provider_starvideos.storage.guard import Guard
from airflow_provider_starvideos.storage.web import Web

PROMPT = "A small paper boat drifts across a calm pond. The camera slowly moves closer. Soft morning light."
SECONDS = 3
FETCH_SECONDS = 300.0
FETCH_BYTES = 256 * 1024**2
"""Far more than a video of 3 seconds has."""
ORDER, AGAIN = "order", "query after the end"
DONE = "completed"
FETCHED = "fetched"


def ordered() -> VideoRequest:
    """Return the order. It gives the length, which is paid for, and leaves the ratio to the API."""
    return build_request(prompt=PROMPT, duration=SECONDS)


def order_one(
    evidence: Evidence,
    transport: SyncClient,
    *,
    poll_interval: float,
    timeout: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Order one video, wait for it, fetch it without the key.

    :param evidence: takes what comes back
    :param transport: sends
    :param poll_interval: seconds between two queries
    :param timeout: seconds to wait
    :param say: tells the user
    :param sleep: how to wait
    """
    # Said before it is sent: whatever becomes of this process, somebody can look for the order.
    say(f"Ordering one video of {SECONDS} seconds at {moment(time.time())}. This costs money. Its prompt: {PROMPT}")
    exchange = evidence.ask(ORDER, transport, create_request(evidence.endpoint, ordered()))
    task = exchange.read()
    if isinstance(task, StarVideosError):
        say(f"It isn't sent again. {evidence.seen(exchange)}")
        return
    say(f"Ordered: {task.id}. Waiting for it, up to {timeout:g} s, with a query every {poll_interval:g} s.")
    looks: list[Exchange] = []
    evidence.facts["looks"] = looks

    def perform(step: Poll | Sleep) -> Any:
        if isinstance(step, Poll):
            looks.append(evidence.ask(f"query {len(looks) + 1}", transport, query_request(evidence.endpoint, task.id)))
            answer = looks[-1].read()
            if isinstance(answer, StarVideosError):
                raise answer
            return answer
        if step.notice:
            say(evidence.redact(step.notice))
        sleep(step.seconds)
        return None

    started = time.monotonic()
    try:
        done = drive(watch(task.id, poll_interval=poll_interval, end_time=time.time() + timeout), perform)
    except StarVideosError as error:
        evidence.facts["ended"] = evidence.redact(str(error))
        say(f"It didn't complete: {evidence.facts['ended']}")
        return
    evidence.facts |= {DONE: done, "wait_seconds": round(time.monotonic() - started, 1), "polls": len(looks)}
    say(f"Completed after {evidence.facts['wait_seconds']:g} s and {len(looks)} queries.")
    evidence.ask(AGAIN, transport, query_request(evidence.endpoint, task.id))
    _fetch(evidence, done.video_url or "", say)


def _fetch(evidence: Evidence, url: str, say: Callable[[str], None]) -> None:
    """Fetch the result as the provider does: without the key. That is how it shows whether it is needed."""
    guard = Guard(evidence.endpoint.base_url, allow_private=evidence.endpoint.allow_private_downloads)
    fetched: dict[str, Any] = {}
    evidence.facts[FETCHED] = fetched
    try:
        guard.check_url(url)
        with Web(guard, stall_seconds=60, total_seconds=FETCH_SECONDS) as web:
            headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Range": "bytes=0-15"}
            with closing(web.get(url, headers)) as response:
                fetched["status_of_a_part"] = response.status_code
                fetched["etag"] = bool(response.headers.get("etag", "").startswith('"'))
        with tempfile.TemporaryDirectory(prefix="starvideos-check-") as folder:
            path = Path(folder) / "video.mp4"
            limits = Limits(FETCH_BYTES, transfer_seconds=FETCH_SECONDS)
            file = Fetch(_once(url), path, guard, _Log(say), limits=limits).run()
            fetched["bytes"] = file.size_bytes
    except StarVideosUnsafeURLError as error:
        fetched["unsafe"] = evidence.redact(str(error), 300)
    except (StarVideosError, OSError) as error:  # what requests raises is an OSError
        fetched["error"] = evidence.redact(f"{type(error).__name__}: {error}", 300)


def _once(url: str) -> Callable[[], str]:
    """Give the URL once; a second one would hide that the first didn't work."""
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
