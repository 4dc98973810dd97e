"""What is known of an input's content: by its store, by its host, or by its address alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import StarVideosStorageError, StarVideosValidationError
from airflow_provider_starvideos.storage import contents
from airflow_provider_starvideos.storage.contents import contents_of
from tests.storage.buckets import S3
from tests.storage.hosts import Host, answer

ENDPOINT = Endpoint("http://127.0.0.1:9/api", "key")
FAR = Endpoint("https://api.example.com", "key")


def content(url: str, endpoint: Endpoint = ENDPOINT, *, head: bool = False) -> Any:
    """Return what is known of one input."""
    return contents_of([url, url], endpoint, head=head)[url]


def test_an_object_of_s3(s3: S3) -> None:
    """By its ETag and size: the same under another name, another one when it is replaced."""
    one = s3.put("inputs", "2026-11-28/cat.png", b"a cat")
    two = s3.put("inputs", "2026-11-29/cat.png", b"a cat")
    before = content(one)
    assert before == content(two)
    assert before.keys() == {"etag", "size"}
    s3.put("inputs", "2026-11-28/cat.png", b"a dog")
    assert content(one) != before
    assert content("s3://aws_default@inputs/gone.png") is None
    assert content(f"{one}?versionId=3") == {"address": "s3://inputs/2026-11-28/cat.png?versionId=3"}


def test_a_file_of_another_store(tmp_path: Path) -> None:
    """By its address, size and time."""
    file = tmp_path / "cat.png"
    file.write_bytes(b"a cat")
    before = content(f"file://{file}")
    assert before.keys() == {"address", "mtime", "size"}
    os.utime(file, (1, 1))
    assert content(f"file://{file}") != before


@pytest.mark.parametrize(
    ("protocol", "info", "known"),
    [
        ("gs", {"size": 5, "md5Hash": f"{'b' * 22}==", "etag": "x"}, {"md5hash": f"{'b' * 22}==", "size": 5}),
        ("s3", {"size": 5, "ETag": f'"{"a" * 32}"'}, {"etag": "a" * 32, "size": 5}),
        ("s3", {"size": 5, "ETag": f'"{"a" * 32}-2"'}, {"address": "gs://b/k", "etag": f'"{"a" * 32}-2"', "size": 5}),
        ("gs", {"size": 5, "generation": "7"}, {"address": "gs://b/k", "generation": "7", "size": 5}),
        ("abfs", {"size": 5, "etag": "0x8"}, {"address": "gs://b/k", "etag": "0x8", "size": 5}),
        ("sftp", {"size": 5, "mtime": 9}, {"address": "gs://b/k", "mtime": "9", "size": 5}),
        ("sftp", {"size": 5}, None),
    ],
)
def test_what_stores_tell(protocol: str, info: dict[str, Any], known: Any) -> None:
    """A generation is one only at its position; without anything that changes, nothing is known."""
    assert contents._content("gs://conn@b/k", protocol, info) == known


@pytest.mark.usefixtures("dead_store")
def test_a_store_that_does_not_answer() -> None:
    """A retry may help; nothing is taken for unchanged meanwhile."""
    with pytest.raises(StarVideosStorageError, match="Nothing was sent"):
        content("s3://aws_dead@inputs/cat.png")


def test_a_url_is_its_address() -> None:
    """Without what signing has added; its host isn't asked."""
    signed = "https://nobody.example.com/a.png?v=2&X-Amz-Signature=abc&X-Amz-Date=20261129T000000Z"
    assert content(signed, FAR) == {"address": "https://nobody.example.com/a.png?v=2"}


@pytest.mark.parametrize("fact", ["ETag", "Last-Modified"])
def test_a_host_is_asked(host: Callable[..., Host], fact: str) -> None:
    """For what changes with the content; one byte is fetched, once for equal inputs."""
    server = host(answer(b"x", **{fact: "1"}), answer(b"x", **{fact: "2"}))
    before = content(server.url, head=True)
    assert before == {"address": server.url, fact.lower(): "1"}
    assert len(server.requests) == 1
    assert "Range: bytes=0-0" in server.requests[0]
    assert content(server.url, head=True) != before


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (answer(b"x"), StarVideosValidationError, "its host sends neither"),
        (answer(b"x", "404 Not Found", etag="1"), StarVideosValidationError, "its host answered 404"),
        (answer(b"x", "503 Unavailable", etag="1"), StarVideosStorageError, "its host answered 503"),
        (b"", StarVideosStorageError, "ConnectionError"),
    ],
)
def test_a_host_that_tells_nothing(host: Callable[..., Host], reply: bytes, error: Any, text: str) -> None:
    """To order everything again because a host is down would cost money: it is an error, before anything is sent."""
    server = host(reply)
    with pytest.raises(error, match=text) as caught:
        content(f"{server.url}?X-Amz-Signature=abc", head=True)
    assert "X-Amz" not in str(caught.value)


def test_a_private_address_is_not_asked(host: Callable[..., Host]) -> None:
    """Rows may come from outside: with an API outside of this network, nothing inside of it is read for them."""
    server = host(answer(b"x", etag="1"))
    assert content(server.url, FAR, head=True) is None
    assert server.requests == []
