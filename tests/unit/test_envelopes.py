"""Which object of an answer is the video: wrapped, with an envelope's own id, or in an answer that is a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_starvideos.api.answers import read_video
from airflow_provider_starvideos.api.protocol import HttpRequest
from airflow_provider_starvideos.api.retry import delay_before_repeat, was_not_accepted
from airflow_provider_starvideos.exceptions import StarVideosMalformedAnswerError, StarVideosServerError
from tests.unit.test_protocol import VIDEO, answer
from tests.unit.test_protocol_errors import ORDER, QUERY, STATUSES, error


def test_an_answer_is_found_by_the_id_that_was_asked_for() -> None:
    """An envelope may have its own id, of the request say."""
    assert read_video(QUERY, answer({"id": "request-7", "data": VIDEO})).id == "video_1"


@pytest.mark.parametrize("request_", [ORDER, QUERY], ids=["order", "query"])
@pytest.mark.parametrize(
    "envelope",
    [{}, {"status": None}, {"status": 200}, {"status": "success"}, {"code": 200, "object": "response"}],
    ids=str,
)
@pytest.mark.parametrize("own_id", ["request-7", "video_1"])
def test_the_video_in_an_envelope_is_the_one_with_a_status(
    own_id: str, envelope: dict[str, Any], request_: HttpRequest
) -> None:
    """An envelope's own id is never taken for the video's: the one that was paid for would be lost."""
    wire = {"id": own_id, **envelope, "data": {**VIDEO, "status": "Completed"}}
    task = read_video(request_, answer(wire))
    assert task.id == "video_1"
    assert task.is_completed


def test_the_answers_own_id_comes_before_the_envelopes() -> None:
    """Where both have one and a status, or neither, the documented position counts."""
    assert read_video(QUERY, answer({**VIDEO, "data": {**VIDEO, "id": "other"}})).id == "video_1"
    assert read_video(ORDER, answer({**VIDEO, "data": {**VIDEO, "id": "other"}})).id == "video_1"
    assert read_video(ORDER, answer({"id": "video_1", "data": {"id": "other", "status": "new"}})).id == "video_1"


@pytest.mark.parametrize(
    "video_id", ["null", "None", "undefined", "NaN", "N/A", "-", "0", 0, "", "  ", None, True, 1.5]
)
def test_an_id_that_is_missing_is_none(video_id: Any) -> None:
    """A video without an id is lost: its order is unconfirmed, not accepted under the id "null"."""
    for wire in (VIDEO | {"id": video_id}, {"data": VIDEO | {"id": video_id}}):
        with pytest.raises(StarVideosMalformedAnswerError) as caught:
            read_video(ORDER, answer(wire))
        assert not was_not_accepted(caught.value)
        assert not caught.value.named
    assert read_video(ORDER, answer({"id": video_id, "data": VIDEO})).id == "video_1"


FOREIGN = {
    "a chat": {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt", "choices": []},
    "a response": {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt"},
    "a user": {"id": 7, "name": "anna", "email": "anna@example.com"},
    "a session": {"id": "abc", "token": "t"},
    "a list": {"id": "list_1", "object": "list", "data": []},
    "an event": {"id": "evt_1", "object": "event", "status": "success"},
}


@pytest.mark.parametrize("wire", FOREIGN.values(), ids=FOREIGN)
def test_the_answer_to_another_request_is_no_accepted_order(wire: dict[str, Any]) -> None:
    """A proxy or a cache has mixed answers up. Its id is kept for the person who decides."""
    with pytest.raises(StarVideosMalformedAnswerError) as caught:
        read_video(ORDER, answer(wire))
    assert not was_not_accepted(caught.value)
    assert caught.value.named == str(wire["id"])


@pytest.mark.parametrize(
    "header",
    [
        *(("age", "17"), ("x-cache", "HIT"), ("x-cache", "Hit from cloudfront"), ("x-cache", "TCP_HIT")),
        *(("cf-cache-status", "HIT"), ("x-cache-status", "hit"), ("x-cache", "MISS, HIT")),
    ],
    ids=str,
)
def test_an_answer_that_a_cache_repeats_is_no_accepted_order(header: tuple[str, str]) -> None:
    """A hundred tasks would wait for one video, each having paid for its own. For a query it is a status."""
    repeated = answer(VIDEO, **dict([header]))
    with pytest.raises(StarVideosMalformedAnswerError) as caught:
        read_video(ORDER, repeated)
    assert not was_not_accepted(caught.value)
    assert caught.value.named == "video_1"
    assert read_video(QUERY, repeated).id == "video_1"


@pytest.mark.parametrize(
    "header",
    [
        ("age", "0"),
        ("age", ""),
        ("age", "soon"),
        ("x-cache", "MISS"),
        ("cf-cache-status", "DYNAMIC"),
        ("x-cache", "MISS from hit-1"),
    ],
    ids=str,
)
def test_an_answer_that_no_cache_repeats(header: tuple[str, str]) -> None:
    """Caches mark answers, too, that they have only passed on."""
    assert read_video(ORDER, answer(VIDEO, **dict([header]))).id == "video_1"


SPARSE: list[dict[str, Any]] = [
    {"id": "abc"},
    {"taskId": "abc"},
    {"projectId": "abc", "cost": 3},
    {"code": 200, "message": "success", "data": {"id": "abc", "cost": 3}},
    {"id": "abc", "status": "waiting", "cost": 3},
    {"id": "abc", "object": "video.generation", "cost": 3},
    {"id": "video_1", "cost": 3},
]


@pytest.mark.parametrize("wire", SPARSE, ids=str)
def test_an_accepted_order_in_few_words(wire: dict[str, Any]) -> None:
    """Sibling endpoints of the server answer so."""
    assert read_video(ORDER, answer(wire)).id in ("abc", "video_1")


LIVE = {"id": "video_1", "object": "video", "status": "queued"}
NAMING: dict[str, tuple[int, Any]] = {
    # a status that else proves that an order wasn't accepted, and an answer that names one all the same
    **{f"{status}, a video": (status, LIVE) for status in (301, 307, 308, 400, 401, 402, 403, 404, 422, 429, 503)},
    "429, wrapped": (429, {"code": 429, "data": LIVE}),
    "503, in a list": (503, {"data": [LIVE | {"id": ""}, LIVE]}),
    "503, wrapped twice": (503, {"data": {"data": LIVE}}),
    "503, alone in a list": (503, [LIVE]),
    "503, a number": (503, LIVE | {"id": 17}),
    "503, another status": (503, LIVE | {"status": "submitted"}),
    "503, no object": (503, {"id": "video_1", "status": " Processing"}),
    "200, code 429, in a list": (200, {"code": 429, "data": [LIVE]}),
    "200, code 503, wrapped twice": (200, {"code": 503, "data": {"data": LIVE}}),
    "200, code 400, a number": (200, {"code": 400, "data": LIVE | {"id": 17}}),
}


@pytest.mark.parametrize(("status", "payload"), NAMING.values(), ids=NAMING)
def test_a_refusal_that_names_a_video_is_none(status: int, payload: Any) -> None:
    """An order whose answer names a live video may have been accepted: not sent again, and the error says the id."""
    found = error(ORDER, status, payload)
    assert not was_not_accepted(found)
    assert delay_before_repeat(found, repeats=0, max_retries=9, is_order=True, chance=0.0) is None
    assert f"yet names a video ({'17' if '17' in str(payload) else 'video_1'!r})" in str(found)
    assert f"answered {status}: " in str(found)


@pytest.mark.parametrize(
    "payload",
    [
        LIVE | {"status": "failed"},
        LIVE | {"id": ""},
        LIVE | {"id": True},
        LIVE | {"id": None},
        {"id": "req-1", "error": "slow down"},
        {"id": "req-1", "status": 503},
        {"id": "req-1", "status": "error", "data": None},
        {"data": [5, None, [], {}]},
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_names_no_live_video_is_one(status: int, payload: Any) -> None:
    """A failed video, or an id of something else: nothing was ordered, and the order may be sent again."""
    found = error(ORDER, status, {"code": status, "message": "slow down"} | payload)
    assert type(found) is STATUSES[status]
    assert was_not_accepted(found)


def test_a_query_that_fails_and_names_a_video_has_failed() -> None:
    """It costs nothing to ask again, so the status counts."""
    assert type(error(QUERY, 503, LIVE)) is StarVideosServerError
