"""The control API, the journal and the page."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import threading
import time
from typing import Any

import pytest
import requests

from airflow_provider_starvideos.emulator.event_log import Journal, Wanted
from airflow_provider_starvideos.emulator.settings import Settings, SettingsError, parse_seconds


def test_state_counts(client: Any) -> None:
    """The state shows what was billed, which requests came, and the statuses of the orders."""
    fox = client.order("a fox", duration=4)
    client.finished("[fail]", end="failed")
    client.get(fox)
    client.create(duration=1)
    requests.get(f"{client.emulator.url}/nothing", timeout=10)
    state = client.control("GET", "/state").json()
    assert state["billed"] == {"videos": 2, "seconds": 7.0}
    assert state["requests"] == {"create": 3, "query": 2, "download": 0, "unknown": 1}
    assert state["orders_by_status"] == {"queued": 0, "processing": 0, "completed": 1, "failed": 1}
    assert state["faults"] == []
    assert state["settings"]["seconds"] == [0.0, 0.0]
    assert state == client.emulator.state


def test_connections_are_told_apart(client: Any) -> None:
    """Requests on one connection share its number and count up on it; the state counts those of the API only."""
    with requests.Session() as session:
        for _ in range(3):
            session.get(f"{client.emulator.base_url}/v1/result/x", headers=client.headers, timeout=10)
    client.get("x")
    entries = client.emulator.journal(event="request")
    assert [entry["nth_on_connection"] for entry in entries] == [1, 2, 3, 1]
    numbers = [entry["connection"] for entry in entries]
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]
    assert client.control("GET", "/state").json()["connections"] == client.emulator.connections == 2


def test_orders_are_listed_and_found(client: Any) -> None:
    """Orders are listed oldest first with all that is known of them, and found by any field."""
    fox, owl = client.order("a fox", duration=4), client.order("an owl")
    client.emulator.wait_for("status", id=owl, status="completed")
    client.get(fox)
    client.get(fox)
    listed = client.control("GET", "/orders").json()
    assert [order["id"] for order in listed] == [fox, owl]
    first = listed[0]
    assert first["request"] == {"model": "starvideos_o3", "prompt": "a fox", "duration": 4}
    assert (first["mode"], first["status"], first["queries"], first["downloads"]) == ("text", "completed", 2, 0)
    assert first["accepted_at"] <= first["completed_at"] <= time.time()
    assert first["failed_at"] is None

    def found(query: str) -> list[str]:
        return [order["prompt"] for order in client.control("GET", f"/orders?{query}").json()]

    assert found("prompt=a fox") == ["a fox"]
    assert found("prompt=fox") == []
    assert found("contains=fox") == ["a fox"]
    assert found("status=completed&contains=owl") == ["an owl"]
    assert found("status=failed") == []
    assert found("queries=2") == ["a fox"]
    assert found("limit=1") == ["an owl"]
    assert client.control("GET", "/orders?limit=0").status_code == 400


def test_orders_are_forced(start: Any) -> None:
    """An order can be put into any status; a reason comes with a failure only."""
    client = start(seconds="hold")
    video_id = client.order()
    for status in ("queued", "processing", "completed", "failed", "completed"):
        assert client.control("POST", f"/orders/{video_id}", {"status": status}).json()["status"] == status
        assert client.get(video_id).json()["status"] == status
    failed = client.control("POST", f"/orders/{video_id}", {"status": "failed", "error": "no film"}).json()
    assert (failed["error"], failed["completed_at"]) == ("no film", None)
    for body in ({}, {"status": "done"}, {"status": "completed", "error": "x"}, {"status": "failed", "error": 5}):
        assert client.control("POST", f"/orders/{video_id}", body).status_code == 400
    assert client.control("POST", "/orders/nobody", {"status": "failed"}).status_code == 400


def test_a_forced_order_stays_put(start: Any) -> None:
    """An order that was put back to processing no longer follows the clock."""
    client = start(seconds=0.2)
    video_id = client.order()
    client.emulator.finish(video_id, "processing")
    with pytest.raises(TimeoutError):
        client.emulator.wait_for("status", id=video_id, status="completed", timeout=0.4)
    assert client.get(video_id).json()["status"] == "processing"


def test_settings_are_changed_as_a_whole_or_not_at_all(client: Any) -> None:
    """PATCH changes what it names and shows the result; one wrong value refuses all, naming every problem."""
    changed = client.control("PATCH", "/settings", {"seconds": "1-2", "fail_rate": 0.5}).json()
    assert (changed["seconds"], changed["fail_rate"], changed["references"]) == ([1.0, 2.0], 0.5, "lenient")
    assert client.control("GET", "/state").json()["settings"] == changed
    assert client.control("PATCH", "/settings", changed).json() == changed
    response = client.control("PATCH", "/settings", {"seconds": 5, "fail_rate": 2, "speed": 1})
    assert response.status_code == 400
    assert "fail_rate must be a number from 0 to 1 (got 2)" in response.json()["error"]
    assert "no setting named 'speed'" in response.json()["error"]
    assert client.control("GET", "/state").json()["settings"] == changed
    assert client.control("PATCH", "/settings", {"seconds": "hold"}).json()["seconds"] == "hold"


WRONG_SETTINGS = {
    "seconds": [-1, "5-4", "soon", "1-2-3", True, [1], [1, "x"], 90_000, {}],
    "fail_rate": [-0.1, 1.1, "0.5", None, True, float("nan")],
    "references": ["strict", None],
    "url_ttl": [-1],
    "expired_status": [200, 600, 403.0],
    "ranges": [1, "yes"],
    "pad_bytes": [-1, 7, 1.5],
    "max_requests_per_second": [0, "2"],
    "files_url": ["host", 5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_SETTINGS.items() for value in values], ids=str
)
def test_a_setting_out_of_bounds_is_refused(name: str, value: object) -> None:
    """Each setting refuses what lies outside its bounds, and says what it must be."""
    if (name, value) == ("seconds", [1]):
        value = []
    with pytest.raises(SettingsError, match=f"^{name} must be "):
        Settings().changed({name: value})


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("hold", None),
        (None, None),
        (0, (0, 0)),
        ("8-15", (8, 15)),
        ("0.5", (0.5, 0.5)),
        ((1, 2), (1, 2)),
        (86_400, (86_400,) * 2),
    ],
)
def test_seconds_take_several_forms(value: object, read: object) -> None:
    """A time is a number, a spread, a pair, or "hold"."""
    assert parse_seconds(value) == read


def test_faults_are_set_listed_and_removed(client: Any) -> None:
    """Faults are managed over HTTP as they are in Python."""
    response = client.control("POST", "/faults", {"on": "create", "kind": "rate_limit", "times": 2, "retry_after": 3})
    assert response.status_code == 201
    fault_id = response.json()["fault_id"]
    listed = client.control("GET", "/state").json()["faults"]
    assert [(fault["fault_id"], fault["on"], fault["kind"], fault["times"]) for fault in listed] == [
        (fault_id, "create", "rate_limit", 2)
    ]
    assert client.create().headers["Retry-After"] == "3"
    assert client.control("DELETE", f"/faults/{fault_id}").json() == {"removed": 1}
    assert client.control("DELETE", f"/faults/{fault_id}").status_code == 404
    assert client.control("DELETE", "/faults").json() == {"removed": 0}
    assert client.control("DELETE", "/faults?release=later").status_code == 400
    assert client.create().status_code == 200
    kinds = client.control("GET", "/kinds").json()
    assert kinds["truncate"]["on"] == ["download"]


def test_reset_forgets(client: Any) -> None:
    """A reset forgets orders, faults, counters and the journal; settings stay, and old URLs no longer work."""
    client.emulator.update(fail_rate=0.0, url_ttl=60)
    document = client.finished()
    client.emulator.add_fault(on="create", kind="reset")
    seq = client.emulator.seq
    assert client.control("POST", "/reset").status_code == 200
    state = client.control("GET", "/state").json()
    assert state["billed"] == {"videos": 0, "seconds": 0}
    assert set(state["requests"].values()) == set(state["orders_by_status"].values()) == {0}
    assert (state["faults"], state["connections"], state["settings"]["url_ttl"]) == ([], 0, 60)
    assert client.control("GET", "/journal").json() == []
    assert client.fetch(document["video_url"]).status_code == 403
    client.order()
    assert client.emulator.journal()[0]["seq"] > seq


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_control_request_needs_an_object(client: Any, body: bytes) -> None:
    """A control request without a JSON object is refused."""
    response = requests.post(f"{client.emulator.url}/_control/faults", data=body, timeout=10)
    assert response.status_code == 400


def test_other_websites_have_no_control(client: Any) -> None:
    """A request that a foreign web page sends, or under a foreign name for this address, is refused."""
    url = f"{client.emulator.url}/_control/reset"
    client.order()
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert requests.post(url, headers=headers, timeout=10).status_code == 403
    assert client.emulator.billed.videos == 1
    assert requests.post(url, headers={"Origin": client.emulator.url}, timeout=10).status_code == 200


# The journal.


def test_the_journal_tells_the_story(client: Any) -> None:
    """The journal has every step of an order, numbered, in order, with id and prompt."""
    document = client.finished("a fox")
    client.fetch(document["video_url"])
    entries = client.control("GET", "/journal").json()
    assert [entry["event"] for entry in entries] == [
        *("request", "accepted", "answered", "status", "status"),
        *("request", "answered", "request", "answered", "download"),
    ]
    assert [entry["seq"] for entry in entries] == list(range(1, 11))
    assert all(entry["prompt"] == "a fox" for entry in entries)
    assert {entry["id"] for entry in entries[1:]} == {document["id"]}
    request = entries[0]
    assert (request["method"], request["kind"]) == ("POST", "create")
    assert request["path"] == "/kyyReactApiServer/v1/starvideos/videos"
    assert request["had_authorization"] is True
    assert [entry["status"] for entry in entries if entry["event"] == "status"] == ["processing", "completed"]


def test_a_long_poll_returns_with_its_event(start: Any) -> None:
    """A long poll returns once the awaited entry comes, without a query, and not before."""
    client = start(seconds=0.5)
    video_id = client.order("a fox")
    started = time.monotonic()
    path = f"/journal?event=status&status=completed&prompt=a fox&id={video_id}&wait=10"
    (entry,) = client.control("GET", path).json()
    assert (entry["event"], entry["status"], entry["id"]) == ("status", "completed", video_id)
    assert 0.3 <= time.monotonic() - started < 5


def test_a_long_poll_gives_up(client: Any) -> None:
    """A long poll without its event returns nothing after its time; since leaves out what is known."""
    client.order("an owl")
    assert client.control("GET", "/journal?event=accepted&prompt=a fox&wait=0.1").json() == []
    seq = client.control("GET", "/journal?event=accepted").json()[0]["seq"]
    assert client.control("GET", f"/journal?event=accepted&since={seq}&wait=0.1").json() == []
    assert len(client.control("GET", f"/journal?event=accepted&since={seq - 1}").json()) == 1


@pytest.mark.parametrize("query", ["since=x", "wait=x", "wait=-1", "wait=601", "wait=nan"])
def test_a_senseless_long_poll_is_refused(client: Any, query: str) -> None:
    """A long poll with numbers that make no sense is refused."""
    assert client.control("GET", f"/journal?{query}").status_code == 400


def test_many_can_wait_at_once(client: Any) -> None:
    """Every waiter gets the event that it waits for, and no other's."""
    found: dict[int, str] = {}

    def wait(number: int) -> None:
        found[number] = client.emulator.wait_for("accepted", prompt=f"fox {number}")["prompt"]

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for number in reversed(range(10)):
        client.order(f"fox {number}")
    for thread in threads:
        thread.join(10)
    assert found == {number: f"fox {number}" for number in range(10)}


def test_a_flood_of_one_event_keeps_the_others() -> None:
    """The journal is bounded for each event by itself: polls don't push the orders out."""
    journal = Journal(size=10)
    journal.add("accepted", id="a")
    for _ in range(100):
        journal.add("request", kind="query")
    assert [entry["id"] for entry in journal.find(Wanted(0, "accepted", {}))] == ["a"]
    assert [entry["seq"] for entry in journal.find(Wanted(0, "request", {}))] == list(range(92, 102))
    assert [entry["seq"] for entry in journal.find(Wanted(0, None, {}))] == [1, *range(92, 102)]
    assert journal.find(Wanted(101, None, {})) == []


async def test_a_waiter_that_leaves_is_forgotten() -> None:
    """A waiter that is cancelled leaves nothing behind in the journal."""
    journal = Journal()
    task = asyncio.create_task(journal.wait(Wanted(0, "accepted", {}), 10))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not journal._waiting


def test_no_key_is_ever_shown(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the right key nor a wrong one is in the journal, the state, the orders, the page or the log."""
    caplog.set_level("DEBUG")
    client.finished()
    wrong = "wrong-key-1984"
    url = f"{client.emulator.base_url}/v1/result/x"
    answer = requests.get(url, headers={"Authorization": f"Bearer {wrong}"}, timeout=10).text
    shown = [client.control("GET", path).text for path in ("/state", "/orders", "/journal")]
    page = requests.get(client.emulator.url, timeout=10).text
    log = "\n".join(record.getMessage() for record in caplog.records)
    assert "-> 401" in log
    for text in (*shown, answer, page, log):
        assert client.emulator.key not in text
        assert wrong not in text


# The page.


def test_the_page_runs_nothing_but_itself(client: Any) -> None:
    """The page comes with a policy that allows its own script and style by hash, and nothing from elsewhere."""
    response = requests.get(f"{client.emulator.url}/", timeout=10)
    assert response.headers["Content-Type"].startswith("text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.findall(r'(?:src|href)="(?!data:)', response.text)
    assert "innerHTML" not in response.text
    assert len(response.content) < 20_000


def test_the_page_plays_videos_without_counting(client: Any) -> None:
    """The page's own player gets a video, ranges included, but is no download and meets no fault."""
    video_id = client.finished()["id"]
    client.emulator.add_fault(on="download", kind="reset")
    url = f"{client.emulator.url}/_control/orders/{video_id}/video"
    assert requests.get(url, headers={"Range": "bytes=0-99"}, timeout=10).status_code == 206
    assert client.emulator.requests["download"] == client.emulator.orders[0].downloads == 0
    assert requests.get(url.replace(video_id, "nobody"), timeout=10).status_code == 404


def test_state_is_plain_json(client: Any) -> None:
    """What the control API shows can be read by any JSON reader: no NaN, no infinity."""
    client.order("[fail]")
    for path in ("/state", "/orders", "/journal"):
        json.loads(client.control("GET", path).text, parse_constant=pytest.fail)
