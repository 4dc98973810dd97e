"""Which requests are the same: what changes the video changes the name, and nothing else does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.library.names import NAME, as_taken, name_of

U, V, CLIP = "https://cdn.example.com/a.png", "https://cdn.example.com/b.png", "https://cdn.example.com/c.mp4"
API = "https://api.example.com"
PINNED = "f15dc11c6250cbaa5524a0c690a3972e9a44aef1"
DIFFERENT: list[tuple[dict[str, Any], str | None]] = [
    ({"prompt": "A kite"}, None),
    ({"prompt": "a kite"}, None),
    ({"prompt": "A kite"}, "b"),
    ({"prompt": "A kite"}, "B"),
    ({"prompt": "A kite", "duration": 4}, None),
    ({"prompt": "A kite", "ratio": "16:9"}, None),
    ({"prompt": 'A kite", "duration": 4'}, None),
    ({"prompt": "A kite", "reference_images": [U]}, None),
    ({"prompt": "A kite", "reference_images": [V]}, None),
    ({"prompt": "A kite", "reference_images": [U, V]}, None),
    ({"prompt": "A kite", "reference_images": [V, U]}, None),
    ({"prompt": "A kite", "first_image": U, "last_image": V}, None),
    ({"prompt": "A kite", "first_image": V, "last_image": U}, None),
    ({"prompt": "A kite", "reference_videos": [CLIP]}, None),
    ({"prompt": "A kite", "reference_videos": [CLIP], "reference_images": [U]}, None),
    ({"prompt": "A kite", "reference_videos": [CLIP], "reference_images": [U, V]}, None),
]


def named(fields: dict[str, Any], variant: str | None = None, api: str = API, **contents: Any) -> str:
    """Return a request's name; an input's content by the letter of its file."""
    request = build_request(**fields)
    return name_of(request, api, {url: contents.get(url[-5], {"address": url}) for url in request.inputs}, variant)


def test_all_of_it_counts() -> None:
    """Each field, its place among the inputs, the variant and the API: no two of these have one name."""
    names = [named(fields, variant) for fields, variant in DIFFERENT]
    names += [named({"prompt": "A kite"}, api="https://other.example.com")]
    assert len(set(names)) == len(names)
    assert all(map(NAME.fullmatch, names))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"duration": 3}, {}),
        ({"ratio": "9:16"}, {}),
        ({"duration": "3", "ratio": "9:16"}, {"duration": 3}),
        ({"model": "starvideos_o3"}, {}),
        ({"reference_images": U}, {"reference_images": [U]}),
    ],
)
def test_one_video_one_name(one: dict[str, Any], other: dict[str, Any]) -> None:
    """What the API takes where nothing is given is the same as to give it."""
    assert named({"prompt": "A kite", **one}) == named({"prompt": "A kite", **other})
    assert named({"prompt": "A kite"}, "") == named({"prompt": "A kite"}, None)


def test_a_clip_sets_length_and_ratio() -> None:
    """There the API ignores both, so no default of them is made up."""
    assert as_taken(build_request(prompt="A kite", reference_videos=[CLIP])).keys() == {
        "model",
        "prompt",
        "referenceVideos",
    }


def test_the_content_counts_and_not_the_place() -> None:
    """An input whose content is known has the same name elsewhere, and another one with other content."""
    at = [{"prompt": "A kite", "reference_images": [url]} for url in (U, V)]
    assert named(at[0], a={"etag": "1"}) == named(at[1], b={"etag": "1"})
    assert named(at[0], a={"etag": "1"}) != named(at[0], a={"etag": "2"})


def test_nothing_that_is_joined_is_mistaken() -> None:
    """Texts with quotes, commas and brackets in them make other names in each order."""
    parts = ['"', ",", '","', "[", "]", "{}", "\\", "a", "null", ":"]
    texts = ["".join(one) for one in itertools.product(parts, repeat=2)]
    names = {named({"prompt": f"x{text}"}, variant) for text in set(texts) for variant in (None, text, '"')}
    assert len(names) == len({(text, variant) for text in set(texts) for variant in (None, text, '"')})


def test_the_format_is_pinned() -> None:
    """Another name for the same request would be a new order of everything: this changes with the format's number."""
    assert (
        named({"prompt": "A kite", "reference_images": [U], "duration": 5}, "b", a={"etag": "1", "size": 2}) == PINNED
    )
