"""Requests as bytes, and what an answer means: videos, errors, and everything that is neither."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.api import answers
from airflow_provider_starvideos.api.answers import read_video
from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.api.protocol import (
    Endpoint,
    HttpRequest,
    HttpResponse,
    check_video_id,
    create_request,
    query_request,
)
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosMalformedAnswerError,
    StarVideosValidationError,
)

KEY = "sk-key-of-the-protocol-tests"
BASE = "https://api.example/base"
ENDPOINT = Endpoint(BASE, KEY)
QUERY = query_request(ENDPOINT, "video_1")
ORDER = create_request(ENDPOINT, build_request(prompt="a red fox"))
VIDEO = {"id": "video_1", "object": "video", "created": 1700000000, "model": "starvideos_o3", "status": "processing"}


def answer(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    """Return an answer with that body; anything but bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, headers, raw)


def video(**fields: Any) -> VideoTask:
    """Return the video of an answer with some fields changed."""
    return read_video(QUERY, answer({**VIDEO, **fields}))


def test_the_order_request() -> None:
    """An order is a POST of JSON to the documented path; the key is in no ``repr`` of it."""
    assert (ORDER.method, ORDER.url) == ("POST", f"{BASE}/v1/starvideos/videos")
    assert ORDER.is_order
    assert KEY not in repr(ORDER)
    assert "a red fox" not in repr(ORDER) + repr(answer({"prompt": "a red fox"}))


def test_the_query_request() -> None:
    """A query is a GET of the documented path, without a body, and costs nothing."""
    assert (QUERY.method, QUERY.url, QUERY.body) == ("GET", f"{BASE}/v1/result/video_1", None)
    assert not QUERY.is_order
    assert KEY not in repr(QUERY) + repr(ENDPOINT)


@pytest.mark.parametrize(
    "video_id",
    ["video_starvideos_1234567890", "video_8c6f3d0e-1c1a-4ff0-9d4c-2f1c3a0b7a10", "1", "a.b~c-d_e", "v" * 200],
)
def test_ids_of_the_api_are_taken(video_id: str) -> None:
    """Ids of the documented forms pass unchanged, and with blanks around them, as templates leave them, too."""
    assert check_video_id(video_id) == check_video_id(f" {video_id}\n") == video_id


BLANK_IDS = ["", "  ", "a b", "a\nb", "a\x00b"]
PATHS = ["a/b", "/", "..", "../v1", ".", "a\\b", "a?b", "a#b", "a%2fb"]
ODD_IDS = ["vidéo", "v\u0661", "-a", "v" * 201, "{{ x }}"]
NO_TEXT = [None, 5, True, b"video_1", ["video_1"], {"id": "video_1"}]


@pytest.mark.parametrize("video_id", [*BLANK_IDS, *PATHS, *ODD_IDS, *NO_TEXT])
def test_what_cannot_be_an_id_is_refused_before_anything_is_sent(video_id: Any) -> None:
    """Nothing that could reach another path, and nothing but text; the message has field and rule."""
    with pytest.raises(StarVideosValidationError, match="video_id: must be a StarVideos id such as"):
        check_video_id(video_id)
    with pytest.raises(StarVideosValidationError):
        query_request(ENDPOINT, video_id)


def test_of_a_missing_id_the_error_says_where_to_look() -> None:
    """Not of an empty text or any other value: those come from somewhere."""
    with pytest.raises(
        StarVideosValidationError, match=r"the task it was to come from has returned nothing .*got None"
    ):
        check_video_id(None)
    with pytest.raises(StarVideosValidationError, match=r"has returned nothing .*got 'None'"):
        check_video_id("None")
    with pytest.raises(StarVideosValidationError) as caught:
        check_video_id("")
    assert "returned nothing" not in str(caught.value)


def test_every_documented_field_is_read() -> None:
    """A completed video has all of its fields, with their documented types."""
    task = video(status="completed", video_url="https://files.example/v.mp4", actualDuration=5.04, error=None)
    assert task == VideoTask(
        "video_1",
        TaskStatus.COMPLETED,
        video_url="https://files.example/v.mp4",
        actual_duration=5.04,
        created=1700000000,
        model="starvideos_o3",
    )
    assert task.is_completed
    assert not task.is_failed


@pytest.mark.parametrize("url", ["", None, 5, ["https://files.example/v.mp4"], "https://h/\ud800", "https://h/\0"])
def test_without_a_text_as_url_there_is_none(url: Any) -> None:
    """An empty one is none, too: a download asks once more."""
    assert video(status="completed", video_url=url).video_url is None


def test_the_result_url_is_not_in_a_repr() -> None:
    """The URL is signed: a video that is logged doesn't show it."""
    assert "files.example" not in repr(video(status="completed", video_url="https://files.example/v.mp4?sig=x"))


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title, lambda text: f" {text}\n"])
def test_documented_statuses_are_known_however_they_are_spelled(status: TaskStatus, spell: Any) -> None:
    """Case and blanks don't matter."""
    task = video(status=spell(status.value))
    assert task.status == status
    assert task.has_known_status
    assert (task.is_completed, task.is_failed) == (status == "completed", status == "failed")


@pytest.mark.parametrize("status", ["paused", "", "successful", "complete", None, 5, True, [], {}, ["completed"]])
def test_any_other_status_is_neither_completed_nor_failed(status: Any) -> None:
    """An unknown status, or none, or one of another type is "still waiting"; never success, never a crash."""
    task = video(status=status)
    assert not task.has_known_status
    assert not task.is_completed
    assert not task.is_failed


def test_a_status_is_shortened_and_made_fit_for_a_log() -> None:
    """It ends up in messages: neither its length nor control characters nor the key get there."""
    assert len(video(status="x" * 100_000).status) == 100
    assert video(status=f"a\nb\x1b[2J{KEY}\ud800").status == "a b [2j***"


WRONG_TYPES: list[Any] = [None, True, 5, 5.5, "x", "", [], {}, [1], {"a": 1}, -1, 1e300, 10**400, "1" * 400]


@pytest.mark.parametrize("value", WRONG_TYPES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("field", ["object", "created", "model", "error", "video_url", "actualDuration", "message"])
def test_a_field_of_a_wrong_type_never_upsets_the_reading(field: str, value: Any) -> None:
    """Whatever is in a field, the video is read, and every field has its type or is None."""
    task = video(**{field: value})
    assert task.id == "video_1"
    for name, kind in {"error": str, "video_url": str, "model": str, "created": int, "actual_duration": float}.items():
        assert isinstance(getattr(task, name), kind | None), name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5.0),
        ("5.04", 5.04),
        (None, None),
        (True, None),
        ("nan", None),
        ("abc", None),
        (10**400, None),
        ([], None),
        (-3, None),
        (2**53, None),
    ],
)
def test_the_duration_is_a_finite_number_or_none(value: Any, expected: float | None) -> None:
    """It is pushed as an XCom and formatted: no NaN, no infinity, no text."""
    assert video(actualDuration=value).actual_duration == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1_700_000_000, 1_700_000_000), ("1700000000", 1_700_000_000), (1_700_000_000_123, None), (-1, None), (0, None)],
)
def test_the_time_of_the_order_is_in_unix_seconds_or_unknown(value: Any, expected: int | None) -> None:
    """Milliseconds would make a metric of an order in the year 55000, and a log line of 0 seconds."""
    assert video(created=value).created == expected


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_json_constants_that_python_reads_are_no_durations(name: str) -> None:
    """Python's JSON reader takes NaN and Infinity; a video doesn't."""
    raw = b'{"id": "video_1", "status": "completed", "actualDuration": %s}' % name.encode()
    assert read_video(QUERY, answer(raw)).actual_duration is None


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ({"error": "content policy"}, "content policy"),
        ({"error": {"message": "content policy", "code": "x"}}, "content policy"),
        ({"error": {"code": "moderated"}}, "moderated"),
        ({"message": "content policy"}, "content policy"),
        ({"msg": " content policy "}, "content policy"),
        ({"error": "  ", "message": "content policy"}, "content policy"),
        ({"error": None, "message": "content policy"}, "content policy"),
        ({"error": None}, None),
        ({"error": ""}, None),
        ({"error": f"no credit for {KEY}\n\x1b[0m"}, "no credit for ***  [0m"),
    ],
)
def test_the_reason_of_a_failed_video_is_the_apis_own(wire: dict[str, Any], reason: str | None) -> None:
    """Wherever such a server puts its words, they are found; the key and control characters aren't in them."""
    assert video(status="failed", **wire).error == reason


def test_a_reason_is_shortened() -> None:
    """It goes into an exception and through the database: a server's megabyte doesn't."""
    assert video(status="failed", error="x" * 500).error == "x" * 500
    assert video(status="failed", error="x" * 501).error == "x" * 499 + "…"
    assert video(status="failed", error="x" * 1_000_000).error == "x" * 499 + "…"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda wire: {"data": wire},
        lambda wire: {"code": 200, "message": "success", "data": wire},
        lambda wire: {"code": 0, "data": wire, "id": None},
        lambda wire: {"id": "", "data": wire},
        lambda wire: {"id": 5, "data": wire},
        lambda wire: {**wire, "new_field": {"deep": [1]}, "data": None},
        lambda wire: {**wire, "code": 200},
    ],
)
@pytest.mark.parametrize("request_", [ORDER, QUERY], ids=["order", "query"])
def test_a_video_is_found_in_an_envelope_and_beside_unknown_fields(wrap: Any, request_: HttpRequest) -> None:
    """Sibling endpoints wrap the object in ``data``, and any field may be added."""
    assert read_video(request_, answer(wrap(VIDEO))) == read_video(request_, answer(VIDEO))


@pytest.mark.parametrize(
    "wire",
    [
        {**VIDEO, "id": "video_2"},
        {**VIDEO, "id": "VIDEO_1"},
        {**VIDEO, "id": "video_12"},
        {"code": 200, "data": {**VIDEO, "id": "video_2"}},
        {**VIDEO, "id": "video_2", "status": "completed", "video_url": "https://files.example/another.mp4"},
    ],
)
def test_an_answer_about_another_video_is_a_malformed_answer(wire: dict[str, Any]) -> None:
    """A mixed-up answer (a cache, a proxy) never delivers another video; the wait goes on."""
    with pytest.raises(StarVideosMalformedAnswerError, match=r"about another video \('") as caught:
        read_video(QUERY, answer(wire))
    assert not caught.value.permanent


@pytest.mark.parametrize("video_id", ["video_1 ", "\tvideo_1\n", " video_1"])
@pytest.mark.parametrize("request_", [ORDER, QUERY], ids=["order", "query"])
def test_blanks_around_an_id_are_no_part_of_it(video_id: str, request_: HttpRequest) -> None:
    """An order that was accepted isn't lost over one, and the id that is kept can be asked for."""
    assert read_video(request_, answer({**VIDEO, "id": video_id})).id == "video_1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_in_any_of_its_encodings(encoding: str) -> None:
    """A byte order mark or another Unicode encoding doesn't make an answer unreadable."""
    assert read_video(QUERY, answer(json.dumps(VIDEO).encode(encoding))).id == "video_1"


UNREADABLE = {
    "empty": (b"", "the answer is empty"),
    "blank": (b" \r\n", "the answer is empty"),
    "HTML": (b"<!DOCTYPE html><html><body>Please sign in</body></html>", "the answer isn't JSON"),
    "text": (b"OK", "the answer isn't JSON"),
    "half": (b'{"id": "video_1", "status": "que', "the answer isn't JSON"),
    "null": (b"null", "the answer isn't JSON"),
    "bytes": (bytes(range(256)), "the answer isn't JSON"),
    "deep": (b"[" * 200_000, "the answer isn't JSON"),
    "deep object": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "the answer isn't JSON"),
    "huge number": (b'{"id": "video_1", "created": ' + b"1" * 10_000 + b"}", "the answer isn't JSON"),
    "a list": (b"[]", "the answer holds no video"),
    "a number": (b"5", "the answer holds no video"),
    "a text": (b'"video_1"', "the answer holds no video"),
    "no id": (b'{"status": "queued"}', "the answer holds no video"),
    "an id of another type": (b'{"id": 5.5, "status": "queued"}', "the answer holds no video"),
    "an id that isn't one": (b'{"id": "../admin", "status": "queued"}', "the answer holds no video"),
    "an empty envelope": (b'{"code": 200, "data": {}}', "the answer holds no video"),
    "an envelope with an empty list": (b'{"code": 200, "data": []}', "the answer holds no video"),
}


@pytest.mark.parametrize(("body", "meaning"), UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_without_a_readable_video_is_a_malformed_answer(body: bytes, meaning: str, status: int) -> None:
    """Never a crash, never a made-up video: one error that says what came instead."""
    with pytest.raises(StarVideosMalformedAnswerError, match=meaning) as caught:
        read_video(QUERY, answer(body, status))
    assert caught.value.status_code == status
    assert not caught.value.permanent


def test_a_success_that_was_cut_at_the_cap_is_a_malformed_answer() -> None:
    """Even if what arrived happens to be readable: it isn't what was sent."""
    cut = HttpResponse(200, {}, json.dumps(VIDEO).encode(), too_large=True)
    with pytest.raises(StarVideosMalformedAnswerError, match="larger than 1048576 bytes"):
        read_video(QUERY, cut)


POLLED: dict[str, Any] = {
    "id": "video_1",
    "object": "video",
    "created": 1_700_000_000,
    "model": "starvideos_o3",
    "status": "processing",
    "error": None,
}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"status": "queued"},
    {"video_url": None, "actualDuration": None},
    {"status": "Processing"},
    {"status": ["processing"]},
    {"status": {"a": 1}},
    {"status": "completed", "video_url": "https://files.example/v.mp4", "actualDuration": 3},
    {"status": "failed", "error": "no"},
    {"error": "slow today"},
    {"error": {"message": "slow"}},
    {"video_url": "https://files.example/v.mp4"},
    {"id": "video_2"},
    {"id": " video_1"},
    {"id": 1},
    {"model": "another"},
    {"model": None},
    {"object": "error"},
    {"object": ["video"]},
    {"created": True},
    {"created": 1.5},
    {"created": "1700000000"},
    {"created": 0},
    {"created": 10**15},
    {"created": None},
    {"code": 401, "message": "no key"},
    {"amount": 1},
]


@pytest.mark.parametrize("changed", VARIANTS, ids=str)
@pytest.mark.parametrize("request_", [QUERY, ORDER], ids=["query", "order"])
def test_the_short_way_says_what_the_long_way_says(
    changed: dict[str, Any], request_: HttpRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most polls read an answer word by word as documented; what that means isn't written twice."""

    def outcome() -> Any:
        try:
            return read_video(request_, answer(POLLED | changed))
        except StarVideosAPIError as error:
            return type(error), str(error)

    short = outcome()
    monkeypatch.setattr(answers, "_under_way", lambda request, payload: None)
    assert outcome() == short


def test_most_polls_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's answers, which are the documented ones, among them."""
    monkeypatch.setattr(answers, "_Answer", None)
    assert read_video(QUERY, answer(POLLED)).status == "processing"
    assert read_video(QUERY, answer(POLLED | {"video_url": None, "actualDuration": None})).created == 1_700_000_000
