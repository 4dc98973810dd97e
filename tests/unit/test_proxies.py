"""Which proxy a request takes: every form of the variables that people write (CASES C10)."""

from __future__ import annotations

from base64 import b64decode

import pytest

from airflow_provider_starvideos.api.proxies import Proxy, proxy_for

API = "https://api.example/base"
P = "http://p.example:3128"


def address(url: str, **environ: str) -> str | None:
    """Return the address of the proxy that is taken; None for none."""
    proxy = proxy_for(url, environ)
    return proxy and proxy.url


VALUES = {
    "p.example:3128": P,
    "http://p.example:3128": P,
    "HTTP://p.example:3128/": P,
    "http://p.example:3128/path": P,
    "//p.example:3128": P,
    "  p.example:3128 \n": P,
    '"http://p.example:3128"': P,
    "p.example": "http://p.example:80",
    "http://p.example": "http://p.example:80",
    "https://p.example": "https://p.example:443",
    "https://p.example:8443": "https://p.example:8443",
    "10.0.0.1:3128": "http://10.0.0.1:3128",
    "[::1]:3128": "http://[::1]:3128",
    "http://[fe80::1%eth0]:3128": "http://[fe80::1%eth0]:3128",
    "my_proxy:3128": "http://my_proxy:3128",
}


@pytest.mark.parametrize(("value", "expected"), VALUES.items())
def test_an_address(value: str, expected: str) -> None:
    """With a scheme or without, with a path, blanks or quotes around it."""
    assert proxy_for(API, {"HTTPS_PROXY": value}) == Proxy(expected)


USERS = {
    "user:secret": "user:secret",
    "user": "user:",
    ":secret": ":secret",
    "us%40er:p%3Ass%2F": "us@er:p:ss/",
    "user:p@ss": "user:p@ss",
    "user:p#s/s?": "user:p#s/s?",
    "user:100%": "user:100%",
    "dom%5Cuser:pä": "dom\\user:pä",
}


@pytest.mark.parametrize(("written", "meant"), USERS.items())
@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
def test_a_user_and_a_password(scheme: str, written: str, meant: str) -> None:
    """Percent-encoded or as they are; in the header only, and in no repr."""
    proxy = proxy_for(API, {"HTTPS_PROXY": f"{scheme}{written}@p.example:3128"})
    assert proxy is not None
    assert proxy.url == f"{scheme or 'http://'}p.example:3128"
    kind, _, token = str(proxy.authorization).partition(" ")
    assert (kind, b64decode(token).decode()) == ("Basic", meant)
    assert repr(proxy) == f"Proxy(url='{proxy.url}')"


UNUSABLE = [
    "socks5://p:1",
    "SOCKS4://p:1",
    "socks5h://u:SECRET@p:1",
    "ftp://p:1",
    "http://",
    "http://:3128",
    "http://u:SECRET@",
]
UNUSABLE += ["u:SECRET@p:port", "p:99999", "p:0", "p:", "a b:3128", "[::1:3128", "::1", "http://p:3128:3128"]


@pytest.mark.parametrize("value", UNUSABLE)
def test_what_is_no_address_is_refused(value: str) -> None:
    """By the variable's own name, without the password."""
    with pytest.raises(ValueError, match=r"^Https_Proxy (names a SOCKS proxy|isn't the address of a proxy)") as caught:
        proxy_for(API, {"Https_Proxy": value})
    assert "SECRET" not in str(caught.value)


def test_which_variable_counts() -> None:
    """That of the scheme before ALL_PROXY, lower case before upper, and an empty one turns the other off."""
    both = {"HTTPS_PROXY": "upper:1", "https_proxy": "lower:1", "ALL_PROXY": "all:1", "HTTP_PROXY": "http:1"}
    assert address(API, **both) == "http://lower:1"
    assert address("http://api.example", **both) == "http://http:1"
    assert address(API, ALL_PROXY="all:1", HTTP_PROXY="http:1") == "http://all:1"
    assert address(API, HTTPS_PROXY="upper:1", https_proxy="") is None
    assert address(API, HTTP_PROXY="http:1") is None
    assert address(API, https_proxy="  ", all_proxy="all:1") == "http://all:1"
    assert address(API) is None
    assert address(API, HTTPS_PROXY="p:1", NO_PROXY="api.example", no_proxy="other") == "http://p:1"


EXEMPT = {
    "api.example": [
        "*",
        "api.example",
        "API.Example",
        "api.example.",
        ".example",
        "example",
        "*.example",
        "*example",
        "api.*",
        ".api.example",
        "a, b ,api.example",
        "a b api.example",
        "api.example:443",
        "https://api.example/",
        '"api.example"',
    ],
    "API.EXAMPLE.": ["api.example", ".example"],
    "10.1.2.3": [
        "10.1.2.3",
        "10.0.0.0/8",
        "10.1.2.0/24",
        "10.1.2.9/24",
        "10.*",
        "10.1.2.3:443",
        "0.0.0.0/0",
        "x,10.0.0.0/8",
    ],
    "[2001:db8::7]": [
        "2001:db8::7",
        "[2001:db8::7]",
        "2001:DB8:0::7",
        "2001:db8::/32",
        "[2001:db8::]/32",
        "[2001:db8::7]:443",
    ],
    "[fe80::1%25eth0]": ["fe80::/10", "fe80::1", "fe80::1%eth0"],
    "[::ffff:10.1.2.3]": ["10.0.0.0/8"],
}
NOT_EXEMPT = {
    "api.example": [
        "",
        " , ",
        "pi.example",
        "i.example",
        "other",
        "api.example:8443",
        "api.example.org",
        "10.0.0.0/8",
        "xn",
        ".",
    ],
    "10.1.2.3": [
        "11.0.0.0/8",
        "2.3",
        "0.1.2.3",
        ".3",
        "10.1.2",
        "10.1.2.3:80",
        "10.0.0.0/99",
        "2001:db8::/32",
        "1.2.3",
    ],
    "[2001:db8::7]": ["2001:db9::/32", "::1", "7", "10.0.0.0/8", "[2001:db8::7]:80"],
}


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return a table's hosts with each of their entries."""
    return [(host, no_proxy) for host, entries in table.items() for no_proxy in entries]


@pytest.mark.parametrize(("host", "no_proxy"), pairs(EXEMPT))
def test_exempt(host: str, no_proxy: str) -> None:
    """Hosts, suffixes, addresses, networks, ports; any case; commas or blanks between them."""
    assert address(f"https://{host}/base", HTTPS_PROXY=P, NO_PROXY=no_proxy) is None


@pytest.mark.parametrize(("host", "no_proxy"), pairs(NOT_EXEMPT))
def test_not_exempt(host: str, no_proxy: str) -> None:
    """A part of a name isn't a suffix, a part of an address isn't a network, another port is another server."""
    assert address(f"https://{host}/base", HTTPS_PROXY=P, NO_PROXY=no_proxy) == P


def test_the_port_that_a_url_leaves_out_is_its_schemes() -> None:
    """Of http 80, of https 443."""
    assert address("http://api.example", http_proxy=P, no_proxy="api.example:80") is None
    assert address("http://api.example:8080", http_proxy=P, no_proxy="api.example:80") == P
