"""On the way to the API: certificates and proxies."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_starvideos.exceptions import StarVideosConnectionError, StarVideosUnconfirmedError

VIDEO = b'{"id": "video_1", "status": "queued"}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost with its key, signed by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(pem)
    return path


BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture
def tls(serve: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server with that certificate, and its ``url``. Whatever this machine trusts doesn't count."""
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def handle(peer: Any) -> None:
        with context.wrap_socket(peer.sock, server_side=True) as peer.sock:
            if peer.read_request():
                peer.answer(VIDEO, "200 OK", "Connection: close")

    return serve(handle)


def never_left(client: Any, api: Any, tls: Any) -> str:
    """Send an order and a query to a server that isn't trusted; return the order's error."""
    url = f"https://localhost:{tls.port}"
    with pytest.raises(StarVideosConnectionError):
        client.send(api(url).query)
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(api(url).order)
    assert caught.value.sent is False
    assert tls.requests == []
    return str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(client: Any, api: Any, tls: Any) -> None:
    """Neither the key nor the order goes to a server that can't prove who it is."""
    assert "certificate" in never_left(client, api, tls).lower()


@pytest.mark.parametrize("variable", BUNDLES)
def test_a_companys_own_authority_is_trusted_where_it_is_named(
    variable: str, client: Any, api: Any, tls: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same variable serves workers and the triggerer, for orders and for looks."""
    monkeypatch.setenv(variable, str(certificate))
    url = f"https://localhost:{tls.port}"
    assert client.run(api(url).create()).id == "video_1"
    assert client.run(api(url).look()).id == "video_1"


def test_an_authority_that_cannot_be_read_is_told(
    client: Any, api: Any, tls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong path is an error of the connection, not an unknown one, and nothing leaves."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    never_left(client, api, tls)


PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_the_environments_proxy_is_used(
    variable: str, client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers and the triggerer take the same way out of a network, by the same variables."""

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.answer(VIDEO)

    proxy = serve(handle)
    monkeypatch.setenv(variable, proxy.url)
    here = api("http://api.invalid/base")
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.look()).id == "video_1"
    order, query = proxy.requests
    assert order.startswith(b"POST http://api.invalid/base/v1/starvideos/videos HTTP/1.1\r\n")
    assert query.startswith(b"GET http://api.invalid/base/v1/result/video_1 HTTP/1.1\r\n")


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*"])
def test_hosts_that_are_exempt_are_reached_directly(
    exempt: str, client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``no_proxy`` counts."""

    def handle(peer: Any) -> None:
        while peer.read_request():
            peer.answer(VIDEO)

    proxy, server = serve(handle), serve(handle)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", exempt)
    client.run(api(server.url).look())
    assert (proxy.connections, server.connections) == (0, 1)


def test_a_proxy_that_is_away(client: Any, api: Any, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order never left, and the proxy's password is in no message."""
    monkeypatch.setenv("http_proxy", f"http://user:hunter2@127.0.0.1:{unused_port}")
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(api("http://api.invalid").order)
    assert caught.value.sent is False
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_opens_no_tunnel(
    status: str, client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw the host that was asked for, and neither the key nor the order: that never left."""

    def handle(peer: Any) -> None:
        peer.read_request()
        peer.answer(b"no", status)

    proxy = serve(handle)
    monkeypatch.setenv("https_proxy", proxy.url)
    here = api("https://api.invalid")
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(here.order)
    assert caught.value.sent is False
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT api.invalid:443 HTTP/1.")
    assert here.endpoint.key.encode() not in request


def test_a_proxy_that_loses_an_order(client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever became of it behind the proxy: it left."""
    proxy = serve(lambda peer: (peer.read_request(), peer.sock.shutdown(socket.SHUT_RDWR)))
    monkeypatch.setenv("http_proxy", proxy.url)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api("http://api.invalid", max_retries=5).create())
    assert proxy.connections == 1
