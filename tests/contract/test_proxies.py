"""On the way to the API, through a real proxy and real TLS: a worker and the triggerer reach it alike (CASES C10)."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_starvideos.exceptions import StarVideosConnectionError, StarVideosUnconfirmedError
from airflow_provider_starvideos.storage.guard import Guard
from airflow_provider_starvideos.storage.web import Web
from tests.contract.conftest import Peer
from tests.contract.proxy import Proxy

VIDEO = b'{"id": "video_1", "status": "queued"}'
PASSWORD = "p@ss/word#1:%"  # as it is; in a variable percent-encoded, or not
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
HOSTS = ("localhost", "api.test", "127.0.0.1", "::1")


def _alternative(host: str) -> x509.GeneralName:
    return x509.DNSName(host) if host[0].isalpha() else x509.IPAddress(ip_address(host))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the hosts of these tests with its key, signed by itself: a company's own authority."""
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
        .add_extension(x509.SubjectAlternativeName(list(map(_alternative, HOSTS))), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(pem)
    return path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxies and authorities this machine has don't count."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", *BUNDLES):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    """What a server with that certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def answer(peer: Peer) -> None:
    """Answer every request."""
    while peer.read_request():
        peer.answer(VIDEO)


@pytest.fixture
def tls(serve: Any, context: ssl.SSLContext) -> Any:
    """A server with that certificate; it isn't trusted unless a test says so."""

    def handle(peer: Any) -> None:
        peer.encrypt(context)
        answer(peer)

    return serve(handle)


@pytest.fixture
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))


# -- trust


def never_left(client: Any, here: Any) -> str:
    """Send an order and a query to where they can't get; return the order's error."""
    with pytest.raises(StarVideosConnectionError):
        client.send(here.query)
    with pytest.raises(StarVideosConnectionError, match="no connection to") as caught:
        client.send(here.order)
    assert caught.value.sent is False
    return str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(client: Any, api: Any, tls: Any) -> None:
    """Neither the key nor the order goes to a server that can't prove who it is."""
    assert "certificate" in never_left(client, api(f"https://localhost:{tls.port}")).lower()
    assert tls.requests == []


@pytest.mark.usefixtures("trusting")
def test_a_certificate_of_another_host_is_refused(client: Any, api: Any, serve: Any, context: ssl.SSLContext) -> None:
    """A trusted authority doesn't make one host another."""
    server = serve(lambda peer: (peer.encrypt(context), answer(peer)), host="0.0.0.0")
    assert "certificate" in never_left(client, api(f"https://127.0.0.2:{server.port}")).lower()
    assert server.requests == []


def test_a_download_trusts_a_companys_own_authority(
    tls: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result's URL is opened with the authorities of the environment, and with no others."""
    guard, url = Guard("https://api.example.com", allow_private=True), f"https://localhost:{tls.port}/v.mp4"
    with Web(guard, stall_seconds=5.0, total_seconds=10.0) as web, pytest.raises(requests.exceptions.SSLError):
        web.get(url, {})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Web(guard, stall_seconds=5.0, total_seconds=10.0) as web:
        assert web.get(url, {}).content == VIDEO


def _file(certificate: Path, folder: Path) -> Path:
    return certificate


def _folder(certificate: Path, folder: Path) -> Path:
    shutil.copy(certificate, folder / "company.crt")
    return folder


def _hashed_folder(certificate: Path, folder: Path) -> Path:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", certificate]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(certificate, folder / f"{found}.0")
    return folder


BUNDLE_FORMS = {
    **{(name, _file): name for name in BUNDLES[:3]},
    **{(name, form): name for name in (*BUNDLES[:2], "SSL_CERT_DIR") for form in (_folder, _hashed_folder)},
}


@pytest.mark.parametrize(("variable", "form"), BUNDLE_FORMS)
def test_a_companys_own_authority_is_trusted_where_it_is_named(
    variable: str,
    form: Callable[[Path, Path], Path],
    client: Any,
    api: Any,
    tls: Any,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each usual variable, a file or a folder, for orders and for polls."""
    monkeypatch.setenv(variable, str(form(certificate, tmp_path)))
    here = api(f"https://localhost:{tls.port}")
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.poll()).id == "video_1"


@pytest.mark.parametrize("variable", BUNDLES)
@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_an_authority_that_cannot_be_read_is_named(
    content: bytes | None, variable: str, client: Any, api: Any, tls: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """The error has the variable and the path, nothing leaves, and once the file is there the client goes on."""
    path = tmp_path / "missing.pem"
    if content is not None:
        if variable == "SSL_CERT_DIR":
            pytest.skip("a folder may hold anything")
        path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    here = api(f"https://localhost:{tls.port}")
    error = never_left(client, here)
    assert f"{variable} names {path}" in error
    assert tls.requests == []


def test_a_bundle_that_is_replaced_is_read_anew(
    client: Any, api: Any, tls: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A triggerer runs for weeks; a company's authority changes meanwhile."""
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    here = api(f"https://localhost:{tls.port}")
    never_left(client, here)
    shutil.copy(certificate, bundle)
    assert client.run(here.poll()).id == "video_1"


# -- proxies

FORMS = {
    "without a scheme": "127.0.0.1:{port}",
    "with a scheme": "http://127.0.0.1:{port}",
    "with a path": "HTTP://localhost:{port}/",
    "IPv6": "http://[::1]:{port}",
    "IPv6 without a scheme": "[::1]:{port}",
    "password": "http://user:p%40ss%2Fword%231%3A%25@127.0.0.1:{port}",
    "password without a scheme": "user:p%40ss%2Fword%231%3A%25@127.0.0.1:{port}",
    "password, not encoded": "http://user:p@ss/word#1:%@127.0.0.1:{port}/",
    "TLS": "https://localhost:{port}",
    "TLS, password": "https://user:p%40ss%2Fword%231%3A%25@localhost:{port}",
}
VARIABLES = [("http", name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")]
VARIABLES += [("https", name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")]


def proxied(
    form: str,
    scheme: str,
    variable: str,
    serve: Any,
    tls: Any,
    context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Proxy, Any]:
    """Start a proxy, and a server behind it that no name leads to; return both."""
    server = tls if scheme == "https" else serve(answer)
    password = PASSWORD if "password" in form else None
    proxy = Proxy(server, password, context if form.startswith("TLS") else None)
    running = serve(proxy, family=socket.AF_INET6) if "IPv6" in form else serve(proxy)
    monkeypatch.setenv(variable, FORMS[form].format(port=running.port))
    return proxy, server


@pytest.mark.parametrize(("scheme", "variable"), VARIABLES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("trusting")
def test_orders_and_polls_go_through_the_proxy(
    form: str, scheme: str, variable: str, client: Any, api: Any, serve: Any, tls: Any, context: Any, monkeypatch: Any
) -> None:
    """Each form and variable; the key goes into a tunnel only, and the proxy's password to the proxy only."""
    proxy, server = proxied(form, scheme, variable, serve, tls, context, monkeypatch)
    here = api(f"{scheme}://api.test/base", timeout=30.0)
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.poll()).id == "video_1"
    client.leave()
    order, query = server.requests
    assert order.startswith(b"POST /base/v1/starvideos/videos HTTP/1.1\r\n")
    assert query.startswith(b"GET /base/v1/result/video_1 HTTP/1.1\r\n")
    assert b"proxy-authorization" not in (order + query).lower()
    assert (b"Via: " in order) is (scheme == "http")
    key = here.endpoint.key.encode()
    assert key in order
    for head in proxy.heads:
        assert head.startswith(b"CONNECT api.test:443 " if scheme == "https" else (b"POST http://", b"GET http://"))
        assert (key in head) is (scheme == "http")
        assert (b"proxy-authorization: " in head.lower()) is ("password" in form)


def direct(client: Any, here: Any) -> None:
    """Check that an order and a poll get there."""
    assert client.run(here.create()).id == "video_1"
    assert client.run(here.poll()).id == "video_1"


EXEMPT = {
    "127.0.0.1": [
        "*",
        "127.0.0.1",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "10.0.0.0/8, 127.0.0.0/8",
        "127.*",
        "127.0.0.1:{port}",
    ],
    "localhost": [
        "localhost",
        "LOCALHOST",
        "localhost.",
        ".localhost",
        "*.localhost",
        "localhost:{port}",
        "a b localhost",
    ],
    "[::1]": ["::1", "[::1]", "::/0", "::1/128", "[::1]:{port}", "*"],
}


@pytest.mark.parametrize(("host", "no_proxy"), [(host, entry) for host, entries in EXEMPT.items() for entry in entries])
def test_exempt_hosts_are_reached_directly(
    host: str, no_proxy: str, client: Any, api: Any, serve: Any, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every usual form of ``NO_PROXY``, on both: the proxy would lead nowhere."""
    server = serve(answer, family=socket.AF_INET6) if host == "[::1]" else serve(answer)
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{unused_port}")
    monkeypatch.setenv("NO_PROXY", no_proxy.format(port=server.port))
    direct(client, api(f"http://{host}:{server.port}"))


@pytest.mark.parametrize(
    "no_proxy", ["", "10.0.0.0/8", "128.0.0.0/1", "127.0.0.1:1", "other", "::/0", "27.0.0.1", ",", "0.0.1"]
)
def test_other_hosts_are_not(
    no_proxy: str, client: Any, api: Any, serve: Any, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exemption of something else sends nothing around the proxy."""
    server = serve(answer)
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{unused_port}")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    never_left(client, api(server.url))
    assert server.connections == 0


UNUSABLE = [
    "socks5://127.0.0.1:1080",
    "socks5h://user:hunter2@127.0.0.1:1080",
    "http://",
    "http://user:hunter2@",
    "ftp://h:21",
]
UNUSABLE += [
    "http://user:hunter2@127.0.0.1:99999",
    "http://user:hunter2@127.0.0.1:port",
    "user:hunter2@:3128",
    "127.0.0.1:",
]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("value", UNUSABLE)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    value: str, variable: str, client: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear error on both, also for SOCKS; nothing leaves; and no password is shown."""
    monkeypatch.setenv(variable, value)
    error = never_left(client, api("http://api.test"))
    assert variable in error
    assert "hunter2" not in error
    assert ("SOCKS proxy" in error) is value.startswith("socks")


# -- what was sent


def refuse(status: str) -> Callable[[Peer], None]:
    """Return a proxy's behaviour: answer so to whatever it is asked."""

    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.answer(b"no", status)

    return handle


def hang_up(peer: Peer) -> None:
    """Read what comes, and close the connection."""
    peer.read_request()


def die(peer: Peer) -> None:
    """Read what comes, and reset the connection."""
    peer.read_request()
    peer.reset()


def babble(peer: Peer) -> None:
    """Open a tunnel without TLS in it."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello\r\n\r\n")
    peer.hang()


def cut_tunnel(peer: Peer) -> None:
    """Open a tunnel, and reset it in the handshake."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    peer.sock.recv(100)
    peer.reset()


def half_head(peer: Peer) -> None:
    """Begin to say that a tunnel is open."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 O")


STATUSES = ["302 Found", "401 Unauthorized", "403 Forbidden", "407 Proxy Authentication Required", "500 Error"]
STATUSES += ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]
NO_TUNNEL = {status[:3]: refuse(status) for status in STATUSES}
NO_TUNNEL |= {handle.__name__: handle for handle in (hang_up, die, babble, cut_tunnel, half_head)}


@pytest.mark.parametrize("handle", NO_TUNNEL.values(), ids=NO_TUNNEL)
@pytest.mark.usefixtures("trusting")
def test_without_a_tunnel_nothing_was_sent(
    handle: Callable[[Peer], None], client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy saw which host was asked for, and neither key nor order: that is sent again, and not billed."""
    proxy = serve(handle)
    monkeypatch.setenv("https_proxy", f"http://user:hunter2@127.0.0.1:{proxy.port}")
    here = api("https://api.test", max_retries=1, connect_timeout=0.2)
    error = never_left(client, here)
    assert "hunter2" not in error
    with pytest.raises(StarVideosConnectionError):
        client.run(here.create())
    assert len(client.slept) == 1
    for request in proxy.requests:
        assert request.startswith(b"CONNECT api.test:443 HTTP/1.")
        assert here.endpoint.key.encode() not in request


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "http://nonexistent.invalid", "https://localhost:{tls}"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_reached(
    scheme: str, form: str, client: Any, api: Any, tls: Any, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server listens, its name isn't known, its certificate isn't trusted: an order never left."""
    monkeypatch.setenv("ALL_PROXY", form.format(port=unused_port, tls=tls.port))
    never_left(client, api(f"{scheme}://api.test"))


def test_a_proxy_that_does_not_answer_in_time(
    client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a tunnel is open an order hasn't left, however long that takes."""
    monkeypatch.setenv("https_proxy", serve(lambda peer: peer.hang()).url)
    never_left(client, api("https://api.test", timeout=0.2))


@pytest.mark.parametrize("handle", [hang_up, die, refuse("502 Bad Gateway"), refuse("504 Gateway Timeout"), half_head])
def test_a_proxy_without_a_tunnel_may_have_passed_an_order_on(
    handle: Callable[[Peer], None], client: Any, api: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An http order is handed to the proxy itself: whatever became of it there, it left."""
    proxy = serve(handle)
    monkeypatch.setenv("http_proxy", proxy.url)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api("http://api.test", max_retries=5).create())
    assert proxy.connections == 1


@pytest.mark.parametrize("form", ["with a scheme", "TLS"])
@pytest.mark.usefixtures("trusting")
def test_an_order_that_is_lost_behind_a_tunnel_was_sent(
    form: str, client: Any, api: Any, serve: Any, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tunnel stood and the handshake was done: the order may have been read."""

    def handle(peer: Any) -> None:
        peer.encrypt(context)
        peer.read_request()

    server = serve(handle)
    proxied(form, "https", "HTTPS_PROXY", serve, server, context, monkeypatch)
    with pytest.raises(StarVideosUnconfirmedError):
        client.run(api("https://api.test", max_retries=5).create())
    assert len(server.requests) == 1


# -- hosts


def _link_local() -> str | None:
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else []:
        digits, _, _, scope, _, device = line.split()
        if scope == "20":
            return f"{':'.join(digits[at : at + 4] for at in range(0, 32, 4))}%{device}"
    return None


def test_an_ipv6_host(client: Any, api: Any, serve: Any) -> None:
    """In brackets, with a port."""
    server = serve(answer, family=socket.AF_INET6)
    direct(client, api(f"http://[::1]:{server.port}/base"))
    assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]


@pytest.mark.skipif(_link_local() is None, reason="this machine has no link-local address")
def test_an_ipv6_host_with_a_zone(client: Any, api: Any, serve: Any) -> None:
    """An address that is only valid on one device."""
    host = _link_local()
    server = serve(answer, family=socket.AF_INET6, host="::")
    direct(client, api(f"http://[{host}]:{server.port}"))


@pytest.mark.usefixtures("trusting")
def test_an_ipv6_host_with_tls(client: Any, api: Any, serve: Any, context: ssl.SSLContext) -> None:
    """Its certificate is for the address."""

    def handle(peer: Any) -> None:
        peer.encrypt(context)
        answer(peer)

    direct(client, api(f"https://[::1]:{serve(handle, family=socket.AF_INET6).port}"))
