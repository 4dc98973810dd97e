"""What makes two orders the same: what is asked and where, not how the inputs are signed."""

from __future__ import annotations

import pytest

from airflow_provider_starvideos.api.urls import unsigned
from airflow_provider_starvideos.api.validation import build_request

BASE = "https://api.example/base"
OBJECT = "https://bucket.s3.example/a.png"


def fingerprint(image: str, base_url: str = BASE, **changed: object) -> str:
    """Return the fingerprint of an order with one image."""
    return build_request(**{"prompt": "x", "reference_images": [image], **changed}).fingerprint(base_url)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("X-Amz-Date=1&X-Amz-Expires=60&X-Amz-Signature=aa", "X-Amz-Date=2&X-Amz-Expires=60&X-Amz-Signature=bb"),
        ("GoogleAccessId=me&Expires=1&Signature=aa", "GoogleAccessId=me&Expires=2&Signature=bb"),
        ("sv=1&se=2&sr=b&sp=r&sig=aa", "sv=1&se=3&sr=b&sp=r&sig=bb"),
    ],
    ids=["S3", "GCS", "Azure"],
)
def test_inputs_signed_anew_are_the_same_order(first: str, second: str) -> None:
    """A template that presigns gives each try another URL; ordering anew each time would be paid each time."""
    assert fingerprint(f"{OBJECT}?{first}") == fingerprint(f"{OBJECT}?{second}")
    assert fingerprint(f"{OBJECT}?versionId=1&{first}") != fingerprint(f"{OBJECT}?versionId=2&{second}")
    assert fingerprint(f"{OBJECT}?thumbnail&{first}") != fingerprint(f"{OBJECT}?{second}")


@pytest.mark.parametrize(
    "changed",
    [{"prompt": "y"}, {"duration": 4}, {"ratio": "1:1"}, {"base_url": "https://other.example"}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_request_is_another_order(changed: dict[str, object]) -> None:
    """Prompt, length, ratio and host count."""
    assert fingerprint(OBJECT) != fingerprint(OBJECT, **changed)


@pytest.mark.parametrize("url", [f"{OBJECT}?st=1&se=2", f"{OBJECT}?expires=5", "s3://bucket/a.png", "https://[::1"])
def test_a_url_that_is_not_signed_stays_as_it_is(url: str) -> None:
    """Only where there is a signature are its companions left out: elsewhere they may name the input."""
    assert unsigned(url) == url
