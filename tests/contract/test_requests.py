"""What goes out: the six modes, the key, the connections; and that the key goes nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import GenerationMode
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosRateLimitError,
    StarVideosRejectedError,
    StarVideosUnconfirmedError,
)
from tests.contract.conftest import Peer

IMAGE = "https://files.example/{}.png"
CLIP = "https://files.example/clip.mp4"
VIDEO = b'{"id": "video_1", "status": "queued"}'
MODES: dict[GenerationMode, dict[str, Any]] = {
    GenerationMode.TEXT: {"duration": 3, "ratio": "16:9"},
    GenerationMode.IMAGES: {"reference_images": [IMAGE.format(n) for n in range(7)], "duration": 15},
    GenerationMode.FRAMES: {"first_image": IMAGE.format("first"), "last_image": IMAGE.format("last"), "ratio": "1:1"},
    GenerationMode.VIDEO: {"reference_videos": [CLIP]},
    GenerationMode.IMAGE_AND_VIDEO: {"reference_videos": [CLIP], "reference_images": [IMAGE.format(1)]},
    GenerationMode.IMAGES_AND_VIDEO: {
        "reference_videos": [CLIP],
        "reference_images": [IMAGE.format(n) for n in range(4)],
    },
}
EMULATORS_NAMES = {
    GenerationMode.TEXT: "text",
    GenerationMode.IMAGES: "image_reference",
    GenerationMode.FRAMES: "first_last_frame",
    GenerationMode.VIDEO: "video_reference",
    GenerationMode.IMAGE_AND_VIDEO: "image_video",
    GenerationMode.IMAGES_AND_VIDEO: "multi_image_video",
}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_each_mode_is_ordered_and_completed(mode: GenerationMode, client: Any, api: Any, emulator: Emulator) -> None:
    """A server that checks requests by the vendor's pages takes each, in the mode that was meant, and bills it once."""
    endpoint = api(emulator.base_url).endpoint
    request = build_request(prompt="雪の中の狐", **MODES[mode])
    task = client.run(calls.create(endpoint, request))
    assert not task.is_completed
    (order,) = emulator.orders
    assert (order.id, order.mode, order.request) == (task.id, EMULATORS_NAMES[mode], request.to_wire())
    assert order.ignored == ()
    emulator.finish(task.id)
    done = client.run(calls.query(endpoint, task.id))
    assert done.is_completed
    assert done.video_url is not None
    assert done.actual_duration == order.billed_seconds
    assert emulator.billed.videos == 1


def answering(body: bytes = VIDEO, status: str = "200 OK", *headers: str) -> Callable[[Any], None]:
    """Return a server's behaviour: answer every request so, and keep the connection."""

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.answer(body, status, *headers)

    return handle


def headers_of(request: bytes) -> dict[str, str]:
    """Return a raw request's headers, by lower-case names."""
    lines = request.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_bytes_of_an_order(client: Any, api: Any, serve: Any) -> None:
    """Both transports send the same: method, path, key, type, length, and the body as UTF-8 JSON, not chunked."""
    server = serve(answering())
    client.run(calls.create(api(f"{server.url}/base").endpoint, build_request(prompt="狐")))
    (raw,) = server.requests
    assert raw.startswith(b"POST /base/v1/starvideos/videos HTTP/1.1\r\n")
    headers = headers_of(raw)
    body = raw.split(b"\r\n\r\n", 1)[1]
    assert json.loads(body) == {"model": "starvideos_o3", "prompt": "狐"}
    assert "狐".encode() in body
    assert headers["authorization"] == f"Bearer {api(server.url).endpoint.key}"
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert headers["accept"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["cache-control"] == "no-cache"
    assert headers["user-agent"].startswith("airflow-provider-starvideos/")
    assert "transfer-encoding" not in headers
    assert "cookie" not in headers


def test_the_bytes_of_a_query(client: Any, api: Any, serve: Any) -> None:
    """A GET of the documented path with the key, and without a body or a type of one."""
    server = serve(answering(b'{"id": "video_a.b~c-1", "status": "queued"}'))
    client.run(api(f"{server.url}/base").poll("video_a.b~c-1"))
    (raw,) = server.requests
    assert raw.startswith(b"GET /base/v1/result/video_a.b~c-1 HTTP/1.1\r\n")
    headers = headers_of(raw)
    assert headers["authorization"] == f"Bearer {api(server.url).endpoint.key}"
    assert not {"content-type", "content-length", "transfer-encoding", "cookie"} & headers.keys()
    assert raw.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("kind", ["order", "query"])
def test_redirects_are_not_followed(status: str, kind: str, client: Any, api: Any, serve: Any) -> None:
    """Neither to another host, which would get the key, nor on the same one: the other server sees nothing at all."""
    other = serve(answering())
    server = serve(answering(b"", status, f"Location: {other.url}/v1/result/video_1"))
    call = api(server.url).create() if kind == "order" else api(server.url).poll()
    doubtful = kind == "order" and status[:3] in ("302", "303")
    expected = StarVideosUnconfirmedError if doubtful else StarVideosRejectedError
    with pytest.raises(expected, match=r"the server redirects to 127\.0\.0\.1, which isn't followed with a key"):
        client.run(call)
    assert (len(server.requests), other.connections) == (1, 0)


LOCATIONS = [b"/v1/result/other", b"http://[broken", b"\xff\xfe", b"", b"http://\x01/", b"javascript:x"]


@pytest.mark.parametrize("location", LOCATIONS)
def test_an_odd_redirect_is_an_error_like_any_other(location: bytes, client: Any, api: Any, serve: Any) -> None:
    """An address that can't be read doesn't end in an unexpected error."""

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")

    server = serve(handle)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api(server.url).create())
    assert len(server.requests) == 1


def test_a_changed_key_is_sent_at_once_and_over_the_same_connection(client: Any, api: Any, serve: Any) -> None:
    """What is kept between two queries is kept for their endpoint: never the key of an earlier one, or of a later."""
    server = serve(answering())
    here = api(server.url)
    keys = [here.endpoint.key, "sk-rotated", here.endpoint.key]
    for key in keys:
        client.run(here.with_(key=key).poll())
        client.run(here.with_(key=key).create())
    sent = [headers_of(raw)["authorization"] for raw in server.requests]
    assert sent == [f"Bearer {key}" for key in keys for _ in range(2)]
    assert server.connections == 1 + len(keys)


def test_another_hosts_key_does_not_go_along(client: Any, api: Any, serve: Any) -> None:
    """One transport may be used for two endpoints; each gets its own key only."""
    one, other = serve(answering()), serve(answering())
    for server, key in ((one, "sk-one"), (other, "sk-other"), (one, "sk-one")):
        client.run(api(server.url).with_(key=key).poll())
    assert {headers_of(raw)["authorization"] for raw in one.requests} == {"Bearer sk-one"}
    assert {headers_of(raw)["authorization"] for raw in other.requests} == {"Bearer sk-other"}


def test_notices_and_warnings_go_where_they_belong(client: Any) -> None:
    """An unknown status is a warning, on a worker and in the triggerer."""
    for step in (Sleep(1.0), Sleep(2.0, "as usual"), Sleep(3.0, "odd", warn=True)):
        client.sleep(step)
    assert (client.slept, client.notices, client.warnings) == ([1.0, 2.0, 3.0], ["as usual"], ["odd"])


def test_cookies_are_not_kept(client: Any, api: Any, serve: Any) -> None:
    """The next request is as the first: nothing that a server set comes back to it."""
    server = serve(answering(VIDEO, "200 OK", "Set-Cookie: session=1; Path=/"))
    for _ in range(2):
        client.run(api(f"http://localhost:{server.port}").poll())  # cookie jars treat addresses differently
    assert len(server.requests) == 2
    assert "cookie" not in headers_of(server.requests[1])


NETRC = {
    "an entry of the host": "machine 127.0.0.1 login user password hunter2\n",
    "a default entry": "default login user password hunter2\n",
    "a broken file": "machine 127.0.0.1 login\nmachine \n@@@\n",
    "not text": "\x00\x01\x02",
}


@pytest.mark.parametrize("content", NETRC.values(), ids=NETRC)
def test_a_netrc_neither_replaces_the_key_nor_breaks_anything(
    content: str, client: Any, api: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in HOME, or named by NETRC, is the user's own business with other hosts."""
    for name in (".netrc", "named"):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve(answering())
    client.run(api(server.url).poll())
    monkeypatch.setenv("NETRC", str(tmp_path / "named"))
    client.run(api(server.url).create())
    assert len(server.requests) == 2
    for raw in server.requests:
        assert headers_of(raw)["authorization"] == f"Bearer {api(server.url).endpoint.key}"


def test_queries_share_a_connection_and_every_order_has_its_own(client: Any, api: Any, emulator: Emulator) -> None:
    """The end of a kept-alive connection can't be distinguished from a lost answer: no order uses one."""
    here = api(emulator.base_url)
    task = client.run(here.create())
    for _ in range(5):
        client.run(here.poll(task.id))
    client.run(here.create())
    client.run(here.poll(task.id))
    requests = emulator.journal(event="request")
    assert [entry["kind"] for entry in requests] == ["create", *["query"] * 5, "create", "query"]
    orders = [entry["connection"] for entry in requests if entry["kind"] == "create"]
    queries = [entry["connection"] for entry in requests if entry["kind"] == "query"]
    assert len(set(orders)) == 2
    assert len(set(queries)) == 1
    assert not set(orders) & set(queries)
    assert [entry["nth_on_connection"] for entry in requests if entry["kind"] == "create"] == [1, 1]


def test_an_orders_connection_is_closed_after_it(client: Any, api: Any, serve: Any) -> None:
    """Nothing is left open for the next one."""
    ended: list[bytes] = []

    def handle(peer: Any) -> None:
        peer.read_request()
        peer.answer(VIDEO)
        ended.append(peer.sock.recv(1))

    server = serve(handle)
    client.run(api(server.url).create())
    server._threads[1].join(10)
    assert ended == [b""]


def test_a_query_survives_a_connection_that_the_server_has_closed(client: Any, api: Any, emulator: Emulator) -> None:
    """Kept-alive connections end unannounced; the next query takes a new one."""
    here = api(emulator.base_url, max_retries=1)
    task = client.run(here.create())
    emulator.add_fault(on="query", kind="close_after", times=3)
    for _ in range(4):
        assert client.run(here.poll(task.id)).id == task.id


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Later"])
@pytest.mark.parametrize("count", [1, 3])
def test_an_interim_answer_is_not_the_answer(count: int, interim: bytes, client: Any, api: Any, serve: Any) -> None:
    """A server or gateway may say that it is still at work, and then answer: an accepted order isn't lost over it."""

    def handle(peer: Peer) -> None:
        while peer.read_request():
            peer.send(b"HTTP/1.1 %b\r\nLink: </a>; rel=preload\r\n\r\n" % interim * count)
            peer.answer(b'{"id": "video_1", "status": "queued"}')

    here = api(serve(handle).url)
    assert client.run(here.create()).id == "video_1"
    assert [client.run(here.poll()).status for _ in range(2)] == ["queued"] * 2


def test_of_a_header_that_comes_twice_the_first_counts(client: Any, api: Any, serve: Any) -> None:
    """API and gateway may both ask for a pause: it isn't overheard."""

    def handle(peer: Peer) -> None:
        while peer.read_request():
            peer.answer(b"", "429 Too Many Requests", "Retry-After: 7", "retry-after: 9")

    with pytest.raises(StarVideosRateLimitError) as caught:
        client.run(api(serve(handle).url).poll())
    assert caught.value.retry_after == 7.0


def test_a_wrong_key_is_told_as_such(client: Any, api: Any, emulator: Emulator) -> None:
    """By the server that checks it; nothing is billed and nothing is sent again."""
    here = api(emulator.base_url, max_retries=5).with_(key="sk-another")
    for call in (here.create(), here.poll()):
        with pytest.raises(StarVideosAuthenticationError, match="check the connection's password"):
            client.run(call)
    assert emulator.billed.videos == 0
    assert emulator.requests["create"] == emulator.requests["query"] == 1
