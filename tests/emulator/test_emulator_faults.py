"""Faults of the API's two endpoints: each kind as a client meets it on a real socket."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from airflow_provider_starvideos.emulator.fault_kinds import API, KINDS
from airflow_provider_starvideos.emulator.faults import FaultError, parse_fault

NEEDED = {
    "status": {"status": 503},
    "delay": {"seconds": 0.01},
    "slow": {"bytes_per_second": 5000},
    "redirect": {"location": "http://127.0.0.1:9/"},
    "hang": {},
    "huge": {"bytes": 100_000},
}
WITH_ORDER = [name for name, kind in KINDS.items() if kind.needs_answer and "create" in kind.on]


def ask(client: Any, on: str) -> requests.Response:
    """Send a create, or a query for an order that exists."""
    if on == "create":
        return client.create()
    return client.get(client.emulator.orders[0].id)


def raw(client: Any, method: str, path: str) -> bytes:
    """Send a request by hand, and return all that came until the connection was closed."""
    port = client.emulator.port
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {client.emulator.key}\r\n\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode())
        while chunk := connection.recv(1 << 16):
            received += chunk
    return received


@pytest.mark.parametrize("on", API)
@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if "query" in kind.on])
def test_every_kind_spoils_one_request_and_no_more(client: Any, kind: str, on: str) -> None:
    """Each kind spoils exactly the request that it is set for, is journalled, and leaves the server well."""
    client.order()
    client.timeout = 2 if kind != "hang" else 0.3
    fault_id = client.emulator.add_fault(on=on, kind=kind, times=1, **NEEDED.get(kind, {}))
    right = ask_quietly(client, on)
    entries = client.emulator.journal(event="fault")
    assert [(entry["kind"], entry["fault"], entry["fault_id"]) for entry in entries] == [(on, kind, fault_id)]
    if kind not in ("delay", "slow", "close_after"):
        assert not right
    client.timeout = 10
    assert ask_quietly(client, on)
    assert len(client.emulator.journal(event="fault")) == 1


def ask_quietly(client: Any, on: str) -> bool:
    """Say whether a request was answered as documented."""
    try:
        response = ask(client, on)
        document = response.json()
        statuses = ("queued", "processing", "completed", "failed")
        known = {"id", "object", "created", "model", "status", "error", "video_url", "actualDuration"}
        return (
            response.status_code == 200
            and document["status"] in statuses
            and "id" in document
            and known >= set(document)
        )
    except (requests.RequestException, ValueError, TypeError, KeyError):
        return False


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 429, 500, 503, 504])
def test_a_status_comes_with_a_json_error(client: Any, status: int) -> None:
    """The kind "status" answers with that status, and with an error in the API's form if no body is given."""
    client.emulator.add_fault(on="create", kind="status", status=status)
    response = client.create()
    assert response.status_code == status
    assert isinstance(response.json()["error"]["message"], str)
    assert client.emulator.billed.videos == 0


def test_a_status_takes_body_and_headers(client: Any) -> None:
    """The kind "status" sends the body given, as JSON, HTML or text, and the headers given."""
    client.order()
    bodies = [({"msg": "no"}, "application/json"), ("<p>no", "text/html"), ("no", "text/plain"), ("", "text/plain")]
    for body, content_type in bodies:
        client.emulator.add_fault(on="query", kind="status", status=418, body=body, headers={"X-A": "b"}, times=1)
        response = ask(client, "query")
        assert response.status_code == 418
        assert response.text == (json.dumps(body) if isinstance(body, dict) else body)
        assert response.headers["Content-Type"].startswith(content_type)
        assert response.headers["X-A"] == "b"


def test_retry_after_takes_seconds_and_dates(client: Any) -> None:
    """Retry-After can be seconds, text as it is, or a date so many seconds ahead."""
    client.emulator.add_fault(on="create", kind="rate_limit", retry_after=3, times=1)
    client.emulator.add_fault(on="create", kind="rate_limit", retry_after="soon", times=1)
    client.emulator.add_fault(on="create", kind="status", status=503, retry_after_date=60, times=1)
    seconds, text, date = (client.create() for _ in range(3))
    assert (seconds.status_code, seconds.headers["Retry-After"]) == (429, "3")
    assert text.headers["Retry-After"] == "soon"
    assert 50 <= parsedate_to_datetime(date.headers["Retry-After"]).timestamp() - time.time() <= 61


def test_a_gateway_answers_html(client: Any) -> None:
    """The kind "bad_gateway_html" is a 502 that is not JSON."""
    client.emulator.add_fault(on="create", kind="bad_gateway_html")
    response = client.create()
    assert response.status_code == 502
    assert response.headers["Content-Type"].startswith("text/html")
    assert "<html>" in response.text


def test_reset_is_a_tcp_reset(client: Any) -> None:
    """The kind "reset" is seen as a RST, not as an end of file."""
    client.emulator.add_fault(on="query", kind="reset")
    with pytest.raises(ConnectionResetError):
        raw(client, "GET", "/kyyReactApiServer/v1/result/x")


def test_close_is_an_end_without_a_byte(client: Any) -> None:
    """The kind "close" ends the connection with a FIN and not one byte."""
    client.emulator.add_fault(on="query", kind="close")
    received = raw(client, "GET", "/kyyReactApiServer/v1/result/x")
    assert received == b""


def test_close_after_is_not_announced(client: Any) -> None:
    """The kind "close_after" answers in full, says nothing of closing, and closes."""
    video_id = client.order()
    client.emulator.add_fault(on="query", kind="close_after")
    received = raw(client, "GET", f"/kyyReactApiServer/v1/result/{video_id}")
    head, _, body = received.partition(b"\r\n\r\n")
    assert json.loads(body)["id"] == video_id
    assert b"connection: close" not in head.lower()


@pytest.mark.parametrize(("at", "share"), [(0.5, 0.5), (0, 0), (10, None)])
def test_half_a_body_is_cut_where_it_should(client: Any, at: float, share: float | None) -> None:
    """The kind "half_body" announces the whole length and sends only a part."""
    video_id = client.order()
    client.emulator.add_fault(on="query", kind="half_body", at=at)
    received = raw(client, "GET", f"/kyyReactApiServer/v1/result/{video_id}")
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == (int(length * share) if share is not None else 10)
    assert len(body) < length
    assert not client.emulator.journal(event="answered")[-1]["whole"]


def test_a_hanging_request_ends_with_its_client(client: Any) -> None:
    """The kind "hang" never answers; a client that gives up is journalled as gone."""
    client.timeout = 0.2
    client.emulator.add_fault(on="create", kind="hang", match="fox")
    with pytest.raises(requests.Timeout):
        client.create("a fox")
    gone = client.emulator.wait_for("client_gone")
    assert (gone["kind"], gone["prompt"]) == ("create", "a fox")
    assert client.emulator.billed.videos == 0
    assert client.create("an owl").status_code == 200


@pytest.mark.parametrize(("release", "answered"), [("answer", True), ("drop", False), (None, False)])
def test_removing_a_hang_lets_its_requests_go(client: Any, release: str | None, answered: bool) -> None:
    """When a hanging fault is removed, its requests are dropped, or answered if so asked."""
    fault_id = client.emulator.add_fault(on="create", kind="hang")
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(ask_quietly(client, "create")))
    thread.start()
    client.emulator.wait_for("fault", fault="hang")
    assert client.emulator.clear_faults(fault_id, release=release) == 1
    thread.join(10)
    assert outcome == [answered]
    assert client.emulator.billed.videos == int(answered)


def test_delay_waits_and_then_meets_the_next_fault(client: Any) -> None:
    """The kind "delay" waits, then goes on: to the answer, or to the next fault."""
    client.emulator.add_fault(on="create", kind="delay", seconds=0.2)
    started = time.monotonic()
    assert client.create().status_code == 200
    assert time.monotonic() - started >= 0.19
    client.emulator.add_fault(on="create", kind="server_error")
    assert client.create().status_code == 500
    assert client.emulator.billed.videos == 1


def test_slow_drips(client: Any) -> None:
    """The kind "slow" sends the right answer at about the rate asked for."""
    video_id = client.order()
    client.emulator.add_fault(on="query", kind="slow", bytes_per_second=1000)
    started = time.monotonic()
    response = client.get(video_id)
    took = time.monotonic() - started
    assert response.json()["id"] == video_id
    assert len(response.content) / 1000 * 0.9 <= took <= 3


def test_bodies_that_are_no_order(client: Any) -> None:
    """Empty, HTML, garbage, a list, an error in a 200: each with status 200, as such platforms do."""
    video_id = client.order()
    for kind in ("empty", "html", "garbage", "wrong_type", "error_200"):
        client.emulator.add_fault(on="query", kind=kind, times=1)
    empty, html, garbage, wrong_type, error = (client.get(video_id) for _ in range(5))
    assert {response.status_code for response in (empty, html, garbage, wrong_type, error)} == {200}
    assert empty.content == b""
    assert "<html>" in html.text
    with pytest.raises(requests.JSONDecodeError):
        garbage.json()
    assert wrong_type.json() == [1, 2, 3]
    assert error.json() == {"code": 401, "message": "Invalid API key.", "data": None}


def test_bodies_that_are_an_order_with_a_twist(client: Any) -> None:
    """No id, an envelope, another status, more fields: the rest of the order is as it was."""
    video_id = client.order()
    kinds = {"no_id": {}, "envelope": {"code": 0}, "unknown_status": {"status": "archived"}, "unknown_fields": {}}
    for kind, params in kinds.items():
        client.emulator.add_fault(on="query", kind=kind, times=1, **params)
    no_id, envelope, status, fields = (client.get(video_id).json() for _ in range(4))
    right = client.get(video_id).json()
    stable = {name: value for name, value in right.items() if name != "video_url"}
    assert "id" not in no_id
    assert no_id["object"] == "video"
    assert envelope["code"] == 0
    assert {**envelope["data"], "video_url": None} == {**stable, "video_url": None}
    assert {**status, "video_url": None} == {**stable, "status": "archived", "video_url": None}
    assert set(fields) > set(right)
    assert fields["id"] == video_id


@pytest.mark.parametrize("chunked", [True, False])
def test_huge_is_streamed(client: Any, chunked: bool) -> None:
    """The kind "huge" sends exactly so many bytes, of valid JSON, announced or not."""
    client.emulator.add_fault(on="query", kind="huge", bytes=3_000_000, chunked=chunked)
    response = client.get("video_x")
    assert len(response.content) == 3_000_000
    assert len(response.json()["error"]) == 3_000_000 - len('{"error": ""}')
    assert ("Content-Length" in response.headers) is not chunked


def test_a_client_may_leave_a_huge_answer(client: Any) -> None:
    """A client may leave a 10 GB answer at any time, and the server goes on."""
    client.emulator.add_fault(on="query", kind="huge", bytes=10_000_000_000, times=1)
    url = f"{client.emulator.base_url}/v1/result/x"
    with requests.get(url, headers=client.headers, stream=True, timeout=10) as response:
        assert len(response.raw.read(1_000_000)) == 1_000_000
    assert client.emulator.wait_for("client_gone")["kind"] == "query"
    assert client.get("x").status_code == 404


def test_redirects_lead_where_they_are_told(client: Any) -> None:
    """The kind "redirect" sends a client to a location, or in circles."""
    client.emulator.add_fault(on="query", kind="redirect", location="http://evil.example/", status=307, times=1)
    url = f"{client.emulator.base_url}/v1/result/x"
    response = requests.get(url, headers=client.headers, allow_redirects=False, timeout=10)
    assert (response.status_code, response.headers["Location"]) == (307, "http://evil.example/")
    client.emulator.add_fault(on="query", kind="redirect", location="loop")
    with pytest.raises(requests.TooManyRedirects):
        client.get("x")


# Which requests a fault spoils.


def test_times_and_skip_count_fitting_requests(client: Any) -> None:
    """A fault lets "skip" fitting requests through, spoils "times", and is spent; others don't count."""
    client.emulator.add_fault(on="create", kind="server_error", match="fox", skip=1, times=2)
    statuses = [client.create(prompt).status_code for prompt in ("fox", "owl", "a fox", "foxes", "owl", "fox")]
    assert statuses == [200, 200, 500, 500, 200, 200]
    fault = client.emulator.state["faults"][0]
    assert (fault["times"], fault["applied"], fault["skip"]) == (0, 2, 0)


def test_match_finds_prompts_and_ids(client: Any) -> None:
    """A query can be matched by the prompt of its order, and by its id."""
    fox, owl = client.order("a fox"), client.order("an owl")
    by_prompt = client.emulator.add_fault(on="query", kind="server_error", match="fox")
    assert [client.get(video_id).status_code for video_id in (fox, owl)] == [500, 200]
    client.emulator.clear_faults(by_prompt)
    client.emulator.add_fault(on="query", kind="server_error", match=owl)
    assert [client.get(video_id).status_code for video_id in (fox, owl)] == [200, 500]


def test_rate_spoils_some(start: Any) -> None:
    """A fault with a rate spoils some of the requests: with a seed always the same ones."""

    def draw() -> list[int]:
        client = start(seconds=0, seed=3)
        client.emulator.add_fault(on="query", kind="server_error", rate=0.5)
        return [client.get("x").status_code for _ in range(20)]

    statuses = draw()
    assert set(statuses) == {404, 500}
    assert draw() == statuses


def test_a_removed_fault_is_gone(client: Any) -> None:
    """Once removed, one fault or all spoil nothing more."""
    first = client.emulator.add_fault(on="create", kind="server_error")
    client.emulator.add_fault(on="create", kind="bad_gateway_html")
    assert client.create().status_code == 500
    assert client.emulator.clear_faults(first) == 1
    assert client.create().status_code == 502
    assert client.emulator.clear_faults() == 1
    assert client.create().status_code == 200


def test_faults_come_before_the_key_is_checked(client: Any) -> None:
    """A gateway in front of the API doesn't know keys: its errors come to anybody."""
    client.emulator.add_fault(on="create", kind="bad_gateway_html")
    url = f"{client.emulator.base_url}/v1/starvideos/videos"
    assert requests.post(url, json={}, timeout=10).status_code == 502


def test_a_connection_survives_an_error(client: Any) -> None:
    """After an error in full, the same connection serves the next request."""
    client.emulator.add_fault(on="query", kind="server_error", times=1)
    connection = http.client.HTTPConnection("127.0.0.1", client.emulator.port, timeout=10)
    for status in (500, 404):
        connection.request("GET", "/kyyReactApiServer/v1/result/x", headers=client.headers)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()
    assert client.emulator.connections == 1


# What is billed.


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if "create" in kind.on])
def test_a_fault_after_the_order_leaves_it_billed(client: Any, kind: str) -> None:
    """With when="after", or a kind that changes the right answer, the order is there and billed once."""
    when = {} if kind in WITH_ORDER else {"when": "after"}
    client.timeout = 5 if kind != "hang" else 0.3
    client.emulator.add_fault(on="create", kind=kind, **when, **NEEDED.get(kind, {}))
    ask_quietly(client, "create")
    assert client.emulator.billed.videos == 1
    assert client.emulator.wait_for("fault")["id"] == client.emulator.orders[0].id


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in WITH_ORDER and "create" in KINDS[name].on])
def test_a_fault_before_the_order_bills_nothing(client: Any, kind: str) -> None:
    """Without "when", whatever replaces the answer comes before the order: nothing is billed."""
    client.timeout = 5 if kind != "hang" else 0.3
    client.emulator.add_fault(on="create", kind=kind, **NEEDED.get(kind, {}))
    ask_quietly(client, "create")
    assert client.emulator.billed.videos == (1 if kind == "delay" else 0)


def test_a_fault_after_needs_an_accepted_order(client: Any) -> None:
    """A refused request doesn't use up a fault that comes after the acceptance."""
    client.emulator.add_fault(on="create", kind="reset", when="after", times=1)
    assert client.create(duration=99).status_code == 400
    with pytest.raises(requests.ConnectionError):
        client.create()
    assert client.emulator.billed.videos == 1


def test_failed_videos_and_repeated_requests_are_billed(client: Any) -> None:
    """Every accepted create is billed with its seconds, failed and repeated ones too."""
    client.finished("[fail]", end="failed", duration=5)
    client.order("twice", duration=4)
    client.order("twice", duration=4)
    client.create(duration=99)
    assert (client.emulator.billed.videos, client.emulator.billed.seconds) == (3, 13.0)


# Faults that make no sense.

SENSELESS = {
    "no kind": {"on": "create"},
    "unknown kind": {"on": "create", "kind": "fire"},
    "no request": {"kind": "reset"},
    "unknown request": {"on": "delete", "kind": "reset"},
    "wrong request": {"on": "create", "kind": "truncate"},
    "unknown parameter": {"on": "create", "kind": "reset", "at": 5},
    "missing parameter": {"on": "create", "kind": "delay"},
    "negative times": {"on": "create", "kind": "reset", "times": -1},
    "times as text": {"on": "create", "kind": "reset", "times": "2"},
    "rate above 1": {"on": "create", "kind": "reset", "rate": 1.5},
    "negative skip": {"on": "create", "kind": "reset", "skip": -1},
    "match as a number": {"on": "create", "kind": "reset", "match": 5},
    "when for a query": {"on": "query", "kind": "reset", "when": "after"},
    "unknown when": {"on": "create", "kind": "reset", "when": "during"},
    "before an answer that it needs": {"on": "create", "kind": "no_id", "when": "before"},
    "status out of range": {"on": "create", "kind": "status", "status": 99},
    "headers as a list": {"on": "create", "kind": "status", "status": 500, "headers": ["a"]},
    "wrong release": {"on": "create", "kind": "hang", "release": "never"},
}


@pytest.mark.parametrize("fault", SENSELESS.values(), ids=SENSELESS)
def test_a_senseless_fault_is_refused(client: Any, fault: dict[str, Any]) -> None:
    """A fault that could never do what it says is refused with a reason, in Python and over HTTP."""
    response = client.control("POST", "/faults", fault)
    assert response.status_code == 400
    assert response.json()["error"]
    if {"on", "kind"} <= set(fault):
        with pytest.raises(FaultError, match=r"\w"):
            client.emulator.add_fault(**fault)
    assert client.emulator.state["faults"] == []


def test_the_command_line_form_is_read() -> None:
    """on:kind:name=value,… and a JSON object give the same fault; anything else is refused."""
    short = parse_fault("create:rate_limit:times=2,retry_after=3,match=a fox,rate=0.5")
    assert short == {"on": "create", "kind": "rate_limit", "times": 2, "retry_after": 3, "match": "a fox", "rate": 0.5}
    assert parse_fault(json.dumps(short)) == short
    assert parse_fault("query:reset") == {"on": "query", "kind": "reset"}
    for wrong in ("create:reset:times", "{on"):
        with pytest.raises(FaultError):
            parse_fault(wrong)
