"""Answers that are errors: which error, what it says, and that the key is never in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.api.answers import read_video
from airflow_provider_starvideos.api.protocol import (
    Endpoint,
    HttpRequest,
    HttpResponse,
    create_request,
    query_request,
)
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRejectedError,
    StarVideosServerError,
)

KEY = "sk-key-of-the-error-tests"
ENDPOINT = Endpoint("https://api.example/base", KEY)
QUERY = query_request(ENDPOINT, "video_1")
ORDER = create_request(ENDPOINT, build_request(prompt="a red fox"))
REQUESTS = pytest.mark.parametrize("request_", [ORDER, QUERY], ids=["order", "query"])


def error(
    request: HttpRequest, status: int, body: Any = b"", *, too_large: bool = False, **headers: str
) -> StarVideosAPIError:
    """Return the error that an answer means; it must mean one."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(StarVideosAPIError) as caught:
        read_video(request, HttpResponse(status, lower, raw, too_large))
    return caught.value


STATUSES = {
    199: StarVideosRejectedError,
    300: StarVideosRejectedError,
    301: StarVideosRejectedError,
    302: StarVideosRejectedError,
    304: StarVideosRejectedError,
    400: StarVideosRejectedError,
    401: StarVideosAuthenticationError,
    402: StarVideosQuotaError,
    403: StarVideosAuthenticationError,
    404: StarVideosNotFoundError,
    405: StarVideosRejectedError,
    407: StarVideosRejectedError,
    408: StarVideosServerError,
    409: StarVideosRejectedError,
    413: StarVideosRejectedError,
    422: StarVideosRejectedError,
    424: StarVideosRejectedError,
    425: StarVideosServerError,
    444: StarVideosServerError,
    460: StarVideosServerError,
    429: StarVideosRateLimitError,
    498: StarVideosRejectedError,
    499: StarVideosServerError,
    500: StarVideosServerError,
    502: StarVideosServerError,
    503: StarVideosServerError,
    504: StarVideosServerError,
    599: StarVideosServerError,
    999: StarVideosServerError,
}
RETRYABLE = (StarVideosRateLimitError, StarVideosServerError)
BODIES = [b"", b"<html>nginx</html>", b"[]", b"null", b"5", b"{}", b'{"error": null}', b"\xff\xfe\x00", b"[" * 99_999]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:8]))
@pytest.mark.parametrize("status", STATUSES)
@REQUESTS
def test_each_status_is_its_error_whatever_the_body(request_: HttpRequest, status: int, body: bytes) -> None:
    """The class, and so whether a retry is of use, follows from the status alone; the message names call and status."""
    found = error(request_, status, body)
    assert type(found) is STATUSES[status]
    assert found.permanent == (not isinstance(found, RETRYABLE))
    assert found.status_code == status
    path = request_.url.removeprefix("https://api.example")
    assert str(found).startswith(f"{request_.method} {path} on api.example answered {status}: ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "bad ratio"}, "bad ratio"),
        ({"error": {"message": "bad ratio", "code": "invalid"}}, "bad ratio"),
        ({"error": {"msg": "bad ratio"}}, "bad ratio"),
        ({"error": {"code": "invalid_ratio"}}, "invalid_ratio"),
        ({"code": 400, "message": "bad ratio", "data": None}, "bad ratio"),
        ({"code": 1001, "msg": "bad ratio"}, "bad ratio"),
        ({"error": {}, "message": "bad ratio"}, "bad ratio"),
        ({"error": 5, "message": [5], "msg": "bad ratio"}, "bad ratio"),
    ],
)
def test_the_servers_own_words_are_passed_on(body: Any, said: str) -> None:
    """Wherever such servers put them."""
    found = error(ORDER, 400, body)
    assert str(found).endswith(f"the API refused the request. It said: {said}")
    assert json.loads(found.body) == body


@pytest.mark.parametrize("body", [{}, {"error": {}}, {"message": 5}, {"error": " "}, b"<html>", b""])
def test_without_words_nothing_is_quoted(body: Any) -> None:
    """A page of HTML or an empty object isn't taken for a message."""
    assert "It said" not in str(error(ORDER, 400, body))


def test_what_a_human_can_do_is_said() -> None:
    """A refused key, missing credit and a wrong base URL each point to what to check."""
    assert "check the connection's password" in str(error(QUERY, 401, {"error": "bad key"}))
    assert "no credit" in str(error(ORDER, 402))
    assert "check the base URL" in str(error(ORDER, 404))
    assert "check the base URL" in str(error(QUERY, 404, {"message": "No handler found for GET /v1/result/video_1"}))


@pytest.mark.parametrize(
    ("body", "names_video"),
    [
        ({"error": {"message": "No video 'video_1'.", "code": "video_not_found"}}, True),
        ({"message": "video not found"}, True),
        ({"code": 404, "data": None}, True),
        ({"message": "No handler found for GET /base/v1/result/video_1"}, False),
        ({"error": "NO HANDLER FOUND FOR GET /x"}, False),
        ({"detail": "Not Found"}, False),
        (b"<html>404</html>", False),
        (b"", False),
        (b"[]", False),
    ],
)
def test_an_unknown_video_is_told_from_an_unknown_path(body: Any, names_video: bool) -> None:
    """Only the former may be asked for again, and only it proves that there is such an API."""
    found = error(QUERY, 404, body)
    assert isinstance(found, StarVideosNotFoundError)
    assert found.names_video is names_video
    assert ("doesn't know this video" in str(found)) is names_video


def test_an_order_is_never_about_an_unknown_video() -> None:
    """A 404 to an order is about the path, whatever its body."""
    found = error(ORDER, 404, {"message": "not found"})
    assert isinstance(found, StarVideosNotFoundError)
    assert not found.names_video


def test_an_error_carries_what_a_program_needs() -> None:
    """The server's id of the request and the wait that it asked for are attributes, where it sent them."""
    found = error(ORDER, 429, {"error": "slow down"}, retry_after="7", x_request_id="req-1")
    assert (found.retry_after, found.request_id) == (7.0, "req-1")
    bare = error(ORDER, 429)
    assert (bare.retry_after, bare.request_id, bare.body) == (None, None, "")


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"code": 401, "message": "Invalid API key.", "data": None}, StarVideosAuthenticationError),
        ({"code": "402", "message": "x"}, StarVideosQuotaError),
        ({"code": 429.0, "msg": "x"}, StarVideosRateLimitError),
        ({"error": {"code": 500, "message": "x"}}, StarVideosServerError),
        ({"code": 404, "message": "x"}, StarVideosNotFoundError),
        ({"code": 400, "message": "x", "data": {}}, StarVideosRejectedError),
    ],
)
@REQUESTS
def test_an_error_inside_a_200_is_that_error(request_: HttpRequest, payload: Any, kind: type) -> None:
    """With a code of 400 to 599 and no video, the code counts as the status."""
    found = error(request_, 200, payload)
    assert type(found) is kind
    assert found.status_code == int(float(payload.get("code") or payload["error"]["code"]))


@pytest.mark.parametrize("code", [200, 0, -1, 399, 600, 1001, 401.5, True, None, "ok", "NaN", [401], {"code": 401}])
def test_another_code_inside_a_200_is_no_status(code: Any) -> None:
    """Such an answer is malformed: it isn't known what it means, least of all that an order was refused."""
    assert type(error(ORDER, 200, {"code": code, "message": "x"})) is StarVideosMalformedAnswerError


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.example/sign-in?next=x", "login.example"),
        ("https://user:SECRET@login.example:8443/", "login.example"),
        (f"https://{KEY}.example/", "***.example"),
        ("/elsewhere", "another path"),
        ("", "another path"),
        ("https://[broken", "an address that can't be read"),
        ("\udcff\udcfe", "another path"),
    ],
)
@REQUESTS
def test_a_redirect_is_an_error_that_names_the_other_host(request_: HttpRequest, location: str, shown: str) -> None:
    """It isn't followed, because the key would go along; of its target only the host is shown."""
    found = error(request_, 302, location=location)
    assert f"the server redirects to {shown}, which isn't followed with a key" in str(found)
    assert "SECRET" not in str(found)


ECHOES = [
    {"error": f"Invalid key {KEY}."},
    {"error": {"message": f"Bearer {KEY} is unknown", "code": KEY}},
    f"<html>You sent Authorization: Bearer {KEY}</html>".encode(),
    b"x" * (2000 - len(KEY) // 2) + KEY.encode() + b"x" * 2000,
    {"error": "x" * (500 - len(KEY) // 2) + KEY},
]


@pytest.mark.parametrize("status", [200, 302, 401, 429, 500])
@pytest.mark.parametrize("body", ECHOES, ids=["text", "object", "html", "across the cut", "across the message's cut"])
def test_a_key_that_the_server_echoes_is_taken_out(status: int, body: Any) -> None:
    """Neither message nor body nor request id shows it, nor a part of it where they are cut."""
    found = error(QUERY, status, body, x_request_id=f"req {KEY}", location=f"https://x.example/{KEY}")
    everything = f"{found} {found.body} {found.request_id} {found.__dict__!r}"
    assert KEY not in everything
    assert KEY[:6] not in everything


def test_a_part_of_the_key_is_not_left_where_a_signed_url_is_cut_away() -> None:
    """A text is cut twice, before and after queries are taken out: the key is gone before the first cut."""
    url = "https://bucket.example/a.png?" + "s" * 600
    found = error(QUERY, 400, {"error": url + " " * (1000 - len(url) - len(KEY) // 2) + KEY + "x" * 500})
    assert KEY[:6] not in str(found)


def test_an_inputs_signature_is_not_repeated() -> None:
    """The API may name the URL of an input, and its query opens the object: neither message nor body shows it."""
    found = error(ORDER, 400, {"error": "can't read https://bucket.example/a.png?X-Amz-Signature=SECRET, sorry"})
    assert "can't read https://bucket.example/a.png?…" in str(found)
    assert "SECRET" not in f"{found} {found.body}"


def test_a_key_in_the_place_of_an_id_is_taken_out() -> None:
    """The message about another video shows that one's id, and a server can put anything there."""
    found = error(QUERY, 200, {"id": KEY, "status": "queued"})
    assert "about another video" in str(found)
    assert KEY not in f"{found} {found.body}"


def test_an_errors_texts_are_short_and_printable() -> None:
    """A megabyte of anything, and control characters, do no harm to a log."""
    found = error(QUERY, 500, {"error": "a\n\x1b[2J\u202eb" + "x" * 1_000_000}, x_request_id="r" * 10_000)
    assert str(found).isprintable()
    assert found.body.isprintable()
    assert len(str(found)) < 700
    assert len(found.body) == 2000
    assert found.request_id is not None
    assert len(found.request_id) == 100
