"""What is taken out of texts from outside, and what stays."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

import pytest

from airflow_provider_starvideos.api.redaction import (
    hide,
    hide_url,
    hide_urls,
    is_harmless,
    is_hidden,
    redacted,
    restored,
)
from airflow_provider_starvideos.api.validation import is_http_url, shown
from airflow_provider_starvideos.lineage import name_of
from tests.unit.signers import PATHS, QUERIES, STEADY_PATHS

KEY = "sk/Aa+b&c=1234567890"
SIGNATURE = "0123456789abcdef" * 4
URL = f"https://b.example/in/cat.png?X-Amz-Algorithm=AWS4&X-Amz-Credential=AKIA/1/s3&X-Amz-Signature={SIGNATURE}"
QUERY = URL.partition("?")[2]

KEYS = {
    "as it is": KEY,
    "in a URL": quote(KEY, safe=""),
    "in a URL's path": quote(KEY),
    "in a URL, lower case": quote(KEY, safe="").lower(),
    "in JSON": json.dumps(KEY),
    "in JSON with its slashes escaped": json.dumps(KEY).replace("/", "\\/"),
    "in JSON for HTML": KEY.replace("&", "\\u0026"),
    "in HTML": html.escape(KEY),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in a host's name": f"https://{KEY.lower()}.example",
}
SIGNATURES = {
    "a URL": URL,
    "a URL in JSON": json.dumps({"url": URL}),
    "a URL in JSON with its slashes escaped": json.dumps({"url": URL}).replace("/", "\\/"),
    "a URL in a URL": "https://a.example/" + quote(URL, safe=""),
    "a URL in a URL in a URL": quote(quote(URL, safe=""), safe=""),
    "a URL in HTML": f'<a href="{html.escape(URL)}">',
    "a request's line": f"GET /in/cat.png?{QUERY} HTTP/1.1",
    "a query": QUERY,
    "a quoted query": quote(QUERY, safe=""),
    "JSON": json.dumps({"X-Amz-Signature": SIGNATURE}),
    "JSON in JSON": json.dumps(json.dumps({"X-Amz-Signature": SIGNATURE})),
    "XML": f"<Code>SignatureDoesNotMatch</Code><SignatureProvided>{SIGNATURE}</SignatureProvided>",
    "a word": f"Signature: {SIGNATURE}",
    "a parameter of any name": f"the query x={SIGNATURE}",
    "Azure's": f"/in/cat.png?sv=2024&sig={SIGNATURE}%3D",
}


@pytest.mark.parametrize("form", KEYS)
def test_the_key_is_taken_out_in_every_form(form: str) -> None:
    """However a server echoes it."""
    told = redacted(f"Refused: {KEYS[form]}!", KEY, 500)
    assert "***" in told
    assert KEYS[form].strip('"') not in told


@pytest.mark.parametrize("form", SIGNATURES)
def test_a_signature_is_taken_out_in_every_form(form: str) -> None:
    """However the URL of an input is quoted, or its query alone."""
    told = redacted(f"Can't read {SIGNATURES[form]} (403)", KEY, 500)
    assert SIGNATURE not in told
    assert told.startswith("Can't read ")
    assert not is_harmless(SIGNATURES[form], KEY, 1000)


@pytest.mark.parametrize(
    "text",
    [
        "The signature: must be valid.",
        "SignatureDoesNotMatch: the signature that was provided is wrong",
        "design=flat, sig=no",
        "https://b.example/in/cat.png can't be read",
        "Is it 100%? https is needed",
        "no video has id=video_0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        "KeyError: a_word_of_more_than_32_characters_stays_as_it_is",
    ],
)
def test_a_message_stays_as_it_is(text: str) -> None:
    """What only sounds like a signature says what is wrong."""
    assert redacted(text, KEY, 500) == text
    assert is_harmless(text, KEY, 500)


def test_what_is_too_long_to_be_searched_isnt_harmless() -> None:
    """Beyond the limit nothing was checked."""
    assert not is_harmless("x" * 501, KEY, 500)
    assert len(redacted("x" * 501, KEY, 500)) == 500


def signed(n: int) -> dict[str, str]:
    """Return a URL of each signer."""
    queries = {name: f"https://b.example/in/a.png?{sign(n)}" for name, sign in QUERIES.items()}
    return queries | {name: sign(n, "a.png") for name, sign in PATHS.items()}


def words(text: str) -> set[str]:
    """Return what may be a secret in a text."""
    return {one for one in re.findall(r"[A-Za-z0-9_-]{9,}", unquote(unquote(text))) if not one.isdecimal()}


FIRST, SECOND = signed(1), signed(2)
# By signer, whatever two signings don't have in common.
SECRETS = {name: words(FIRST[name]) - words(SECOND[name]) for name in FIRST}
URLS = FIRST | {name: url for name, (url, _) in STEADY_PATHS.items()}
SECRETS |= {name: {secret} for name, (_, secret) in STEADY_PATHS.items()}
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a sentence": lambda url: f"Can't read {url}: 403 (see {url}).",
    "in a list": lambda url: repr([url, url]),
    "in JSON": lambda url: json.dumps({"url": url, "n": 1}),
    "in JSON with its slashes escaped": lambda url: json.dumps({"url": url}).replace("/", "\\/"),
    "in JSON for HTML": lambda url: json.dumps({"url": url}).replace("&", "\\u0026").replace("=", "\\u003d"),
    "in JSON in JSON": lambda url: json.dumps(json.dumps({"url": url}).replace("/", "\\/")),
    "in HTML": lambda url: f'<a href="{html.escape(url)}">{html.escape(url)}</a>',
    "in XML": lambda url: f"<Error><Code>AccessDenied</Code><Resource>{html.escape(url)}</Resource></Error>",
    "in a URL": lambda url: f"https://a.example/?next={quote(url, safe='')}&x=1",
    "in a URL's path": lambda url: f"https://a.example/fetch/{quote(url, safe='')}",
    "percent-encoded": lambda url: f"to {quote(url, safe='')} with",
    "percent-encoded twice": lambda url: f"to {quote(quote(url, safe=''), safe='')} with",
    "of aiohttp": lambda url: f"403, message='Forbidden', url=URL('{url}')",
    "in a header": lambda url: f"{{'Location': '{url}', 'Content-Length': '0'}}",
    "of requests": lambda url: (
        f"HTTPSConnectionPool(host='b', port=443): Max retries exceeded with url: {target(url)} (Caused"
    ),
    "a request's line": lambda url: f'"GET {target(url)} HTTP/1.1" 403',
}


def target(url: str) -> str:
    """Return what a request's line has of a URL."""
    return url.partition("://")[2].partition("/")[1] + url.partition("://")[2].partition("/")[2]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("show", [hide_urls, hide, lambda text: redacted(text, KEY, 9000), shown], ids=range(4))
def test_no_signature_of_any_signer_is_shown_in_any_form(form: str, show: Callable[[str], str]) -> None:
    """Whatever has signed, and whichever library or server says it."""
    leaks = {}
    for name, url in URLS.items():
        text = FORMS[form](url)
        assert SECRETS[name]
        leaks[name] = {one for one in SECRETS[name] if one in unquote(unquote(show(text)))}
    assert not {name: found for name, found in leaks.items() if found}


@pytest.mark.parametrize("signer", QUERIES)
def test_no_signature_is_shown_of_a_query_alone(signer: str) -> None:
    """A store's error quotes the query that it was asked."""
    for text in (QUERIES[signer](1), quote(QUERIES[signer](1), safe=""), html.escape(QUERIES[signer](1))):
        if "=" in unquote(text):
            told = hide_urls(f"403 for the query {text}")
            assert not {one for one in SECRETS[signer] if one in unquote(told)}, told


@pytest.mark.parametrize("signer", URLS)
def test_a_hidden_url_says_where_the_input_is_and_cannot_be_ordered(signer: str) -> None:
    """Host and object stay. A video of what is left would be paid, and couldn't be made."""
    url = URLS[signer]
    hidden = hide_url(url)
    assert urlsplit(hidden).hostname == urlsplit(url).hostname
    assert hide(hidden) == hidden
    assert not {one for one in SECRETS[signer] for told in name_of(url) if one in told}
    if "user" not in signer:  # without its user, a URL looks whole
        assert is_hidden(hidden)
        assert is_http_url(url)
        assert not is_http_url(hidden)


@pytest.mark.parametrize(
    "url",
    [
        "https://b.example/2026/11/0a1b2c3d4e5f60718293a4b5c6d7e8f9/a.png",
        "https://b.example/0a1b2c3d4e5f60718293a4b5c6d7e8f9/a%20b.png",
        "s3://conn@bucket/a.png",
        "s3://bucket/a.png?versionId=3",
        "s3://bucket/a#1?.png",
        "https://[::1",
        "a.png",
    ],
)
def test_a_url_without_secrets_stays_as_it_is(url: str) -> None:
    """Connection and version of a store's URI are needed to find the object again."""
    assert hide(url) == hide_url(url) == url


def test_a_stores_uri_is_shown_without_its_secrets() -> None:
    """A shared access signature, a password."""
    assert hide("abfs://c@acc.dfs.core.windows.net/a.png?sv=1&sig=abc") == "abfs://c@acc.dfs.core.windows.net/a.png?…"
    assert hide("s3://key:secret@bucket/a.png") == "s3://…@bucket/a.png"


def test_values_are_hidden_however_deep_and_of_whichever_type() -> None:
    """Rows are lists of mappings; a DataFrame is shown as its text is."""

    class Frame:
        def __str__(self) -> str:
            return f"0  {URL}"

    rows = [{"prompt": f"like {URL}", "reference_images": (URL, None), "duration": 5, "frame": Frame()}]
    assert SIGNATURE not in str(hide(rows)) + str(hide(rows)[0]["frame"])
    assert hide(rows)[0]["duration"] == 5
    plain = {"prompt": "Is it 5 % off? Yes: a=b, c=d", "n": [1, 2.5, None, True]}
    assert hide(plain) == plain


def test_what_was_hidden_is_restored_from_the_same_signed_again() -> None:
    """Texts stay as they were, since a model may write others each time."""
    first, again = URL, URL.replace("0123", "4567")
    shown_rows = hide([{"prompt": "one", "first_image": first, "last_image": "s3://b/a.png"}, "two"])
    assert is_hidden(shown_rows)
    assert restored(shown_rows, [{"prompt": "other", "first_image": again, "last_image": None}, "?"]) == [
        {"prompt": "one", "first_image": again, "last_image": "s3://b/a.png"},
        "two",
    ]
    assert restored(shown_rows, ["only one"]) == ["only one"]  # whose fingerprints tell


@pytest.mark.parametrize(
    "text", ["a_" * 50_000, "=" * 50_000, "a=b&" * 20_000, "%25" * 30_000, "https://" * 10_000, "a=" * 40_000]
)
def test_a_long_text_is_read_in_bounded_time(text: str) -> None:
    """A prompt may be of any length, and the server of an input may write its errors."""
    hide(text)
