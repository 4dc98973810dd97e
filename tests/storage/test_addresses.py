"""Inputs at addresses that the API can't read: refused before the order (CASES C19)."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import StarVideosValidationError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage import addresses
from airflow_provider_starvideos.storage.addresses import why_unreachable

VENDOR = Endpoint("https://zcbservice.aizfw.cn/kyyReactApiServer", "key")
KNOWN = {
    "cdn.example.com": ["93.184.216.34"],
    "minio.example.com": ["10.1.2.3"],
    "both.example.com": ["10.1.2.3", "93.184.216.34"],
    "ula.example.com": ["fd12::1", "127.0.0.1"],
    "s3.eu-west-1.amazonaws.com": ["10.0.0.7"],
    "zcbservice.aizfw.cn": ["93.184.216.35"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name service of a company's network, and no proxy."""

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        if host not in KNOWN:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in KNOWN[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    addresses._why_local.cache_clear()


PRIVATE = [
    "http://localhost/a.png",
    "http://LOCALHOST./a.png",
    "http://127.0.0.1:9000/a.png",
    "http://127.1/a.png",
    "http://0x7f000001/a.png",
    "http://2130706433/a.png",
    "http://0/a.png",
    "http://10.0.0.5/a.png",
    "http://172.16.0.1/a.png",
    "https://192.168.1.1/a.png",
    "http://169.254.169.254/latest/",
    "http://100.64.0.1/a.png",
    "http://[::1]/a.png",
    "http://[fd00::1]/a.png",
    "http://[fe80::1]/a.png",
    "http://[::ffff:10.0.0.1]/a.png",
    "http://minio:9000/a.png",
    "http://host.docker.internal/a.png",
    "http://minio.default.svc.cluster.local/a.png",
    "http://minio.default.svc/a.png",
    "http://nas.local/a.png",
    "http://nas.home.arpa/a.png",
    "https://files.corp/a.png",
    "http://app.localhost/a.png",
    "http://metadata.google.internal/a.png",
    "https://b.oss-cn-hangzhou-internal.aliyuncs.com/a.png",
    "https://bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com/a.png",
    "http://１２７.０.０.１/a.png",
    "https://minio.example.com/a.png",
    "https://ula.example.com/a.png",
    "http://me:pw@localhost/a.png",
]
PUBLIC = [
    "https://cdn.example.com/a.png",
    "https://both.example.com/a.png",
    "https://unknown.example.com/a.png",
    "http://93.184.216.34/a.png",
    "https://[2606:4700::1111]/a.png",
    "https://s3.eu-west-1.amazonaws.com/bucket/a.png",
    "https://internal.example.com.evil.org/localhost/a.png",
    "https://localhost.example.org/a.png",
]


@pytest.mark.parametrize("url", PRIVATE)
@pytest.mark.parametrize("field", ["reference_images", "reference_videos", "first_image"])
def test_c19_refused_before_the_order(url: str, field: str) -> None:
    """The message says why, and how to go on if it is meant; no password is shown."""
    given: dict[str, Any] = {field: url if field == "first_image" else [url]}
    given |= {"last_image": "https://cdn.example.com/b.png"} if field == "first_image" else {}
    with pytest.raises(StarVideosValidationError, match=r"private network.*skip_input_checks") as caught:
        StarVideosHook.with_signed_inputs(build_request(prompt="x", **given), VENDOR)
    assert len(caught.value.problems) == 1
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize("url", PUBLIC)
def test_c19_public_ones_are_ordered(url: str) -> None:
    """Also names that aren't known here, and a store's own names, which lead inside from within its cloud."""
    request = build_request(prompt="x", reference_images=[url])
    assert StarVideosHook.with_signed_inputs(request, VENDOR) == request


@pytest.mark.parametrize("url", PRIVATE)
@pytest.mark.parametrize("api", ["http://127.0.0.1:8000/v", "http://starvideos:80", "https://minio.example.com/api"])
def test_c19_a_local_api_reads_local_inputs(url: str, api: str) -> None:
    """Whatever network the API's own host is in, it reads what is there."""
    assert why_unreachable(url, api) == ""


def test_c19_the_check_can_be_turned_off() -> None:
    """For a network that is reached in a way that can't be seen here."""
    request = build_request(prompt="x", reference_images=["http://10.0.0.5/a.png"])
    endpoint = Endpoint(VENDOR.base_url, "key", skip_input_checks=True)
    assert StarVideosHook.with_signed_inputs(request, endpoint) == request


def test_c19_behind_a_proxy_names_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks them up; what a name or an address says by itself still counts."""
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    assert why_unreachable("https://minio.example.com/a.png", VENDOR.base_url) == ""
    assert why_unreachable("https://minio/a.png", VENDOR.base_url)


@pytest.mark.parametrize("endpoint_url", ["http://minio:9000", "http://10.0.0.5:9000", "http://localhost:9000"])
def test_c19_a_bucket_with_a_private_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint_url: str) -> None:
    """The URL would be signed for an address that the API can't read; the store isn't asked for that."""
    extra = {"endpoint_url": endpoint_url, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_PRIVATE_STORE", json.dumps(connection))
    with pytest.raises(StarVideosValidationError, match="private network"):
        StarVideosHook.with_signed_inputs(
            build_request(prompt="x", reference_images=["s3://private_store@b/a.png"]), VENDOR
        )
