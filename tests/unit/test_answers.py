"""Answers as servers like this one give them, and what each means: CASES B1, B8, B13, C5 and C6, by kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.answers import read_video
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import HttpResponse
from airflow_provider_starvideos.api.retry import delay_before_repeat, was_not_accepted
from airflow_provider_starvideos.exceptions import StarVideosAPIError, StarVideosMalformedAnswerError
from tests.unit.test_calls import order
from tests.unit.test_protocol_errors import KEY, ORDER, QUERY, error

HTML = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"
LIVE = {"id": "video_1", "object": "video", "model": "starvideos_o3", "status": "queued"}


def http(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    """Return an answer; what isn't bytes becomes JSON."""
    return HttpResponse(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def accepted(video_id: str) -> tuple[str, str]:
    """The order was accepted as this video: billed, and on record."""
    return "accepted", video_id


def refused(status: int) -> tuple[str, int]:
    """Provably not accepted: not billed, and not sent again."""
    return "refused", status


def again(status: int) -> tuple[str, int]:
    """Provably not accepted, and worth sending again."""
    return "again", status


def unknown(named: str = "") -> tuple[str, str]:
    """Perhaps accepted and billed: not sent again, a person decides; with the id that the answer names."""
    return "unknown", named


ORDERS: dict[str, tuple[int, Any, tuple[str, Any]]] = {
    # B13: the id, under its names and in its wrappers
    "documented": (200, LIVE, accepted("video_1")),
    "201": (201, LIVE, accepted("video_1")),
    "id alone": (200, {"id": "video_1"}, accepted("video_1")),
    "an id of any form": (200, {"id": "8f3a-77"}, accepted("8f3a-77")),
    "projectId": (200, {"projectId": "proj_9", "status": "pending"}, accepted("proj_9")),
    "project_id alone": (200, {"project_id": "proj_9"}, accepted("proj_9")),
    "task_id": (200, {"code": 0, "task_id": "8123"}, accepted("8123")),
    "taskId in data": (200, {"code": 200, "msg": "success", "data": {"taskId": "t-8"}}, accepted("t-8")),
    "video_id": (200, {"video_id": "video_1", "message": "ok"}, accepted("video_1")),
    "videoId in result": (200, {"result": {"videoId": "video_1"}}, accepted("video_1")),
    "in task": (200, {"task": {"id": "t-8", "status": "SUBMITTED"}}, accepted("t-8")),
    "data, a list of one": (200, {"code": 0, "data": [{"task_id": "t-8"}]}, accepted("t-8")),
    "data, data": (200, {"code": 0, "data": {"data": {"id": "video_1"}}}, accepted("video_1")),
    "data, a list, task": (200, {"data": [{"task": {"id": "video_1"}}]}, accepted("video_1")),
    "result, video": (200, {"result": {"video": {"id": "video_1"}}}, accepted("video_1")),
    "a text in data": (200, {"code": 200, "message": "success", "data": "video_12"}, accepted("video_12")),
    "a number": (200, {"code": 0, "data": {"task_id": 81234567890123456789}}, accepted("81234567890123456789")),
    "a request's id beside a status": (200, {"request_id": "r-7", "status": "queued"}, accepted("r-7")),
    "an envelope's own id": (200, {"id": "req-7", "code": 0, "data": {"id": "8f3a"}}, accepted("8f3a")),
    "an envelope's own id and status": (
        200,
        {"id": "req-7", "status": "success", "data": {"id": "8f3a", "status": "queued"}},
        accepted("8f3a"),
    ),
    "a request id beside data": (200, {"request_id": "r-7", "data": {"id": "8f3a"}}, accepted("8f3a")),
    "two names": (200, {"request_id": "r-7", "task_id": "t-8", "task_status": "submitted"}, accepted("t-8")),
    # codes that are no errors
    "code 200": (200, LIVE | {"code": 200}, accepted("video_1")),
    "code 0": (200, LIVE | {"code": 0, "message": "success"}, accepted("video_1")),
    'code "0"': (200, {"code": "0", "data": {"id": "8f3a"}}, accepted("8f3a")),
    'code "00000"': (200, {"code": "00000", "data": {"id": "8f3a"}}, accepted("8f3a")),
    "code success": (200, {"code": "SUCCESS", "data": {"id": "8f3a"}}, accepted("8f3a")),
    "success: true": (200, {"success": True, "data": {"id": "8f3a"}}, accepted("8f3a")),
    "code 10000 that says success": (200, {"code": 10000, "message": "Success", "data": {"id": "8"}}, accepted("8")),
    "code 1 beside a whole video": (200, LIVE | {"code": 1}, accepted("video_1")),
    "error: null": (200, LIVE | {"error": None, "errors": [], "error_code": 0}, accepted("video_1")),
    # B8: an error with an id
    "B8": (200, {"id": "req-8f3a", "code": 402, "message": "insufficient balance"}, refused(402)),
    'B8, "402"': (200, {"id": "req-8f3a", "code": "402", "message": "no"}, refused(402)),
    "B8, E402": (200, {"id": "req-8f3a", "code": "E402", "message": "no"}, refused(402)),
    "B8, 40201": (200, {"id": "req-8f3a", "code": 40201, "message": "no"}, refused(402)),
    "B8, status_code": (200, {"id": "8f3a", "status_code": 400, "message": "no"}, refused(400)),
    "B8, errorCode in data": (200, {"id": "8f3a", "data": {"errorCode": 403}}, refused(403)),
    "B8, in error": (200, {"id": "8f3a", "error": {"code": 401, "message": "bad key"}}, refused(401)),
    "B8, a word": (200, {"id": "8f3a", "code": "InsufficientBalance", "message": "x"}, refused(402)),
    "B8, 1001 and words": (200, {"id": "8f3a", "code": 1001, "message": "余额不足"}, refused(402)),
    "B8, success: false": (200, {"id": "8f3a", "success": False, "message": "insufficient balance"}, refused(402)),
    "B8, error text": (200, {"id": "8f3a", "error": "insufficient credits"}, refused(402)),
    "B8, only words": (200, {"id": "8f3a", "message": "Insufficient balance."}, refused(402)),
    "B8, data null": (200, {"code": 402, "message": "no", "data": None}, refused(402)),
    "a failed video with a code": (200, {"id": "8", "status": "failed", "code": 402, "msg": "x"}, refused(402)),
    "envelope's error": (200, {"status": "error", "message": "invalid prompt", "data": {"id": "8"}}, refused(422)),
    "a failed video": (200, LIVE | {"status": "failed", "code": 1001, "error": "flagged"}, accepted("video_1")),
    "a failed video's error": (200, {"id": "8", "status": "failed", "error": {"code": 400, "msg": "x"}}, accepted("8")),
    "success: false, no words": (200, {"id": "8f3a", "success": False}, unknown("8f3a")),
    'success: "false"': (200, {"id": "8f3a", "success": "false"}, unknown("8f3a")),
    "429 inside": (200, {"id": "8f3a", "code": 429, "message": "slow down"}, again(429)),
    "503 inside": (200, {"code": 503, "message": "no capacity"}, again(503)),
    "503 inside, without a word": (200, {"code": 503}, unknown()),
    "503 inside, of an upstream": (200, {"code": 503, "message": "upstream timed out"}, unknown()),
    "500 inside": (200, {"id": "8f3a", "code": 500, "message": "oops"}, unknown()),
    "408 inside": (200, {"code": 408, "message": "timeout"}, unknown()),
    "1001": (200, {"code": 1001, "message": "system busy"}, unknown()),
    "1001 beside an id": (200, {"id": "8f3a", "code": 1001, "message": "system busy"}, unknown("8f3a")),
    "-1": (200, {"code": -1, "msg": "failed", "data": {}}, unknown()),
    "success: false": (200, {"success": False}, unknown()),
    "an error without words": (200, {"id": "8f3a", "error": True}, unknown("8f3a")),
    "words that may come later": (200, {"code": 9, "message": "internal: invalid value in response"}, unknown()),
    "402 beside a video's id": (200, {"id": "video_8f", "code": 402, "message": "x"}, unknown("video_8f")),
    "500 beside a live video": (200, {"code": 500, "message": "x", "data": LIVE}, unknown("video_1")),
    "1001 beside a live video": (200, LIVE | {"code": 1001, "message": "x"}, unknown("video_1")),
    # answers that can't be understood
    "empty": (200, b"", unknown()),
    "a page": (200, HTML, unknown()),
    "half of one": (200, b'{"id": "video_1", "status": "que', unknown("video_1")),
    "half of one, a number": (200, b'{"code":0,"data":{"task_id": 8123, "st', unknown("8123")),
    "only a request's id": (200, {"code": 0, "message": "success", "request_id": "r-7"}, unknown("r-7")),
    "several videos": (200, {"data": [{"id": "8"}, {"id": "9"}]}, unknown("8")),
    "a list": (200, [LIVE], unknown("video_1")),
    "too deep": (200, {"data": {"data": {"data": {"data": {"id": "8"}}}}}, unknown()),
    # B1: refusals, and what only looks like one
    "503 of the API": (503, {"error": {"message": "overloaded", "code": "busy"}}, again(503)),
    "503 of the API, envelope": (503, {"code": 503, "msg": "busy"}, again(503)),
    "503, a page": (503, HTML, unknown()),
    "503, envoy": (503, b"upstream connect error or disconnect/reset before headers", unknown()),
    "503, nothing": (503, b"", unknown()),
    "503, AWS": (503, {"message": "Service Unavailable"}, unknown()),
    "503, Spring": (503, {"timestamp": "t", "status": 503, "error": "Busy", "path": "/x"}, unknown()),
    "503, Fastly": (503, b"first byte timeout", unknown()),
    "503 beside a live video": (503, LIVE | {"error": "busy"}, unknown("video_1")),
    "503 beside a sibling's id": (503, {"error": "busy", "projectId": "proj_9"}, unknown("proj_9")),
    "429 of a gateway": (429, HTML, again(429)),
    "422, detail": (422, {"detail": "prompt flagged"}, refused(422)),
    "403 of a gateway": (403, {"message": "Forbidden"}, refused(403)),
    "404 of a gateway": (404, b"404 page not found", refused(404)),
    "421": (421, b"", refused(421)),
    "425": (425, b"", refused(425)),
    "494": (494, HTML, refused(494)),
    "463": (463, b"", refused(463)),
    "301": (301, b"", refused(301)),
    "308": (308, b"", refused(308)),
    **{str(status): (status, b"", unknown()) for status in (101, 199, 300, 302, 303, 304, 408, 409, 444, 460, 499)},
    **{str(status): (status, HTML, unknown()) for status in (500, 501, 502, 504, 520, 522, 524, 529, 530, 600, 999)},
    "500 of the API": (500, {"error": {"message": "insufficient balance", "code": 402}}, unknown()),
}


@pytest.mark.parametrize(("status", "body", "meaning"), ORDERS.values(), ids=ORDERS)
def test_what_an_answer_to_an_order_means(status: int, body: Any, meaning: tuple[str, Any]) -> None:
    """B1, B8, B13: accepted as which video, refused, or unknown with the id that it names."""
    kind, value = meaning
    if kind == "accepted":
        task = read_video(ORDER, http(body, status))
        assert task.id == value
        return
    found = error(ORDER, status, body)
    delay = delay_before_repeat(found, repeats=0, max_retries=3, is_order=True, chance=0.0)
    assert was_not_accepted(found) is (kind != "unknown")
    assert (delay is not None) is (kind == "again")
    if kind == "unknown":
        assert (found.named if isinstance(found, StarVideosMalformedAnswerError) else "") == value
        assert value in str(found)
    else:
        assert found.status_code == value


@pytest.mark.parametrize(("status", "body", "meaning"), ORDERS.values(), ids=ORDERS)
def test_how_an_order_ends(status: int, body: Any, meaning: tuple[str, Any]) -> None:
    """The call: one request, or several where it is sent again; an unknown outcome keeps the id for the record."""
    kind, value = meaning
    wire, end = order(http(body, status), retries=2)
    assert len(wire.requests) == (3 if kind == "again" else 1)
    if kind == "accepted":
        assert isinstance(end, VideoTask)
    elif kind == "unknown":
        assert isinstance(end, calls.StarVideosUnconfirmedError)
        assert end.named == value
    else:
        assert isinstance(end, StarVideosAPIError)


STATUSES = [
    *(
        (word, "completed")
        for word in ("completed", "COMPLETED", "Succeeded", "success", "SUCCESS", "succeed", "finished")
    ),
    *((word, "failed") for word in ("failed", "ERROR", "cancelled", "Canceled", "expired", " FAIL\n")),
    *((word, "queued") for word in ("queued", "Pending", "SUBMITTED")),
    *(
        (word, "processing")
        for word in ("processing", "RUNNING", "in_progress", "IN PROGRESS", "in-progress", "inProgress")
    ),
]


@pytest.mark.parametrize("name", ["status", "task_status", "taskStatus", "state"])
@pytest.mark.parametrize(("word", "status"), STATUSES)
def test_c5_status_words(word: str, status: str, name: str) -> None:
    """C5: the observed words in any case, under the observed names, and what they mean."""
    task = read_video(QUERY, http({"id": "video_1", name: word}))
    assert task.status == status
    assert task.has_known_status
    assert (task.is_completed, task.is_failed) == (status == "completed", status == "failed")
    alone = VideoTask("video_1", word)
    assert (alone.is_completed, alone.is_failed) == (status == "completed", status == "failed")


@pytest.mark.parametrize("word", ["paused", "complete", "done?", "archived", 2, None, True, "queued, failed"])
def test_c5_other_words_are_waited_on(word: Any) -> None:
    """A word that isn't in the table, or no word, is neither the end nor an error."""
    task = read_video(QUERY, http({"id": "video_1", "status": word}))
    assert not task.has_known_status
    assert not task.is_completed
    assert not task.is_failed


def test_a_word_that_says_more_than_failed_is_the_reason() -> None:
    """Cancelled and expired are failures, and the user learns which."""
    assert read_video(QUERY, http({"id": "video_1", "status": "EXPIRED"})).error == "the API says that it is expired"
    assert read_video(QUERY, http({"id": "video_1", "status": "failed"})).error is None
    assert read_video(QUERY, http({"id": "video_1", "status": "cancelled", "error": "by you"})).error == "by you"


U = "https://files.example/v.mp4?sig=x"
DONE = {"id": "video_1", "status": "completed"}
URLS: dict[str, tuple[Any, str | None]] = {
    "video_url": (DONE | {"video_url": U}, U),
    "videoUrl": (DONE | {"videoUrl": U}, U),
    "result_url": (DONE | {"result_url": U}, U),
    "resultUrl": (DONE | {"resultUrl": U}, U),
    "url": (DONE | {"url": U}, U),
    "the documented name first": (DONE | {"url": "https://h/q", "result_url": "https://h/r", "video_url": U}, U),
    "null, then another": (DONE | {"video_url": None, "result_url": U}, U),
    "in data": ({"code": 200, "data": DONE | {"result_url": U}}, U),
    "in data, a list of one": ({"data": [DONE | {"url": U}]}, U),
    "in result": (DONE | {"result": {"video_url": U}}, U),
    "in output": (DONE | {"output": {"video_url": U}}, U),
    "in task_result.videos": (
        {"data": {"task_id": "video_1", "task_status": "succeed", "task_result": {"videos": [{"id": "77", "url": U}]}}},
        U,
    ),
    "videos of objects": (DONE | {"videos": [{"url": U}]}, U),
    "videos of texts": (DONE | {"videos": [U]}, U),
    "output, a list": (DONE | {"output": [U]}, U),
    "output, a text": (DONE | {"output": U}, U),
    "output, the frame first": (DONE | {"output": ["https://h/cover.png", U]}, U),
    "beside the envelope": ({"id": "video_1", "data": {"status": "completed", "url": U}}, U),
    "last_frame_url": (DONE | {"last_frame_url": "https://h/last.png"}, None),
    "others": (DONE | {"cover_url": U, "image_url": U, "lastFrameUrl": U, "video_url_expired": U}, None),
    "none": (DONE, None),
    "no URL": (DONE | {"url": "soon", "output": "none"}, None),
}


@pytest.mark.parametrize(("body", "url"), URLS.values(), ids=URLS)
def test_c5_the_results_url(body: Any, url: str | None) -> None:
    """C5: under its observed names and in its wrappers; the last frame isn't it; completed without one is completed."""
    task = read_video(QUERY, http(body))
    assert task.is_completed
    assert task.video_url == url


AMOUNTS: list[tuple[Any, str | None]] = [
    (0.76, "0.76"),
    ("0.76", "0.76"),
    (" 0.760 ", "0.760"),
    (1, "1"),
    (0, "0"),
    ("0", "0"),
    (12.5, "12.5"),
    ("1000000", "1000000"),
    *(
        (odd, None)
        for odd in (
            -0.1,
            "-1",
            "NaN",
            float("nan"),
            float("inf"),
            1e300,
            10**12,
            "1e3",
            True,
            "",
            "0.76 USD",
            "1,5",
            "٣",
        )
    ),
    *((odd, None) for odd in ([0.76], {"value": 0.76}, None)),
]


@pytest.mark.parametrize(("value", "amount"), AMOUNTS, ids=repr)
def test_the_amount_is_exact_or_unknown(value: Any, amount: str | None) -> None:
    """What was billed: a number or numeric text as a decimal, never guessed from anything else."""
    task = read_video(QUERY, http({"code": 0, "data": DONE | {"amount": value}}))
    assert (None if task.amount is None else str(task.amount)) == amount
    assert read_video(QUERY, http(DONE)).amount is None


REASONS: dict[str, tuple[Any, str]] = {
    "error": ({"error": "flagged"}, "flagged"),
    "error object": ({"error": {"message": "flagged", "code": "x"}}, "flagged"),
    "error list": ({"error": ["flagged", "too long"]}, "flagged; too long"),
    "detail": ({"detail": "prompt flagged"}, "prompt flagged"),
    "detail objects": (
        {"detail": [{"msg": "too long", "loc": ["body", "prompt"], "type": "x"}, {"msg": "bad"}]},
        "body.prompt: too long; bad",
    ),
    "detail object": ({"detail": {"message": "flagged"}}, "flagged"),
    "errors": ({"errors": ["flagged", "flagged", "long"]}, "flagged; long"),
    "errors objects": ({"errors": [{"field": "prompt", "message": "too long"}]}, "prompt: too long"),
    "errors by field": (
        {"errors": {"prompt": ["too long", "bad"], "ratio": "odd"}},
        "prompt: too long; bad; ratio: odd",
    ),
    "message": ({"code": 1, "message": "flagged"}, "flagged"),
    "message list": ({"statusCode": 400, "error": "Bad Request", "message": ["prompt too long"]}, "prompt too long"),
    "msg": ({"msg": "flagged"}, "flagged"),
    "fail_reason": ({"message": "success", "fail_reason": "flagged"}, "flagged"),
    "failReason": ({"message": "Task failed", "failReason": "flagged"}, "flagged"),
    "error_msg": ({"error_msg": "flagged"}, "flagged"),
    "errorMessage": ({"errorMessage": "flagged"}, "flagged"),
    "error_message": ({"error_message": "flagged"}, "flagged"),
    "reason": ({"reason": "flagged"}, "flagged"),
    "in data": ({"message": "success", "data": {"fail_reason": "flagged"}}, "flagged"),
    "only the status's name": ({"error": "Bad Request"}, "Bad Request"),
    "the name and more": ({"error": "Bad Request", "message": "flagged"}, "flagged"),
    "a JSON text": ("flagged", "flagged"),
    "a JSON list": ([{"msg": "flagged"}], "flagged"),
}
PAGES: dict[str, tuple[bytes, str]] = {
    "plain text": (b"prompt flagged\n", "prompt flagged"),
    "a page's title": (b"<!doctype html><html><head><title>502 Bad &amp; Gateway</title>", "502 Bad & Gateway"),
    "XML": (b"<?xml version='1.0'?><Error><Code>X</Code><Message>flagged</Message></Error>", "flagged"),
}


@pytest.mark.parametrize(("body", "reason"), (REASONS | PAGES).values(), ids=REASONS | PAGES)
def test_c6_the_reason_of_a_refusal(body: Any, reason: str) -> None:
    """C6: the server's words, wherever it puts them."""
    assert str(error(ORDER, 422, body)).endswith(f" It said: {reason}")


@pytest.mark.parametrize(
    ("body", "reason"), [(body, reason) for body, reason in REASONS.values() if isinstance(body, Mapping)]
)
def test_c6_the_reason_of_a_failed_video(body: Mapping[str, Any], reason: str) -> None:
    """C6: the same words, next to a video's status."""
    code = {name: value for name, value in body.items() if name != "code"}
    assert read_video(QUERY, http({"id": "video_1", "status": "failed", **code})).error == reason


def test_c6_the_reason_in_the_envelope_of_a_failed_video() -> None:
    """One level up, too; an envelope's "success" is none."""
    video = {"id": "video_1", "status": "failed"}
    assert read_video(QUERY, http({"code": 200, "message": "flagged", "data": video})).error == "flagged"
    assert read_video(QUERY, http({"code": 200, "message": "success", "data": video})).error is None


@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b"\x89PNG\x00", b'{"half": ', b"null", {}, {"error": 5}])
def test_c6_no_words_are_made_up(body: Any) -> None:
    """A page without a title, binary data and half an answer say nothing."""
    assert "It said" not in str(error(ORDER, 422, body))


def test_c6_words_are_redacted_and_cut() -> None:
    """As every text of the server: without the key, without signatures, in one line, short."""
    found = error(ORDER, 422, {"detail": [{"msg": f"{KEY} https://h/a.png?sig=SECRET\n" + "x" * 900}]})
    assert KEY not in str(found)
    assert "SECRET" not in str(found)
    assert str(found).isprintable()
    assert len(str(found)) < 700


RUNNING = {"id": "video_1", "status": "running"}
CROSSED = {"id": "video_1", "status": "failed", "error": {"code": 400, "message": "x"}}
QUERIES: dict[str, tuple[Any, str]] = {
    "an error code beside the video": ({"code": 500, "data": DONE | {"url": U}}, "completed"),
    "success: false beside the video": ({"success": False, "data": RUNNING}, "processing"),
    "an envelope that failed": ({"status": "error", "data": DONE}, "completed"),
    "an envelope that says success": ({"id": "video_1", "status": "success", "data": RUNNING}, "processing"),
    "in a list of several": ({"data": [{"id": "other", "status": "failed"}, DONE]}, "completed"),
    "under another name": ({"data": {"projectId": "video_1", "taskStatus": "Running"}}, "processing"),
    "an error object of a failed one": (CROSSED, "failed"),
    "a status outside": ({"status": "processing", "data": {"id": "video_1"}}, "processing"),
    "a status inside": ({"id": "video_1", "data": {"status": "running"}}, "processing"),
    "an envelope's success without a status": ({"status": "success", "data": {"id": "video_1"}}, "missing (None)"),
}


@pytest.mark.parametrize(("body", "status"), QUERIES.values(), ids=QUERIES)
def test_a_query_is_answered_by_the_videos_own_status(body: Any, status: str) -> None:
    """Whatever the envelope says of the call: what was paid for is waited for until its own status ends it."""
    assert read_video(QUERY, http(body)).status == status


UNKNOWN_ERRORS: list[Any] = [
    {"code": 1001, "message": "task does not exist"},
    {"code": 1001, "message": "invalid api key"},
    {"success": False},
    {"code": -1},
]


@pytest.mark.parametrize("body", UNKNOWN_ERRORS)
def test_a_query_with_an_error_that_is_not_known_ends_nothing(body: Any) -> None:
    """Its words aren't guessed at: a failed poll."""
    found = error(QUERY, 200, body)
    assert isinstance(found, StarVideosMalformedAnswerError)
    assert not found.from_api
    assert not found.permanent


def test_a_query_with_a_known_code_is_that_error_also_beside_another_id() -> None:
    """An envelope's own id isn't another video's."""
    found = error(QUERY, 200, {"id": "req-1", "code": 404, "message": "task not found"})
    assert found.status_code == 404
    assert found.from_api
