"""What templates make of values, what counts as a URL, and what a message shows of one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_starvideos.api.validation import SHOWN_CHARACTERS, build_request, is_http_url, shown
from airflow_provider_starvideos.api.values import as_list
from airflow_provider_starvideos.exceptions import StarVideosValidationError

URL = "https://files.example/a.png"
CLIP = "https://files.example/clip.mp4"

RULE = "must be an http:// or https:// URL, or a storage URI such as s3://bucket/key"


def refusal(**request: Any) -> str:
    """Return the message of a request that must be refused."""
    with pytest.raises(StarVideosValidationError) as caught:
        build_request(**{"prompt": "a red fox", **request})
    return str(caught.value)


class Lazy(Sequence[str]):
    """A sequence that isn't a list, as Airflow gives for the XComs of mapped tasks."""

    def __getitem__(self, index: Any) -> Any:
        return [URL, CLIP][index]

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize("value", [5, "5", " 5 ", "5\n", 5.0, "5.0", "5.", "+5", "05"])
def test_a_templated_duration_is_read(value: Any) -> None:
    """A whole number of seconds is one, whatever a template made of it, and goes out as an integer."""
    duration = build_request(prompt="x", duration=value).duration
    assert duration == 5
    assert type(duration) is int


NO_SECONDS = [True, False, 3.5, math.inf, -math.inf, b"5", [5], {"a": 5}, object()]
NO_SECONDS_AS_TEXT = ["3.5", "abc", "5s", "5 6", "1e1", "0x5", "٥", "inf", "9" * 400, "5." + "0" * 400 + "1"]
HUGE = [10**30, 10**400, 10**5000, -(10**5000)]


@pytest.mark.parametrize("value", [*NO_SECONDS, *NO_SECONDS_AS_TEXT, *HUGE], ids=lambda value: type(value).__name__)
def test_what_is_no_whole_number_is_no_duration(value: Any) -> None:
    """True is not 1, 3.5 is not 3, and no value, however odd or huge, breaks the reading itself."""
    message = refusal(duration=value)
    assert "has 1 problem" in message
    assert "duration: must be a whole number from 3 to 15 (got " in message


@pytest.mark.parametrize("nothing", [None, "", "   ", "\n\t"])
def test_none_and_blank_text_mean_not_given(nothing: Any) -> None:
    """A template that renders to nothing leaves its argument out, in every optional field."""
    optional = ("duration", "ratio", "reference_images", "first_image", "last_image", "reference_videos", "model")
    request = build_request(prompt="x", **dict.fromkeys(optional, nothing))
    assert request == build_request(prompt="x")


@pytest.mark.parametrize("empty", [[], (), "[]", "()", " [ ] ", [None], ["", "  ", None], '[null, ""]', "[None]"])
def test_lists_without_items_mean_not_given(empty: Any) -> None:
    """An empty list, rendered or not, and one of blanks only, is no list of references."""
    assert build_request(prompt="x", reference_images=empty, reference_videos=empty) == build_request(prompt="x")


def test_duration_and_ratio_that_render_to_nothing_may_stand_beside_a_clip() -> None:
    """One Dag for all modes works: what isn't given isn't refused."""
    request = build_request(prompt="x", reference_videos=[CLIP], duration="", ratio=None)
    assert request.to_wire().keys() == {"model", "prompt", "referenceVideos"}


@pytest.mark.parametrize(
    "value",
    [
        [URL, CLIP],
        (URL, CLIP),
        Lazy(),
        json.dumps([URL, CLIP]),
        repr([URL, CLIP]),
        repr((URL, CLIP)),
        f"\n  ['{URL}',\n   '{CLIP}',]\n",
        [f" {URL} ", CLIP],
        [None, URL, "", CLIP, "  "],
        json.dumps([URL, None, CLIP]),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_a_list_is_read_from_what_a_template_made_of_it(value: Any) -> None:
    """A list, any other sequence, and the text of a JSON or Python list are the same list; empty items fall out."""
    assert build_request(prompt="x", reference_images=value).reference_images == (URL, CLIP)


def test_one_url_is_a_list_of_one() -> None:
    """A single URL need not be wrapped; that a bracket is inside of it makes no list of it."""
    assert build_request(prompt="x", reference_videos=f" {CLIP} ").reference_videos == (CLIP,)
    assert as_list("https://files.example/[a].png") == ["https://files.example/[a].png"]


BROKEN_LISTS = ["[", "[1,", "['a'", "(5)", f"('{URL}')", "[x for x in y]", "[" * 100_000, "[1" + "0" * 5000 + "]"]
NO_LISTS = [5, 5.5, True, {"a": 1}, {URL}, b"abc", object()]


@pytest.mark.parametrize("value", [*BROKEN_LISTS, *NO_LISTS], ids=lambda value: str(value)[:12])
def test_what_cannot_be_read_as_a_list_is_refused_as_such(value: Any) -> None:
    """Broken text, deep nesting and other types end in the one clear error, not in a parser's."""
    message = refusal(reference_images=value)
    assert "has 1 problem" in message
    assert "reference_images: must be a list of URLs (got " in message


def test_a_bad_item_is_named_by_its_place() -> None:
    """The index is that of the list as given, so that the item can be found in it."""
    message = refusal(reference_images=[URL, None, "nope", URL, 5])
    assert f"reference_images[2]: {RULE} (got 'nope')" in message
    assert f"reference_images[4]: {RULE} (got 5)" in message


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example",
        "http://a.example/b.png",
        "HTTPS://A.EXAMPLE/B.PNG",
        "https://a.example:8443/b?x=y#z",
        "https://127.0.0.1/a",
        "http://[::1]:80/a",
        "https://user:pass@a.example/b",
        "https://a.example/雪.png",
        " https://a.example/b.png ",
        "\nhttps://a.example/b.png\n",
    ],
)
def test_an_absolute_http_url_is_one(value: str) -> None:
    """What a browser's address bar takes as http(s) is taken, and sent without the blanks around it."""
    assert is_http_url(value)
    assert build_request(prompt="x", first_image=value, last_image=value).first_image == value.strip()


@pytest.mark.parametrize(
    "value",
    [
        "not a URL",
        "a.example/b.png",
        "//a.example/b.png",
        "/b.png",
        "ftp://a.example/b.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "https://",
        "https:///b.png",
        "https://:443/b.png",
        "https:/a.example/b.png",
        "https://a.example/b c.png",
        "https://a.example/b\n.png",
        "https://a.example/b\x00.png",
        "https://a.example/b\u00a0.png",
        "https://a.example:port/b.png",
        "https://a.example:99999/b.png",
        "https://[::1/b.png",
        "https://a.example/\ud800",
        5,
        True,
        [URL],
        {"url": URL},
        b"https://a.example/b.png",
    ],
)
def test_anything_else_is_no_url(value: Any) -> None:
    """Other schemes, blanks, control characters, no host or an impossible port are refused, in a frame as in a list."""
    assert not is_http_url(value)
    assert f"first_image: {RULE} (got " in refusal(first_image=value, last_image=URL)


def test_a_broken_frame_still_counts_as_given() -> None:
    """It isn't also reported as missing, and its partner not as alone."""
    message = refusal(first_image="nope", last_image=URL)
    assert "has 1 problem" in message


SECRETS = [
    "https://a.example/b c.png?X-Amz-Signature=SECRET",
    "https://a.example/b c.png#SECRET",
    "https://user:SECRET@a.example/b c.png",
    "https://user:pa/SECRET@a.example/b.png",
    "https://user:SECRET/pa@a.example/b.png",
    "https://a.example/b.png?a=1\n&sig=SECRET",
    "https://user:pa:SECRET@a.example:port/b.png",
    "bucket.s3.example/b.png?sig=SECRET",
    "user:SECRET@a.example/b.png",
    "//a.example/b.png?sig=SECRET",
    "https:/a.example/b.png?sig=SEC RET SECRET",
    ["https://a.example/b.png?sig=SECRET", "https://a.example/c.png"],
    {"url": "https://user:SECRET@a.example/b.png"},
    "[https://a.example/b.png?sig=SECRET",
]


@pytest.mark.parametrize("value", SECRETS, ids=str)
def test_no_message_shows_a_urls_password_or_query(value: Any) -> None:
    """A signed URL that is refused, for whatever reason and however it is wrapped, isn't shown with its secret."""
    message = refusal(first_image=value, reference_videos=value)
    assert "must be" in message
    assert "SECRET" not in message
    assert "SECRET" not in shown(value)


def test_what_a_message_shows_is_short() -> None:
    """Neither a data URL of megabytes nor a long list makes a long message, or takes long to be shown."""
    started = time.perf_counter()
    huge = "data:image/png;base64," + "A" * 5_000_000
    assert len(shown(huge)) == len(shown(["x" * 500] * 500)) == SHOWN_CHARACTERS
    assert len(refusal(first_image=huge, last_image=URL)) < 300
    assert time.perf_counter() - started < 5


def test_values_are_shown_as_they_were_given() -> None:
    """What isn't secret can be recognised: quotes for text, escapes for what doesn't print."""
    assert shown("4:3") == "'4:3'"
    assert shown(" a\n") == "' a\\n'"
    assert shown(3.5) == "3.5"
    assert shown("https://a.example/b.png") == "'https://a.example/b.png'"


@pytest.mark.parametrize("uri", ["s3://bucket/b.png", "GS://bucket/a b.png", "abfs://box@account/b.png"])
def test_a_storage_uri_is_taken_as_it_is(uri: str) -> None:
    """It is presigned later, just before the order is sent; until then the request holds it unsigned."""
    for spelled in (uri, f" {uri}\n"):
        request = build_request(prompt="x", reference_images=[spelled])
        assert request.reference_images == (uri,)
        assert request.inputs


@pytest.mark.parametrize("uri", ["s3://", "s3:///", "ftp://host/b.png", "s3:/bucket/b.png", "s3://b\x00x/y.png"])
def test_what_only_looks_like_a_storage_uri_is_refused(uri: str) -> None:
    """A scheme that no store has, or no object."""
    assert RULE in refusal(reference_images=[uri])
