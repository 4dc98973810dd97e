"""The rules of a request: the mode table, both sides of every bound, and what a bad request's one error says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.api.models import GenerationMode
from airflow_provider_starvideos.api.protocol import Endpoint, create_request
from airflow_provider_starvideos.api.validation import MISSING_PROMPT, MODES, RATIOS, build_request
from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

CLIP = "https://files.example/clip.mp4"
FIRST, LAST = "https://files.example/first.png", "https://files.example/last.png"


def images(count: int) -> list[str]:
    """Return so many different image URLs."""
    return [f"https://files.example/{number}.png" for number in range(count)]


def problems(**request: Any) -> tuple[Problem, ...]:
    """Return what is wrong with a request that must be refused."""
    with pytest.raises(StarVideosValidationError) as caught:
        build_request(**{"prompt": "a red fox", **request})
    return caught.value.problems


def fields(**request: Any) -> list[str]:
    """Return the fields that are wrong in a request that must be refused."""
    return [problem.field for problem in problems(**request)]


SIX_MODES: dict[GenerationMode, tuple[dict[str, Any], dict[str, Any]]] = {
    GenerationMode.TEXT: ({"duration": 5, "ratio": "16:9"}, {"duration": 5, "ratio": "16:9"}),
    GenerationMode.IMAGES: (
        {"reference_images": images(2), "duration": 3, "ratio": "1:1"},
        {"referenceImages": images(2), "duration": 3, "ratio": "1:1"},
    ),
    GenerationMode.FRAMES: (
        {"first_image": FIRST, "last_image": LAST, "duration": 15, "ratio": "9:16"},
        {"first_image": FIRST, "last_image": LAST, "duration": 15, "ratio": "9:16"},
    ),
    GenerationMode.VIDEO: ({"reference_videos": [CLIP]}, {"referenceVideos": [CLIP]}),
    GenerationMode.IMAGE_AND_VIDEO: (
        {"reference_videos": [CLIP], "reference_images": images(1)},
        {"referenceVideos": [CLIP], "referenceImages": images(1)},
    ),
    GenerationMode.IMAGES_AND_VIDEO: (
        {"reference_videos": [CLIP], "reference_images": images(4)},
        {"referenceVideos": [CLIP], "referenceImages": images(4)},
    ),
}


def test_the_table_has_every_mode() -> None:
    """No mode is without a rule, and none without a case in these tests."""
    assert set(MODES) == set(GenerationMode) == set(SIX_MODES)


@pytest.mark.parametrize("mode", SIX_MODES)
def test_each_mode_is_derived_and_sent_as_documented(mode: GenerationMode) -> None:
    """The inputs make the mode, and the body is exactly the documented JSON object, with nothing else in it."""
    given, wire = SIX_MODES[mode]
    request = build_request(prompt="a red fox", **given)
    assert request.mode is mode
    body = create_request(Endpoint("https://api.example", "key"), request).body
    assert body is not None
    assert json.loads(body) == {"model": "starvideos_o3", "prompt": "a red fox", **wire}


def test_only_what_is_given_is_sent() -> None:
    """With just a prompt the API's own defaults apply: no duration, ratio or reference is in the body."""
    assert build_request(prompt="a red fox").to_wire() == {"model": "starvideos_o3", "prompt": "a red fox"}


def test_a_prompt_is_sent_as_written() -> None:
    """Neither its blanks nor its characters are changed, and the body is UTF-8."""
    prompt = "  雪の中の狐 🦊\n\tslow zoom “in” "
    body = create_request(Endpoint("https://api.example", "key"), build_request(prompt=prompt)).body
    assert body is not None
    assert json.loads(body.decode("utf-8"))["prompt"] == prompt
    assert "🦊".encode() in body


@pytest.mark.parametrize("duration", range(3, 16))
def test_every_documented_duration_is_taken(duration: int) -> None:
    """3 to 15 seconds are sent as the integer that they are."""
    assert build_request(prompt="x", duration=duration).to_wire()["duration"] == duration


@pytest.mark.parametrize("duration", [-3, 0, 1, 2, 16, 17, 1000])
def test_every_other_duration_is_refused(duration: int) -> None:
    """2 and 16 are beyond the bounds, and so is everything further out; the message has rule and value."""
    (problem,) = problems(duration=duration)
    assert str(problem) == f"duration: must be a whole number from 3 to 15 (got {duration})"


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_documented_ratio_is_taken(ratio: str) -> None:
    """The three ratios are sent as given, without the blanks that a template may leave around them."""
    for spelled in (ratio, f" {ratio}\n"):
        assert build_request(prompt="x", ratio=spelled).to_wire()["ratio"] == ratio


@pytest.mark.parametrize("ratio", ["4:3", "16/9", "16:09", "9 :16", "portrait", 1.0, True, ["1:1"]])
def test_every_other_ratio_is_refused(ratio: Any) -> None:
    """The message names the three that there are, and what was given."""
    (problem,) = problems(ratio=ratio)
    assert str(problem) == f"ratio: must be '1:1' or '9:16' or '16:9' (got {ratio!r})"


@pytest.mark.parametrize(
    ("count", "others", "mode"),
    [
        (0, {}, GenerationMode.TEXT),
        (1, {}, GenerationMode.IMAGES),
        (7, {}, GenerationMode.IMAGES),
        (0, {"reference_videos": [CLIP]}, GenerationMode.VIDEO),
        (1, {"reference_videos": [CLIP]}, GenerationMode.IMAGE_AND_VIDEO),
        (2, {"reference_videos": [CLIP]}, GenerationMode.IMAGES_AND_VIDEO),
        (4, {"reference_videos": [CLIP]}, GenerationMode.IMAGES_AND_VIDEO),
    ],
)
def test_so_many_images_are_taken(count: int, others: dict[str, Any], mode: GenerationMode) -> None:
    """Up to 7 alone, up to 4 with a clip; their number alone distinguishes the two modes with a clip and images."""
    request = build_request(prompt="x", reference_images=images(count), **others)
    assert request.mode is mode
    assert request.reference_images == tuple(images(count))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"reference_images": images(8)}, "reference_images: must be at most 7 for image reference (got 8)"),
        (
            {"reference_images": images(5), "reference_videos": [CLIP]},
            "reference_images: must be at most 4 for multi-image + video (got 5)",
        ),
        ({"reference_videos": [CLIP, CLIP]}, "reference_videos: must be at most 1 for video reference (got 2)"),
        (
            {"reference_videos": [CLIP, CLIP], "reference_images": images(1)},
            "reference_videos: must be at most 1 for image + video (got 2)",
        ),
        ({"first_image": FIRST}, "last_image: must be given together with first_image (got None)"),
        ({"last_image": LAST}, "first_image: must be given together with last_image (got None)"),
        (
            {"first_image": FIRST, "last_image": LAST, "reference_images": images(1)},
            "reference_images: can't be combined with the inputs of first/last frame (got 1)",
        ),
        ({"model": "starvideos_o4"}, "model: must be 'starvideos_o3' (got 'starvideos_o4')"),
        ({"prompt": None}, f"prompt: {MISSING_PROMPT} (got None)"),
        ({"prompt": " \n"}, f"prompt: {MISSING_PROMPT} (got ' \\n')"),
        ({"prompt": 5}, "prompt: must be text (got 5)"),
        (
            {"prompt": "a\ud800b"},
            "prompt: must be valid Unicode text, without lone surrogates (got 'a\\ud800b')",
        ),
        ({"reference_images": 5}, "reference_images: must be a list of URLs (got 5)"),
        ({"reference_videos": {"a": 1}}, "reference_videos: must be a list of URLs (got {'a': 1})"),
        (
            {"reference_videos": [CLIP], "duration": 5},
            "duration: doesn't apply with reference_videos, the output follows the clip: leave it out (got 5)",
        ),
        (
            {"reference_videos": [CLIP], "ratio": "1:1"},
            "ratio: doesn't apply with reference_videos, the output follows the clip: leave it out (got '1:1')",
        ),
    ],
)
def test_a_broken_rule_is_told_by_field_rule_and_value(request_: dict[str, Any], message: str) -> None:
    """Each rule of the table, and each rule of a single field, gives exactly one problem with all three."""
    assert [str(problem) for problem in problems(**request_)] == [message]


@pytest.mark.parametrize("others", [{"reference_videos": [CLIP]}, {"reference_videos": [CLIP], "duration": 5}])
def test_frames_never_go_with_a_clip(others: dict[str, Any]) -> None:
    """Both frames are named, whatever else is wrong."""
    assert fields(first_image=FIRST, last_image=LAST, **others)[:2] == ["first_image", "last_image"]


def test_one_frame_with_images_breaks_both_rules() -> None:
    """A single frame with images lacks its partner, and isn't allowed there."""
    assert fields(first_image=FIRST, reference_images=images(1)) == ["reference_images", "last_image"]


def test_every_problem_is_told_at_once() -> None:
    """With the message's lines fixed, the request goes through: none is held back for the next run."""
    found = fields(
        prompt="",
        model="sora",
        duration=16,
        ratio="4:3",
        reference_images=[*images(4), "not a URL"],
        first_image="also not",
        reference_videos=[CLIP, "ftp://files.example/clip.mp4"],
    )
    assert found == [
        "prompt",
        "model",
        "duration",
        "ratio",
        "reference_images[4]",
        "first_image",
        "reference_videos[1]",
        "reference_images",
        "reference_videos",
        "first_image",
        "last_image",
        "duration",
        "ratio",
    ]


def test_the_message_counts_lists_and_says_that_nothing_was_sent() -> None:
    """The one error is readable as it is: the number of problems, that nothing was sent, and a line for each."""
    with pytest.raises(StarVideosValidationError) as caught:
        build_request(prompt="", duration=2)
    assert str(caught.value) == (
        "The StarVideos request has 2 problems; nothing was sent:"
        f"\n  - prompt: {MISSING_PROMPT} (got '')"
        "\n  - duration: must be a whole number from 3 to 15 (got 2)"
    )
    with pytest.raises(StarVideosValidationError, match="has 1 problem; nothing was sent"):
        build_request()


def test_equal_orders_have_equal_fingerprints_and_others_do_not() -> None:
    """However the arguments were spelled, the same order at the same API is recognised; any difference shows."""
    here, there = "https://api.example", "https://other.example"
    one = build_request(prompt="x", duration=" 5.0 ", reference_images=json.dumps(images(1)))
    same = build_request(prompt="x", duration=5, reference_images=images(1))
    assert one.fingerprint(here) == same.fingerprint(here)
    others = [build_request(prompt="y"), build_request(prompt="x", duration=6, reference_images=images(1))]
    digests = {request.fingerprint(here) for request in [one, *others]} | {one.fingerprint(there)}
    assert len(digests) == 4
