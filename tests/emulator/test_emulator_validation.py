"""The create request's rules: every rule of the vendor's table, on both sides of each bound, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

IMAGES = [f"http://127.0.0.1:9/{n}.png" for n in range(9)]
CLIP = "http://127.0.0.1:9/clip.mp4"
FRAMES = {"first_image": IMAGES[0], "last_image": IMAGES[1]}

ACCEPTED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing but a prompt": ({}, "text"),
    "shortest": ({"duration": 3}, "text"),
    "longest": ({"duration": 15}, "text"),
    "square": ({"ratio": "1:1"}, "text"),
    "tall": ({"ratio": "9:16"}, "text"),
    "wide": ({"ratio": "16:9"}, "text"),
    "one image": ({"referenceImages": IMAGES[:1]}, "image_reference"),
    "seven images": ({"referenceImages": IMAGES[:7], "duration": 15, "ratio": "1:1"}, "image_reference"),
    "frames": ({**FRAMES, "duration": 8, "ratio": "16:9"}, "first_last_frame"),
    "clip": ({"referenceVideos": [CLIP]}, "video_reference"),
    "clip and image": ({"referenceVideos": [CLIP], "referenceImages": IMAGES[:1]}, "image_video"),
    "clip and two images": ({"referenceVideos": [CLIP], "referenceImages": IMAGES[:2]}, "multi_image_video"),
    "clip and four images": ({"referenceVideos": [CLIP], "referenceImages": IMAGES[:4]}, "multi_image_video"),
    "unknown field": ({"seed": 1, "first_frame": 3}, "text"),
    "https": ({"referenceImages": ["https://host.example/a.png?sig=x#y"]}, "image_reference"),
}

REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "too short": ({"duration": 2}, ["duration"]),
    "too long": ({"duration": 16}, ["duration"]),
    "duration as text": ({"duration": "5"}, ["duration"]),
    "duration as a fraction": ({"duration": 5.0}, ["duration"]),
    "duration as a boolean": ({"duration": True}, ["duration"]),
    "duration null": ({"duration": None}, ["duration"]),
    "other ratio": ({"ratio": "4:3"}, ["ratio"]),
    "ratio as a number": ({"ratio": 1}, ["ratio"]),
    "no images": ({"referenceImages": []}, ["referenceImages"]),
    "eight images": ({"referenceImages": IMAGES[:8]}, ["referenceImages"]),
    "five images beside a clip": ({"referenceImages": IMAGES[:5], "referenceVideos": [CLIP]}, ["referenceImages"]),
    "images as a string": ({"referenceImages": IMAGES[0]}, ["referenceImages"]),
    "an image that is no URL": ({"referenceImages": [IMAGES[0], "cat.png"]}, ["referenceImages"]),
    "an image that is a number": ({"referenceImages": [1]}, ["referenceImages"]),
    "an image in a file": ({"referenceImages": ["file:///etc/passwd"]}, ["referenceImages"]),
    "an image without a host": ({"referenceImages": ["http:///a.png"]}, ["referenceImages"]),
    "an image with a space": ({"referenceImages": ["http://host.example/a b.png"]}, ["referenceImages"]),
    "an image at no port": ({"referenceImages": ["http://host.example:99999/"]}, ["referenceImages"]),
    "first frame alone": ({"first_image": IMAGES[0]}, ["last_image"]),
    "last frame alone": ({"last_image": IMAGES[0]}, ["first_image"]),
    "a frame that is no URL": ({**FRAMES, "last_image": "end"}, ["last_image"]),
    "frames with images": ({**FRAMES, "referenceImages": IMAGES[:1]}, ["referenceImages"]),
    "frames with a clip": ({**FRAMES, "referenceVideos": [CLIP]}, ["referenceVideos"]),
    "one frame with images": (
        {"first_image": IMAGES[0], "referenceImages": IMAGES[:1]},
        ["last_image", "referenceImages"],
    ),
    "two clips": ({"referenceVideos": [CLIP, CLIP]}, ["referenceVideos"]),
    "no clips": ({"referenceVideos": []}, ["referenceVideos"]),
    "a clip that is no URL": ({"referenceVideos": ["clip.mp4"]}, ["referenceVideos"]),
    "no prompt": ({"prompt": None}, ["prompt"]),
    "blank prompt": ({"prompt": " \n\t"}, ["prompt"]),
    "empty prompt": ({"prompt": ""}, ["prompt"]),
    "another model": ({"model": "starvideos_o2"}, ["model"]),
    "several at once": (
        {"model": "x", "prompt": "", "duration": 99, "ratio": "2:1", "referenceImages": IMAGES[:8]},
        ["duration", "model", "prompt", "ratio", "referenceImages"],
    ),
}


@pytest.mark.parametrize(("fields", "mode"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_page_allows_is_accepted(emulator: Any, client: Any, fields: dict[str, Any], mode: str) -> None:
    """An allowed request is accepted, in the mode that its references make it."""
    emulator.update(references="off")
    order = emulator.order(client.order(**fields))
    assert order.mode == mode
    assert emulator.billed.videos == 1


@pytest.mark.parametrize(("fields", "wrong"), REFUSED.values(), ids=REFUSED)
def test_what_the_page_forbids_is_refused(emulator: Any, client: Any, fields: dict[str, Any], wrong: list[str]) -> None:
    """A forbidden request gets 400 that names every field at fault and no other, and is not billed."""
    response = client.create(**fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert sorted({problem["field"] for problem in error["problems"]}) == wrong
    assert all(field in error["message"] for field in wrong)
    assert emulator.billed.videos == 0
    assert emulator.orders == []


@pytest.mark.parametrize("missing", ["model", "prompt"])
def test_required_fields_are_missed(client: Any, missing: str) -> None:
    """A request without a required field is refused for that."""
    body = {"model": "starvideos_o3", "prompt": "x"}
    del body[missing]
    problems = client.post(body).json()["error"]["problems"]
    assert problems == [{"field": missing, "message": "is required"}]


def test_defaults_are_three_seconds_upright(emulator: Any, client: Any) -> None:
    """Without duration a video has the documented 3 seconds."""
    assert client.finished()["actualDuration"] == 3.0
    assert emulator.billed.seconds == 3.0


def test_a_clip_overrules_duration_and_ratio(emulator: Any, client: Any) -> None:
    """With a clip, duration and ratio don't apply, whatever they say: accepted, ignored, and noted in the journal."""
    emulator.update(references="off")
    video_id = client.order(referenceVideos=[CLIP], duration=99, ratio="4:3")
    assert emulator.order(video_id).ignored == ("duration", "ratio")
    assert emulator.journal(event="accepted")[0]["ignored"] == ["duration", "ratio"]


@pytest.mark.parametrize("duration", ["5", 5.0, True, None])
def test_a_clip_does_not_excuse_wrong_types(client: Any, duration: object) -> None:
    """With a clip, a duration of the wrong type is still refused: a typed server could not read it."""
    response = client.create(referenceVideos=[CLIP], duration=duration)
    assert [problem["field"] for problem in response.json()["error"]["problems"]] == ["duration"]


@pytest.mark.parametrize("body", [[], "text", 5, None, [{"model": "starvideos_o3", "prompt": "x"}]])
def test_a_body_must_be_an_object(emulator: Any, client: Any, body: object) -> None:
    """JSON that is no object is refused with 400."""
    response = client.post(body)
    assert response.status_code == 400
    assert response.json()["error"]["problems"][0]["field"] == "body"
    assert emulator.billed.videos == 0
