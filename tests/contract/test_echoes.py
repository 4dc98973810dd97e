"""A server, or a library that quotes it, may echo what was sent: neither an error nor its causes show it."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import create_request
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import StarVideosConnectionError

SIGNATURE = "0123456789abcdef" * 4
SIGNED = build_request(prompt="x", reference_images=[f"https://b.example/cat.png?X-Amz-Signature={SIGNATURE}"])


@pytest.mark.parametrize(
    "shape", ["{}", "HTTP/1.1 {}", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}"], ids=len
)
def test_an_answer_that_isnt_http_is_told_without_secrets(client: Any, serve: Any, api: Any, shape: str) -> None:
    """Airflow logs an error's causes as well, and they show what the library couldn't read."""

    def handle(peer: Any) -> None:
        told = peer.read_request().decode().replace("\r\n", " ")
        peer.send(shape.replace("{}", told).encode() + b"\r\n\r\n")

    endpoint = api(serve(handle).url).endpoint
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(create_request(endpoint, SIGNED))
    told = "".join(traceback.format_exception(caught.value))
    assert endpoint.key not in told
    assert SIGNATURE not in told
    assert endpoint.host in str(caught.value)


def test_a_cause_that_tells_nothing_secret_stays(client: Any, api: Any, unused_port: int) -> None:
    """It says where the time went, or which address was refused."""
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(api(f"http://127.0.0.1:{unused_port}").order)
    assert caught.value.__cause__ is not None
