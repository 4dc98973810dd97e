"""What makes two orders the same: what is asked and where, not how the inputs are signed (CASES.md B9)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from airflow_provider_starvideos.api.urls import identity
from airflow_provider_starvideos.api.validation import build_request
from tests.unit.signers import PATHS, QUERIES, UNSIGNED, jwt

BASE = "https://api.example/base"
OBJECT = "https://bucket.s3.example/in/a.png"
# Parameters that mean other bytes: a version, an object, a processing.
NAMING = (
    "versionId=1",
    "generation=1760000000000001",
    "x-oss-process=image/resize,w_300",
    "x-image-process=image/resize,w_300",
    "imageMogr2/thumbnail/!50p",
    "imageView2/2/w/300",
    "response-content-type=image%2Fpng",
    "w=300",
    "id=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
)


def fingerprint(image: str, base_url: str = BASE, **changed: object) -> str:
    """Return the fingerprint of an order with one image."""
    return build_request(**{"prompt": "x", "reference_images": [image], **changed}).fingerprint(base_url)


@pytest.mark.parametrize("signer", QUERIES)
def test_an_input_signed_again_is_the_same_order(signer: str) -> None:
    """A template that presigns gives each try another URL; ordering again each time would be billed each time."""
    sign = QUERIES[signer]
    assert sign(1) != sign(2)
    assert fingerprint(f"{OBJECT}?{sign(1)}") == fingerprint(f"{OBJECT}?{sign(2)}")


@pytest.mark.parametrize("signer", PATHS)
def test_an_input_signed_again_in_its_path_is_the_same_order(signer: str) -> None:
    """So do CDNs that can't count on a query, and services that fetch a signed URL."""
    sign = PATHS[signer]
    assert sign(1, "a.png") != sign(2, "a.png")
    assert fingerprint(sign(1, "a.png")) == fingerprint(sign(2, "a.png"))
    assert fingerprint(sign(1, "a.png")) != fingerprint(sign(1, "b.png"))


@pytest.mark.parametrize("signer", QUERIES)
def test_another_object_version_or_processing_is_another_order(signer: str) -> None:
    """Else the video of the earlier picture would be taken for that of the new one."""
    sign = QUERIES[signer]
    prints = [fingerprint(f"{OBJECT}?{sign(1)}"), fingerprint(f"{OBJECT.replace('a.png', 'b.png')}?{sign(2)}")]
    for naming in NAMING:
        prints += [fingerprint(f"{OBJECT}?{sign(1)}&{naming}"), fingerprint(f"{OBJECT}?{naming}7&{sign(2)}")]
    assert len(set(prints)) == len(prints)


def test_a_token_that_names_the_input_counts_without_its_times() -> None:
    """One path may serve many inputs, distinguished by what their tokens say."""
    one, again, another = (jwt(n, sub=sub, width=300) for n, sub in ((1, "x"), (2, "x"), (1, "y")))
    url = "https://image.example/thumbnail.png?token={}"
    assert fingerprint(url.format(one)) == fingerprint(url.format(again)) != fingerprint(url.format(another))


@pytest.mark.parametrize(
    "changed",
    [{"prompt": "y"}, {"duration": 4}, {"ratio": "1:1"}, {"base_url": "https://other.example"}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_request_is_another_order(changed: dict[str, object]) -> None:
    """Prompt, length, ratio and host count."""
    assert fingerprint(OBJECT) != fingerprint(OBJECT, **changed)


@pytest.mark.parametrize("url", UNSIGNED)
def test_a_url_that_is_not_signed_stays_as_it_is(url: str) -> None:
    """Only where there is a signature are its companions left out: elsewhere they may name the input."""
    assert identity(url) == url


@pytest.mark.parametrize("signer", [*QUERIES, *PATHS])
def test_an_identity_is_one_itself(signer: str) -> None:
    """Asked twice, it is the same."""
    url = f"{OBJECT}?{QUERIES[signer](1)}" if signer in QUERIES else PATHS[signer](1, "a.png")
    assert identity(identity(url)) == identity(url)
    assert urlsplit(url).scheme == urlsplit(identity(url)).scheme
