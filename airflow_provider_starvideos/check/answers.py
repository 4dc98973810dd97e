"""The assumptions about every answer, whatever was asked."""

from __future__ import annotations

import re
from collections.abc import Callable

from airflow_provider_starvideos.api.retry import retry_after_seconds
from airflow_provider_starvideos.check.evidence import Evidence, Exchange
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge
from airflow_provider_starvideos.exceptions import StarVideosAPIError

SLOW_SECONDS = 10.0
"""A query that takes longer than this makes waiting dear."""
REQUEST_IDS = re.compile(r"[\x21-\x7e]{1,100}")


def status_of(exchange: Exchange) -> int:
    """Return an answer's status; 0 without one."""
    return exchange.response.status if exchange.response else 0


def _errors(evidence: Evidence) -> list[Exchange]:
    return [one for one in evidence.exchanges.values() if one.response and isinstance(one.read(), StarVideosAPIError)]


def _every(rule: Callable[[Exchange], object], which: Callable[[Evidence], list[Exchange]]) -> Callable[..., Finding]:
    """Return a test: the rule holds for every one of those answers."""

    def test(evidence: Evidence) -> Finding:
        answers = which(evidence)
        if not answers:
            return Finding(Outcome.UNKNOWN, "no such answer came")
        wrong = [one for one in answers if not rule(one)]
        return judge(not wrong, "; ".join(map(evidence.seen, wrong)) or f"{len(answers)} answers")

    return test


def _all(evidence: Evidence) -> list[Exchange]:
    return [one for one in evidence.exchanges.values() if one.response]


def _with(name: str) -> Callable[[Evidence], list[Exchange]]:
    return lambda evidence: [one for one in _all(evidence) if name in one.headers]


def _is_readable(exchange: Exchange) -> bool:
    """The provider finds the server's own words in an error: it says "It said: …"."""
    return isinstance(exchange.payload, dict) and " It said: " in str(exchange.read())


def _header_shown(name: str, rule: Callable[[str], object]) -> Callable[..., Finding]:
    def test(evidence: Evidence) -> Finding:
        values = [one.headers[name] for one in _with(name)(evidence)]
        if not values:
            return Finding(Outcome.UNKNOWN, f"no answer had {name}")
        seen = ", ".join(evidence.redact(value, 60) for value in values[:3])
        return judge(all(map(rule, values)), f"{name}: {seen}")

    return test


EVERY_ANSWER: tuple[Assumption, ...] = (
    Assumption(
        "error-json",
        "Every error is a JSON object with a message in error, message or msg",
        "observed",
        "The provider's errors show the body, not the server's message.",
        _every(_is_readable, _errors),
    ),
    Assumption(
        "error-status",
        "Errors have an error's HTTP status, not 200 with a code inside",
        "assumed",
        "Nothing: the code inside a 200 is read as the error that it is.",
        _every(lambda exchange: status_of(exchange) >= 400, _errors),
    ),
    Assumption(
        "content-type",
        "Every answer is application/json, by its own account",
        "assumed",
        "Nothing: JSON is read whatever it is called. A proxy in between may be the reason.",
        _every(lambda exchange: "json" in exchange.headers.get("content-type", "").lower(), _all),
    ),
    Assumption(
        "no-redirect",
        "No answer redirects",
        "assumed",
        "Redirects aren't followed with a key: put the target's address into the connection's host.",
        _every(lambda exchange: not 300 <= status_of(exchange) < 400, _all),
    ),
    Assumption(
        "not-compressed",
        "Answers aren't compressed, as asked for (Accept-Encoding: identity)",
        "assumed",
        "They are read all the same, up to the limit of a megabyte.",
        _every(lambda exchange: exchange.headers.get("content-encoding", "identity").lower() == "identity", _all),
    ),
    Assumption(
        "small",
        "Answers are smaller than a megabyte",
        "assumed",
        "Larger ones aren't read; an order's would be unconfirmed.",
        _every(lambda exchange: exchange.response and not exchange.response.too_large, _all),
    ),
    Assumption(
        "quick",
        f"Every answer comes within {SLOW_SECONDS:g} seconds",
        "assumed",
        "Raise the connection's timeout (60 s): an order that isn't answered in time is unconfirmed.",
        _every(lambda exchange: exchange.seconds < SLOW_SECONDS, _all),
    ),
    Assumption(
        "keep-alive",
        "The server keeps connections open",
        "assumed",
        "Waiting works, but each poll costs a new connection.",
        _every(lambda exchange: "close" not in exchange.headers.get("connection", "").lower(), _all),
    ),
    Assumption(
        "retry-after",
        "Where Retry-After comes, it is seconds or an HTTP date",
        "assumed",
        "It is ignored: repetitions come after the provider's own delays.",
        _header_shown("retry-after", lambda text: retry_after_seconds({"retry-after": text}) is not None),
    ),
    Assumption(
        "request-id",
        "Where X-Request-Id comes, it is short and printable",
        "assumed",
        "Errors show it cut, or not at all.",
        _header_shown("x-request-id", REQUEST_IDS.fullmatch),
    ),
)
