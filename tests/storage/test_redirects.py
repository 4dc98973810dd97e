"""Where a download may lead, and what goes with it: never the key, no credential of any kind, nowhere inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosUnsafeURLError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage.guard import Guard
from tests.storage.hosts import KEY, VIDEO, Host, answer

Start = Callable[..., Host]
Fetch = Callable[..., Any]
Connect = Callable[..., StarVideosHook]


def redirect(location: str, status: str = "302 Found") -> bytes:
    """Return a redirect."""
    return answer(b"", status, location=location, set_cookie="session=abc; Path=/")


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc with a password for every host."""
    file = tmp_path / ".netrc"
    file.write_text("default login someone password netrc-secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("netrc")
def test_no_credential_reaches_the_download_host(
    host: Start, emulator: Emulator, connect: Connect, video_id: str, tmp_path: Path
) -> None:
    """Not the key, not .netrc, not a cookie: neither at the first host nor at the one it redirects to."""
    second = host(answer())
    first = host(redirect(second.url.replace("127.0.0.1", "someone:url-secret@localhost")))
    emulator.add_fault(on="download", kind="redirect", location=first.url)
    connect(emulator, allow_private_downloads=True).download_video(video_id, tmp_path / "video.mp4")
    assert (tmp_path / "video.mp4").read_bytes() == VIDEO
    for request in (*first.requests, *second.requests):
        for secret in (KEY, "uthorization", "ookie", "secret", "c29tZW9uZT"):
            assert secret not in request
    assert len(first.requests) == len(second.requests) == 1


def test_a_private_host_is_refused(
    host: Start, emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path
) -> None:
    """Where the API's answer points inside, nothing is sent there, and the message says how to allow it."""
    inside = host(answer())
    emulator.update(files_url=f"http://127.0.0.1:{inside.port}")
    with pytest.raises(StarVideosUnsafeURLError, match="allow_private_downloads"):
        hook.download_video(video_id, tmp_path / "video.mp4")
    assert inside.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1"])
def test_a_redirect_inside_is_refused(
    host: Start, emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path, name: str
) -> None:
    """The API's own host may be private, but it can't send a worker to another port, by no spelling of it."""
    inside = host(answer())
    emulator.add_fault(on="download", kind="redirect", location=f"http://{name}:{inside.port}/latest/meta-data")
    with pytest.raises(StarVideosUnsafeURLError):
        hook.download_video(video_id, tmp_path / "video.mp4")
    assert inside.requests == []
    assert list(tmp_path.iterdir()) == []


def test_the_apis_own_host_is_fine(hook: StarVideosHook, video_id: str, tmp_path: Path) -> None:
    """A StarVideos server inside a company's network serves its own files, without the switch."""
    assert hook.download_video(video_id, tmp_path / "video.mp4").size_bytes > 0


def test_relative_redirects(host: Start, fetch: Fetch) -> None:
    """A Location may be a path, and may hold UTF-8."""
    server = host(redirect("/videos/é.mp4?x=1"), answer())
    assert fetch(server.url).path.read_bytes() == VIDEO
    assert server.requests[1].startswith("GET /videos/%C3%A9.mp4?x=1 ")
    assert "ookie" not in server.requests[1]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_every_kind_of_redirect(host: Start, fetch: Fetch, status: str) -> None:
    """Each is followed."""
    second = host(answer())
    assert fetch(host(redirect(second.url, status)).url).path.read_bytes() == VIDEO


def test_a_redirect_loop(host: Start, fetch: Fetch) -> None:
    """It ends soon, with a clear error."""
    server = host(redirect("/video.mp4"))
    with pytest.raises(StarVideosDownloadError, match="redirects more than 5 times"):
        fetch(server.url)
    assert len(server.requests) == 6


def test_a_redirects_body_is_not_read(host: Start, fetch: Fetch) -> None:
    """However long it is: it could fill the memory."""
    sent: list[int] = []

    def endless(sock: Any) -> None:
        sock.sendall(answer(b"", "302 Found", location=second.url, length=1 << 40))
        while len(sent) < 1000:
            sock.sendall(bytes(1 << 20))
            sent.append(1)

    second = host(answer())
    assert fetch(host(endless).url).path.read_bytes() == VIDEO
    assert len(sent) < 100


@pytest.mark.parametrize(
    "location",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "http://[::1",
        "javascript:alert(1)",
        "http://h:99999999/",
    ],
)
def test_redirects_to_what_is_no_web_page(host: Start, fetch: Fetch, location: str) -> None:
    """Refused with a clear error; a malformed one is no reason to crash."""
    with pytest.raises(StarVideosUnsafeURLError, match=r"isn't one of http\(s\)"):
        fetch(host(redirect(location)).url)


def test_odd_addresses_from_the_api(fetch: Fetch) -> None:
    """Whatever the API names as the result's URL: an error of ours."""
    for url in ("", "x", "http://[", "https://", "http:///x", "\0", "http://a b/", "http://" + "a" * 300 + "/"):
        with pytest.raises(StarVideosDownloadError):
            fetch(url, guard=Guard("https://api.example.com"))


def test_a_proxy_is_used(host: Start, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a company's proxy downloads go through it; names are looked up there, literal addresses judged here."""
    proxy = host(answer())
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    guard = Guard("https://api.example.com")
    assert fetch("http://video.example.com/v.mp4", guard=guard).path.read_bytes() == VIDEO
    assert proxy.requests[0].startswith("GET http://video.example.com/v.mp4 ")
    with pytest.raises(StarVideosUnsafeURLError):
        fetch("http://169.254.169.254/latest", guard=guard)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_download_reads_the_proxy_as_an_order_does(
    host: Start, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """One rule for both: the same variables, without a scheme too, and a password that isn't percent-encoded."""
    proxy = host(answer())
    monkeypatch.setenv(variable, f"user:p#ss/word@127.0.0.1:{proxy.port}")
    assert fetch("http://video.example.com/v.mp4", guard=Guard("https://api.example.com")).path.read_bytes() == VIDEO
    token = b64encode(b"user:p#ss/word").decode()
    assert f"proxy-authorization: basic {token.lower()}" in proxy.requests[0].lower()


def test_a_proxy_that_can_not_be_used_is_named(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable, without the password."""
    monkeypatch.setenv("HTTP_PROXY", "socks5://user:secret@proxy.example:1080")
    with pytest.raises(StarVideosDownloadError, match="HTTP_PROXY names a SOCKS proxy") as caught:
        fetch("http://video.example.com/v.mp4", guard=Guard("https://api.example.com"))
    assert "secret" not in str(caught.value)


def test_no_proxy_is_guarded(host: Start, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is excepted from the proxy is connected to from here, and so checked here."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost")
    server = host(answer())
    with pytest.raises(StarVideosUnsafeURLError):
        fetch(f"http://localhost:{server.port}/v.mp4", guard=Guard("https://api.example.com"))
    assert server.requests == []
