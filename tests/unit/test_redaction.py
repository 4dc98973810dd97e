"""What is taken out of texts from outside, and what stays."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

from airflow_provider_starvideos.api.redaction import is_harmless, redacted

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
    ],
)
def test_a_message_stays_as_it_is(text: str) -> None:
    """What only sounds like a signature tells what is wrong."""
    assert redacted(text, KEY, 500) == text
    assert is_harmless(text, KEY, 500)


def test_what_is_too_long_to_be_searched_isnt_harmless() -> None:
    """Beyond the limit nobody has looked."""
    assert not is_harmless("x" * 501, KEY, 500)
    assert len(redacted("x" * 501, KEY, 500)) == 500
