"""The documented API: keys, paths, shapes, the life of an order."""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import Any

import pytest
import requests

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.emulator.event_log import Journal
from airflow_provider_starvideos.emulator.orders import Orders
from airflow_provider_starvideos.emulator.request_rules import check
from airflow_provider_starvideos.emulator.settings import Settings

KEY = "test-key-0451"
CREATE = "/v1/starvideos/videos"


def send(emulator: Emulator, method: str, path: str, **options: Any) -> requests.Response:
    """Send a request without any help."""
    return requests.request(method, emulator.base_url + path, timeout=10, **options)


WRONG_KEYS = {
    "none": {},
    "another": {"Authorization": "Bearer nope"},
    "no scheme": {"Authorization": KEY},
    "another scheme": {"Authorization": f"Basic {KEY}"},
    "a part": {"Authorization": f"Bearer {KEY[:-1]}"},
    "more": {"Authorization": f"Bearer {KEY}x"},
    "empty": {"Authorization": "Bearer "},
    "not ASCII": {"Authorization": "Bearer ключ".encode()},
    "not UTF-8": {"Authorization": b"Bearer \xff"},
}


@pytest.mark.parametrize("headers", WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_a_wrong_key_gets_401(emulator: Any, headers: dict[str, Any]) -> None:
    """Without the right key both endpoints answer 401 in the API's form, and nothing is billed."""
    body = {"model": "starvideos_o3", "prompt": "x"}
    for response in (
        send(emulator, "POST", CREATE, json=body, headers=headers),
        send(emulator, "GET", "/v1/result/video_x", headers=headers),
    ):
        assert response.status_code == 401
        assert set(response.json()["error"]) == {"message", "code"}
    assert emulator.billed.videos == 0


def test_the_right_key_is_taken(emulator: Any) -> None:
    """The right key is accepted, and the scheme in any case, as HTTP has it."""
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {KEY}"}
        assert send(emulator, "GET", "/v1/result/video_x", headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", CREATE), ("POST", "/v1/result/x"), ("POST", "/v1/starvideos/video"), ("GET", "/v1/result/"), ("PUT", "/")],
)
def test_an_unknown_path_gets_404(emulator: Any, method: str, path: str) -> None:
    """A path or method that isn't documented answers as the vendor's server does."""
    response = send(emulator, method, path, headers={"Authorization": f"Bearer {KEY}"})
    assert response.status_code == 404
    assert response.json() == {"message": f"No handler found for {method} /kyyReactApiServer{path}"}


def test_an_unknown_id_gets_404(client: Any) -> None:
    """A query for an id that was never given answers 404 with an error."""
    response = client.get("video_starvideos_1234567890")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "video_not_found"


def test_a_create_answers_with_the_documented_fields(client: Any) -> None:
    """A create shows exactly the documented fields, with their documented types."""
    before = int(time.time())
    document = client.create().json()
    assert list(document) == ["id", "object", "created", "model", "status", "error"]
    assert re.fullmatch(r"video_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["id"])
    assert document["object"] == "video"
    assert isinstance(document["created"], int)
    assert before <= document["created"] <= time.time()
    assert document["model"] == "starvideos_o3"
    assert document["status"] == "queued"
    assert document["error"] is None


def test_a_query_shows_the_order_on_its_way(start: Any) -> None:
    """A query shows queued, then processing, then completed; URL and length only at the end."""
    client = start(seconds="hold")
    emulator = client.emulator
    video_id = client.order()
    emulator.finish(video_id, "queued")
    for status in ("queued", "processing"):
        emulator.finish(video_id, status)
        document = client.get(video_id).json()
        assert document["status"] == status
        assert document["video_url"] is None
        assert document["actualDuration"] is None
    emulator.finish(video_id)
    document = client.get(video_id).json()
    assert document["id"] == video_id
    assert document["status"] == "completed"
    assert document["error"] is None
    assert document["actualDuration"] == 3.0
    assert document["video_url"].startswith(f"{emulator.url}/files/{video_id}.mp4?")


def test_time_alone_moves_an_order_on(start: Any) -> None:
    """An order is queued first, then processing, and completes in its time, without a query."""
    client = start(seconds=0.4)
    emulator = client.emulator
    video_id = client.order()
    emulator.wait_for("status", id=video_id, status="completed")
    times = {entry["status"]: entry["time"] for entry in emulator.journal(event="status")}
    accepted = emulator.journal(event="accepted")[0]["time"]
    assert list(times) == ["processing", "completed"]
    assert 0.04 <= times["processing"] - accepted < times["completed"] - accepted
    assert times["completed"] - accepted >= 0.39
    assert emulator.requests["query"] == 0


async def test_times_are_spread() -> None:
    """With a spread, orders take different times, none outside the bounds; a seed repeats them."""

    def draw(seed: int) -> list[float]:
        orders, settings = Orders(Journal(), random.Random(seed)), Settings().changed({"seconds": "100-200"})
        now = asyncio.get_running_loop().time()
        body = {"model": "starvideos_o3", "prompt": "x"}
        accepted = [orders.accept(body, check(body), settings) for _ in range(20)]
        orders.clear()
        return [(order.final_due or 0) - now for order in accepted]

    spans = draw(1)
    assert len(set(spans)) > 10
    assert all(100 <= span <= 200.5 for span in spans)
    assert max(spans) - min(spans) > 50
    assert draw(1) == pytest.approx(spans, abs=0.5)
    assert draw(2) != pytest.approx(spans, abs=0.5)


def test_holding_waits_to_be_told(start: Any) -> None:
    """With "hold", an order goes to processing and stays until a test ends it."""
    client = start(seconds="hold")
    emulator = client.emulator
    video_id = client.order()
    emulator.wait_for("status", id=video_id, status="processing")
    with pytest.raises(TimeoutError):
        emulator.wait_for("status", id=video_id, status="completed", timeout=0.2)
    emulator.finish(video_id, "failed", "out of film")
    document = client.get(video_id).json()
    assert (document["status"], document["error"]) == ("failed", "out of film")
    assert (document["video_url"], document["actualDuration"]) == (None, None)


@pytest.mark.parametrize(
    ("prompt", "error"),
    [("a [fail] b", "The video could not be generated."), ("[fail: no foxes here]", "no foxes here")],
)
def test_a_prompt_can_ask_to_fail(client: Any, prompt: str, error: str) -> None:
    """A prompt with [fail] or [fail: message] is accepted, and fails with that message."""
    document = client.finished(prompt, end="failed")
    assert (document["status"], document["error"]) == ("failed", error)


def test_the_fail_rate_fails_that_many(start: Any) -> None:
    """With a fail rate of 1 all fail, of 0 none, of a half some."""
    client = start(seconds=0, fail_rate=1.0, seed=7)
    emulator = client.emulator
    client.finished(end="failed")
    emulator.update(fail_rate=0.0)
    client.finished()
    emulator.update(fail_rate=0.5)
    ids = [client.order() for _ in range(20)]
    for video_id in ids:
        emulator.wait_for("status", id=video_id, status="processing")
    assert 0 < emulator.state["orders_by_status"]["failed"] - 1 < 20


def test_the_rate_limit_answers_429(start: Any) -> None:
    """Beyond the limit, requests get 429 with Retry-After and are not billed; within it they pass."""
    client = start(seconds="hold", max_requests_per_second=2)
    emulator = client.emulator
    answers = [client.create() for _ in range(4)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    refused = answers[statuses.index(429)]
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert emulator.billed.videos == statuses.count(200)
    emulator.update(max_requests_per_second=None)
    assert [client.create().status_code for _ in range(4)] == [200] * 4


def test_result_urls_follow_the_host_that_was_asked(emulator: Any, client: Any) -> None:
    """A result's URL has the host that the client used, so that it works from a container too, or the one set."""
    video_id = client.finished()["id"]
    url = f"http://localhost:{emulator.port}/kyyReactApiServer/v1/result/{video_id}"
    document = requests.get(url, headers=client.headers, timeout=10).json()
    assert document["video_url"].startswith(f"http://localhost:{emulator.port}/files/")
    emulator.update(files_url="http://files.example:81/")
    assert client.get(video_id).json()["video_url"].startswith("http://files.example:81/files/")


def test_strange_bodies_get_400(emulator: Any, client: Any) -> None:
    """Bytes that are no JSON, or too deep, or not UTF-8, get 400; too many get 413. None is billed."""
    for data in (b"", b"{", b"\xff\xfe", b'{"prompt": NaN}', b"[" * 100_000):
        response = send(emulator, "POST", CREATE, data=data, headers=client.headers)
        assert response.status_code == 400, data[:20]
        assert response.json()["error"]["problems"][0]["field"] == "body"
    large = {"model": "starvideos_o3", "prompt": "x" * 1_100_000}
    assert client.post(large).status_code == 413
    assert emulator.billed.videos == 0
