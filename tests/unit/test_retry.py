"""Pure decisions: was an order accepted, is a call worth repeating, and when."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import pytest

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.retry import LOST as LOST_ORDER
from airflow_provider_starvideos.api.retry import (
    NOT_RECORDED,
    NOT_SENT,
    ORDER_OUTCOMES,
    UNREADABLE,
    backoff,
    delay_before_repeat,
    delay_before_unknown_repeat,
    retry_after_seconds,
    was_not_accepted,
)
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRecordError,
    StarVideosRejectedError,
    StarVideosServerError,
    StarVideosUnconfirmedError,
    StarVideosValidationError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UNSENT = StarVideosConnectionError("refused", sent=False)
LOST = StarVideosConnectionError("reset", sent=True)


def api(
    kind: type[StarVideosAPIError], status: int, retry_after: float | None = None, *, from_api: bool = True
) -> StarVideosAPIError:
    """Return an error of the API, or of something in front of it."""
    return kind("x", status_code=status, retry_after=retry_after, from_api=from_api)


def not_found(*, names_video: bool) -> StarVideosNotFoundError:
    """Return a 404."""
    error = StarVideosNotFoundError("x", status_code=404)
    error.names_video = names_video
    return error


# Each way in which a call can end: was an order certainly not accepted, is an order sent again, is a query.
OUTCOMES: dict[str, tuple[StarVideosError, bool, bool, bool]] = {
    "never connected": (UNSENT, True, True, True),
    "lost after sending": (LOST, False, False, True),
    "301": (api(StarVideosRejectedError, 301), True, False, False),
    "302": (api(StarVideosRejectedError, 302), False, False, False),
    "303": (api(StarVideosRejectedError, 303), False, False, False),
    "307": (api(StarVideosRejectedError, 307), True, False, False),
    "308": (api(StarVideosRejectedError, 308), True, False, False),
    "400": (api(StarVideosRejectedError, 400), True, False, False),
    "401": (api(StarVideosAuthenticationError, 401), True, False, False),
    "402": (api(StarVideosQuotaError, 402), True, False, False),
    "403": (api(StarVideosAuthenticationError, 403), True, False, False),
    "404": (not_found(names_video=False), True, False, False),
    "404 of a video": (not_found(names_video=True), True, False, False),
    "408": (api(StarVideosServerError, 408), False, False, True),
    "409": (api(StarVideosRejectedError, 409), False, False, False),
    "421": (api(StarVideosRejectedError, 421), True, False, False),
    "422": (api(StarVideosRejectedError, 422), True, False, False),
    "425": (api(StarVideosServerError, 425), True, False, True),
    "429": (api(StarVideosRateLimitError, 429), True, True, True),
    "499": (api(StarVideosServerError, 499), False, False, True),
    "500": (api(StarVideosServerError, 500), False, False, True),
    "502": (api(StarVideosServerError, 502), False, False, True),
    "429 of a gateway": (api(StarVideosRateLimitError, 429, from_api=False), True, True, True),
    "444": (api(StarVideosServerError, 444), False, False, True),
    "460": (api(StarVideosServerError, 460), False, False, True),
    "503": (api(StarVideosServerError, 503), True, True, True),
    "503 of a gateway": (api(StarVideosServerError, 503, 1.0, from_api=False), False, False, True),
    "529": (api(StarVideosServerError, 529), False, False, True),
    "101": (api(StarVideosRejectedError, 101), False, False, False),
    "600": (api(StarVideosServerError, 600), False, False, True),
    "504": (api(StarVideosServerError, 504), False, False, True),
    "520": (api(StarVideosServerError, 520), False, False, True),
    "unreadable 200": (api(StarVideosMalformedAnswerError, 200), False, False, False),
    "unreadable 204": (api(StarVideosMalformedAnswerError, 204), False, False, False),
    "nothing could be recorded": (StarVideosRecordError("x"), True, False, False),
    "anything else": (StarVideosError("x"), False, False, False),
    "configuration": (StarVideosConfigurationError("x"), False, False, False),
    "validation": (StarVideosValidationError([]), False, False, False),
    "unconfirmed": (StarVideosUnconfirmedError("x"), False, False, False),
    "failed": (StarVideosVideoFailedError("video_1", "x"), False, False, False),
    "timed out": (StarVideosWaitTimeoutError("x"), False, False, False),
}


@pytest.mark.parametrize(("error", "refused", "order_again", "query_again"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_each_outcome_means(error: StarVideosError, refused: bool, order_again: bool, query_again: bool) -> None:
    """An order is sent again only where it never left or the server said "not now"; a query where it may help."""
    assert was_not_accepted(error) is refused
    for is_order, again in ((True, order_again), (False, query_again)):
        delay = delay_before_repeat(error, repeats=0, max_retries=3, is_order=is_order, chance=0.5)
        assert (delay is not None) is again


@pytest.mark.parametrize(("error", "refused", "order_again", "query_again"), OUTCOMES.values(), ids=OUTCOMES)
def test_an_order_is_never_repeated_where_it_might_have_been_accepted(
    error: StarVideosError, refused: bool, order_again: bool, query_again: bool
) -> None:
    """The two decisions can't contradict each other: whatever is sent again provably wasn't accepted."""
    assert refused or delay_before_repeat(error, repeats=0, max_retries=20, is_order=True, chance=0.0) is None


def test_no_line_sends_again_what_may_have_been_accepted() -> None:
    """The table holds it by itself, whatever the code around it does."""
    lines = [*ORDER_OUTCOMES, NOT_SENT, NOT_RECORDED, LOST_ORDER, UNREADABLE]
    assert [line.what for line in lines if line.sent_again] == ["429", "503", "no connection was made"]
    assert all(line.accepted is False for line in lines if line.sent_again)
    assert all(line.why for line in lines)


@pytest.mark.parametrize(
    ("repeats", "max_retries", "again"), [(0, 0, False), (0, 1, True), (1, 1, False), (19, 20, True)]
)
def test_repetitions_are_counted(repeats: int, max_retries: int, again: bool) -> None:
    """So many, and not one more."""
    for is_order in (True, False):
        delay = delay_before_repeat(UNSENT, repeats=repeats, max_retries=max_retries, is_order=is_order, chance=0.0)
        assert (delay is not None) is again


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.5, 1.0])
def test_the_backoff_doubles_up_to_its_bound(chance: float) -> None:
    """1, 2, 4, 8, 16, then 30 seconds for ever, each less up to half of it by chance."""
    share = 1.0 - 0.5 * chance
    assert [backoff(repeats, chance) for repeats in range(8)] == [s * share for s in (1, 2, 4, 8, 16, 30, 30, 30)]
    assert backoff(100_000, chance) == 30 * share


@pytest.mark.parametrize("kind", [StarVideosRateLimitError, StarVideosServerError])
@pytest.mark.parametrize("is_order", [True, False])
def test_the_wait_that_the_server_asks_for_is_kept(kind: type[StarVideosAPIError], is_order: bool) -> None:
    """Never sooner than asked, whatever chance says, and spread beyond that."""
    status = 429 if kind is StarVideosRateLimitError else 503
    for asked in (0.0, 1.0, 59.5, 60.0):
        error = api(kind, status, asked)
        delays = [
            delay_before_repeat(error, repeats=0, max_retries=3, is_order=is_order, chance=chance)
            for chance in (0.0, 1.0)
        ]
        assert delays == [asked + 1.0, asked + 0.5]


@pytest.mark.parametrize("asked", [60.1, 3600.0, 86400.0])
def test_a_long_wait_is_not_slept_through(asked: float) -> None:
    """A worker doesn't sleep for an hour: the call fails at once, with ``retry_after`` for the task's retry."""
    error = api(StarVideosRateLimitError, 429, asked)
    assert delay_before_repeat(error, repeats=0, max_retries=3, is_order=False, chance=0.0) is None
    assert error.retry_after == asked


def test_a_video_that_is_not_known_yet_is_asked_for_twice_more() -> None:
    """An id that was just given out may take a moment; one that doesn't exist isn't waited for long."""
    unknown = not_found(names_video=True)
    assert [delay_before_unknown_repeat(unknown, repeats=repeats) for repeats in range(4)] == [3.0, 3.0, None, None]


@pytest.mark.parametrize("error", [not_found(names_video=False), UNSENT, api(StarVideosRejectedError, 400)], ids=str)
def test_nothing_else_counts_as_not_known_yet(error: StarVideosError) -> None:
    """A wrong path isn't going to become a right one."""
    assert delay_before_unknown_repeat(error, repeats=0) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("5.", 5.0),
        ("86400", 86400.0),
        ("86401", 86400.0),
        ("9" * 400, 86400.0),
    ],
)
def test_retry_after_in_seconds(text: str, seconds: float) -> None:
    """A number of seconds, bounded by a day."""
    assert retry_after_seconds({"retry-after": text}) == seconds


@pytest.mark.parametrize(
    ("later", "seconds"),
    [(timedelta(seconds=90), 90.0), (timedelta(0), None), (timedelta(hours=-1), None), (timedelta(days=400), 86400.0)],
)
@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=5), timedelta(days=-3000)])
def test_retry_after_as_a_date_is_read_against_the_servers_clock(
    later: timedelta, seconds: float | None, offset: timedelta
) -> None:
    """However wrong the server's clock is, the difference counts; the past asks for nothing, and a day is the most."""
    server_now = NOW + offset
    headers = {
        "retry-after": format_datetime(server_now + later, usegmt=True),
        "date": format_datetime(server_now, usegmt=True),
    }
    assert retry_after_seconds(headers) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Nov 2026 08:49:37 GMT"])
def test_without_a_readable_date_this_machines_clock_counts(date: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing or broken Date header doesn't make Retry-After unreadable."""
    monkeypatch.setattr(retry.time, "time", lambda: NOW.timestamp())
    headers = {"retry-after": formatdate(NOW.timestamp() + 30, usegmt=True)} | (
        {"date": date} if date is not None else {}
    )
    assert retry_after_seconds(headers) == 30.0


@pytest.mark.parametrize(
    "form", ["Sun, 01 Mar 2026 12:00:30 GMT", "Sunday, 01-Mar-26 12:00:30 GMT", "Sun Mar  1 12:00:30 2026"]
)
def test_the_three_forms_of_an_http_date_are_in_gmt(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the one that doesn't say so, and wherever this machine is."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert retry_after_seconds({"retry-after": form, "date": "Sun, 01 Mar 2026 12:00:00 GMT"}) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0.0",
        "00",
        "soon",
        "-5",
        "1e3",
        "0x10",
        "1,5",
        "1_0",
        "٥",
        "NaN",
        "inf",
        ".",
        "Sun, 31 Feb 2026 12:00:00 GMT",
    ],
)
def test_an_unreadable_retry_after_or_one_of_nothing_is_none(text: str) -> None:
    """It is as if there were none."""
    assert retry_after_seconds({"retry-after": text}) is None
    assert retry_after_seconds({}) is None
