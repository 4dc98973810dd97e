"""Guard: only http(s), only public addresses, and the address that was checked is the one that is used."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosUnsafeURLError
from airflow_provider_starvideos.storage.guard import Guard, is_public

API = "https://api.example.com/base"

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "4000::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808", "2002:808:808::1"]


def resolver(*addresses: str) -> Callable[..., list[Any]]:
    """Return a resolver that knows every name, by the same addresses."""

    def resolve(host: str, port: int, *_: object) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    return resolve


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """Private, loopback, link-local, reserved, multicast, and any of them wrapped in IPv6: not public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Addresses of the public internet, also by way of NAT64 and 6to4."""
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    """The name may be anybody's: where it leads is what counts, and the message says how to allow it."""
    with pytest.raises(StarVideosUnsafeURLError, match="allow_private_downloads"):
        Guard(API, resolve=resolver(address)).connect("video.example.com", 443, 1)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f.1", "0177.0.0.1",
        "169.254.169.254", "[64:ff9b::7f00:1]", "10.0.0.1:8080",
    ],
)  # fmt: skip
def test_a_literal_address_is_refused_before_anything_is_asked(host: str) -> None:
    """Also where a proxy would do the connecting, and in every spelling."""
    with pytest.raises(StarVideosUnsafeURLError, match="private address"):
        Guard(API).check_url(f"http://{host}/x")


@pytest.mark.parametrize(
    "url",
    [
        "", "video.mp4", "ftp://example.com/x", "file:///etc/passwd", "data:video/mp4;base64,AAAA", "http://", "https:///x",
        "http://[::1", "http://host:99999999/", "gopher://x/", "//example.com/x", "http://host:port/",
    ],
)  # fmt: skip
def test_only_http_with_a_host(url: str) -> None:
    """Every other URL is refused with a clear error, malformed ones too."""
    with pytest.raises(StarVideosUnsafeURLError, match=r"isn't one of http\(s\)"):
        Guard(API).check_url(url)


def test_messages_hold_no_signature() -> None:
    """An error names scheme and host; what follows may be signed."""
    with pytest.raises(StarVideosUnsafeURLError) as caught:
        Guard(API).check_url("ftp://example.com/secret-path?signature=secret")
    assert "secret" not in str(caught.value)


def test_no_way_down_from_https() -> None:
    """A redirect from https to http is refused; up and sideways are not."""
    guard = Guard(API)
    with pytest.raises(StarVideosUnsafeURLError, match="from https down to http://other"):
        guard.check_url("http://other.example/x", came_from="https://example.com/x")
    guard.check_url("https://other.example/x", came_from="http://example.com/x")
    guard.check_url("http://other.example/x", came_from="http://example.com/x")


def test_the_apis_own_host_may_be_private() -> None:
    """Its own port, not another one of the same host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        guard = Guard(f"http://inside.example:{port}/base", resolve=resolver("127.0.0.1"))
        guard.connect("INSIDE.example", port, 1).close()
        with pytest.raises(StarVideosUnsafeURLError):
            guard.connect("inside.example", port + 1, 1)
        with pytest.raises(StarVideosUnsafeURLError):
            Guard(API, resolve=resolver("127.0.0.1")).connect("inside.example", port, 1)


def test_the_switch() -> None:
    """With allow_private every address may be connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        Guard(API, allow_private=True, resolve=resolver("127.0.0.1")).connect("any.example", port, 1).close()


def test_dns_that_changes_its_mind() -> None:
    """The name is looked up once, and what was checked is connected to: no second look that could say otherwise."""
    answers = [resolver("8.8.8.8"), resolver("127.0.0.1")]
    asked: list[str] = []

    def rebinding(host: str, port: int, *more: object) -> list[Any]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1](host, port, *more)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        guard = Guard(API, resolve=rebinding)
        with pytest.raises(OSError, match=r"."):
            guard.connect("rebinding.example", port, 0.05)
        assert asked == ["rebinding.example"]
        with pytest.raises(StarVideosUnsafeURLError):
            guard.connect("rebinding.example", port, 0.05)
        with pytest.raises(TimeoutError):
            server.accept()


def test_of_mixed_addresses_only_the_public_ones_are_used() -> None:
    """A name with a private and a public address isn't a way to the private one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        with pytest.raises(OSError, match=r"."):
            Guard(API, resolve=resolver("127.0.0.1", "192.88.99.1")).connect("mixed.example", port, 0.05)
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_next_address_is_tried() -> None:
    """An address that doesn't answer isn't the end; but there is an end to trying."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        many = ["127.0.0.2", "127.0.0.1"]
        Guard(API, allow_private=True, resolve=resolver(*many)).connect("two.example", port, 1).close()
        with pytest.raises(OSError, match=r"."):
            Guard(API, allow_private=True, resolve=resolver(*["127.0.0.2"] * 6, "127.0.0.1")).connect("x", port, 1)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "..", "ex..ample"])
def test_names_that_can_not_be(host: str) -> None:
    """An impossible name is an ordinary failure to connect."""
    with pytest.raises(OSError, match=r"."):
        Guard(API).connect(host, 80, 1)
