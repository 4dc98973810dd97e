"""TLS: whom both transports trust, and that nothing leaves before they do."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_starvideos.exceptions import StarVideosConnectionError

VIDEO = b'{"id": "video_1", "status": "queued"}'


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that nobody in the world has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a company's own")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("company") / "ca.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def url(serve: Any, company: Path) -> str:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(company)

    def handle(peer: Any) -> None:
        with context.wrap_socket(peer.sock, server_side=True) as peer.sock:
            peer.read_request()
            peer.answer(VIDEO, "200 OK", "Connection: close")

    return f"https://127.0.0.1:{serve(handle).port}"


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine trusts doesn't count."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def never_left(client: Any, request: Any) -> str:
    """Send an order to a server that isn't trusted; return the error's text."""
    with pytest.raises(StarVideosConnectionError) as caught:
        client.send(request)
    assert caught.value.sent is False
    return str(caught.value)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_companys_own_authority_is_trusted_where_it_is_named(
    variable: str, client: Any, api: Any, url: str, company: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same variable serves workers and the triggerer, for orders and for looks."""
    monkeypatch.setenv(variable, str(company))
    assert client.run(api(url).create()).id == "video_1"
    assert client.run(api(url).look()).id == "video_1"


def test_a_server_of_an_unknown_authority_gets_nothing(client: Any, api: Any, url: str) -> None:
    """Neither an order nor the key leaves."""
    assert "certificate verify failed" in never_left(client, api(url).order).lower()


def test_an_authority_that_cannot_be_read_is_told(
    client: Any, api: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong path is an error of the connection, not an unknown one, and nothing leaves."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    never_left(client, api(url).order)
    with pytest.raises(StarVideosConnectionError):
        client.run(api(url).look())
