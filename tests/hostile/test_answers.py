"""A server that may answer anything: a video, or one of the documented errors, in bounded time and memory; no repeat.

Both transports, over real sockets. What an answer is made of is in ``answers``.
"""

from __future__ import annotations

import gzip
import re
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import MAX_ANSWER_BYTES, VIDEO_ID, Endpoint
from airflow_provider_starvideos.api.retry import was_not_accepted
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import StarVideosAPIError, StarVideosError, StarVideosUnconfirmedError
from tests.contract.conftest import AioClient, Client, Peer, RawServer, SyncClient
from tests.hostile.answers import Spoiled, plain, spoiled
from tests.hostile.conftest import LONG

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
PROFILE = settings.get_profile("hostile")
EXAMPLES = 200 * LONG
KEY = "sk-key-that-nobody-may-see"
TIMEOUTS = {"hang": 0.3, "close": 10.0, "reset": 10.0}  # seconds a request, by what comes after an answer
SLACK = 3.0
REQUEST = build_request(prompt="a red fox", duration=5)
RESENDABLE = {429, 503}


class Spoiler:
    """A server that answers every request with the answer of the moment."""

    def __init__(self) -> None:
        self.answer = Spoiled(b"")
        self.number = 0
        self.server = RawServer(self._serve)

    def _serve(self, peer: Peer) -> None:
        answer = self.answer
        while peer.read_request():
            size = -(-len(answer.data) // answer.parts) or 1
            for start in range(0, len(answer.data), size):
                peer.send(answer.data[start : start + size])
            if answer.ending == "hang":
                peer.hang()
            elif answer.ending == "reset":
                peer.reset()
            return

    def begin(self, answer: Spoiled, max_retries: int = 2) -> Endpoint:
        """Answer so from now on; return where. Each time has a new path: a request may be late."""
        self.answer = answer
        self.number += 1
        timeout = TIMEOUTS[answer.ending]
        base_url = f"{self.server.url}/{self.number}"
        return Endpoint(base_url, KEY, timeout=timeout, connect_timeout=timeout, max_retries=max_retries)

    @property
    def received(self) -> int:
        """How many requests have come since ``begin``."""
        return sum(f" /{self.number}/v1/".encode() in request[:200] for request in self.server.requests)


@pytest.fixture(scope="module")
def spoiler() -> Iterator[Spoiler]:
    """The server."""
    running = Spoiler()
    yield running
    running.server.close()


@pytest.fixture(scope="module", params=[SyncClient, AioClient], ids=["sync", "aio"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Each of the two transports; it sleeps no time between two requests."""
    client: Client = request.param()
    yield client
    client.close()


def outcome(client: Client, call: calls.Call, seconds: float) -> VideoTask | StarVideosError:
    """Carry out a call; anything but a video or a documented error goes through, and so does what takes too long."""
    client.slept.clear()
    started = time.monotonic()
    found: VideoTask | StarVideosError
    try:
        found = client.run(call)
    except StarVideosError as error:
        found = error
    assert time.monotonic() - started < seconds * (len(client.slept) + 1) + SLACK
    return found


def check_video(task: VideoTask) -> None:
    """What is taken for a video has an id that can be asked for, and fields of the documented types."""
    assert VIDEO_ID.fullmatch(task.id)
    assert task.status == task.status.lower() or task.status.startswith("missing (")
    assert len(task.status) < 200
    assert task.error is None or 0 < len(task.error) <= 500
    assert isinstance(task.video_url, str | None)
    assert isinstance(task.actual_duration, float | None)
    assert isinstance(task.created, int | None)
    str(task).encode()


def check_error(error: StarVideosError) -> None:
    """An error is short, can be logged, and contains no secret, nor does what is attached to it."""
    attached: BaseException | None = error
    while attached is not None:
        assert KEY not in f"{attached} {attached!r}"
        attached = attached.__cause__ or attached.__context__
    str(error).encode()
    if isinstance(error, StarVideosAPIError):
        assert len(str(error)) < 3000
        assert str(error).isprintable()
    if isinstance(error, StarVideosAPIError):
        assert KEY not in error.body
        assert "sig=x" not in f"{error} {error.body}"
        assert len(error.body) <= 2000
        assert error.retry_after is None or 0 <= error.retry_after <= 86_400


@settings(PROFILE, max_examples=EXAMPLES)
@given(answer=spoiled())
def test_a_query_ends_in_a_video_or_a_documented_error(client: Client, spoiler: Spoiler, answer: Spoiled) -> None:
    """Whatever is answered; it is asked again no more often than allowed, and nothing secret is shown."""
    endpoint = spoiler.begin(answer, max_retries=1)
    found = outcome(client, calls.query(endpoint, "video_1"), endpoint.timeout)
    event(type(found).__name__)
    if isinstance(found, VideoTask):
        check_video(found)
    else:
        check_error(found)
    # once more for what may pass, twice more for an unknown id; aiohttp itself repeats a GET that was closed on it
    assert spoiler.received <= 12
    assert len(client.slept) <= 5


def status_of(answer: Spoiled) -> set[int]:
    """Return the statuses that an answer could be taken to have, its error code among them."""
    lines = re.findall(rb"HTTP/[\d.]+ (\d{3})\b", answer.data[:500], re.IGNORECASE)
    text = answer.body.replace(b"\0", b"")  # UTF-16
    return {int(one) for one in lines} | {code for code in RESENDABLE if str(code).encode() in text}


@settings(PROFILE, max_examples=EXAMPLES)
@given(answer=spoiled())
def test_an_order_that_may_have_been_accepted_is_not_repeated(
    client: Client, spoiler: Spoiler, answer: Spoiled
) -> None:
    """An order ends in a video, in an error that says it wasn't accepted, or unconfirmed; 429 and 503 repeat it."""
    endpoint = spoiler.begin(answer)
    found = outcome(client, calls.create(endpoint, REQUEST), endpoint.timeout)
    event(type(found).__name__)
    if isinstance(found, VideoTask):
        check_video(found)
    else:
        check_error(found)
        assert isinstance(found, StarVideosUnconfirmedError) or was_not_accepted(found)
    assert spoiler.received <= 1 + len(client.slept) <= 3
    if client.slept:
        assert status_of(answer) & RESENDABLE
    if isinstance(found, StarVideosAPIError):
        assert found.status_code in {*range(400, 500), 503, 301, 307, 308} - {408, 409, 444, 460, 499}


@pytest.fixture(scope="module")
def both() -> Iterator[list[Client]]:
    """Both transports."""
    clients: list[Client] = [SyncClient(), AioClient()]
    yield clients
    for client in clients:
        client.close()


def meaning(found: VideoTask | StarVideosError) -> tuple[object, ...]:
    """Return the texts of an outcome, without the words of the library that moved the bytes."""
    if isinstance(found, StarVideosUnconfirmedError):
        return (
            (StarVideosUnconfirmedError, *meaning(cause))
            if isinstance(cause := found.__cause__, StarVideosError)
            else ()
        )
    if isinstance(found, StarVideosAPIError):
        return type(found), str(found), found.from_api, found.body, found.request_id, found.retry_after
    return (found,) if isinstance(found, VideoTask) else (type(found),)


@settings(PROFILE, max_examples=EXAMPLES)
@given(answer=plain(), order=st.booleans())
def test_workers_and_triggerer_read_the_same(
    both: list[Client], spoiler: Spoiler, answer: Spoiled, order: bool
) -> None:
    """Whichever transport an answer comes over, it means the same, is shown the same, and is repeated as often."""
    endpoint = spoiler.begin(answer, max_retries=1)
    told = []
    for client in both:
        call = calls.create(endpoint, REQUEST) if order else calls.query(endpoint, "video_1")
        told.append((meaning(outcome(client, call, endpoint.timeout)), len(client.slept)))
    event(getattr(told[0][0][0], "__name__", "VideoTask"))
    assert told[0] == told[1]


def test_what_a_library_says_of_an_answer_is_shortened(client: Client, spoiler: Spoiler) -> None:
    """What comes instead of a status line may be long, and hold anything: an error stays one short line."""
    endpoint = spoiler.begin(
        Spoiled(b"HTTP/1.1 200 OK\r\nno colon \x1b[31m" + b"[" * 60_000 + b"\r\n\r\n"), max_retries=0
    )
    found = outcome(client, calls.query(endpoint, "video_1"), endpoint.timeout)
    garbage = spoiler.begin(Spoiled(b"[" * 60_000), max_retries=0)
    further = outcome(client, calls.query(garbage, "video_1"), garbage.timeout)
    assert isinstance(further, StarVideosError)
    for error in (found, further):
        assert len(str(error)) < 3000
        assert str(error).isprintable()


def bomb(layers: int) -> bytes:
    """Return 200 MB of blanks, compressed so many times."""
    packer = gzip.zlib.compressobj(9, wbits=31)  # type: ignore[attr-defined]
    block = b" " * 1_000_000
    data = b"".join(packer.compress(block) for _ in range(200)) + packer.flush()
    for _ in range(layers - 1):
        data = gzip.compress(data)
    return data


@pytest.mark.parametrize(("layers", "named"), [(1, 1), (2, 2), (3, 3), (1, 8000)])
def test_a_compressed_bomb_is_read_up_to_the_cap(layers: int, named: int, client: Client) -> None:
    """200 MB that come as 200 KB, or as some hundred bytes: an answer that can't be read, in little memory and time.

    Nor does a header take memory that names thousands of codings.
    """
    data = bomb(layers)
    encoding = b",".join([b"gzip"] * named)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(data))

    def handle(peer: Peer) -> None:
        while peer.read_request():
            peer.send(head + data)

    server = RawServer(handle)
    try:
        tracemalloc.start()
        found = outcome(client, calls.query(Endpoint(server.url, KEY, timeout=10, max_retries=0), "video_1"), 10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        server.close()
    assert isinstance(found, StarVideosError)
    assert peak < 40 * MAX_ANSWER_BYTES


def test_nothing_is_left_behind(client: Client, spoiler: Spoiler) -> None:
    """After all that no thread of a request is left, and an honest answer is read as ever."""
    body = b'{"id": "video_1", "status": "queued"}'
    here = spoiler.begin(Spoiled(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)))
    assert outcome(client, calls.query(here, "video_1"), here.timeout) == VideoTask("video_1", "queued")
    client.leave()
    for thread in threading.enumerate():
        if thread.name == "starvideos-request":
            thread.join(5)
            assert not thread.is_alive()
