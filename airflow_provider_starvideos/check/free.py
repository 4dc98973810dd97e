"""The assumptions that can be tested without spending anything; see ``probes``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.retry import was_not_accepted
from airflow_provider_starvideos.check.evidence import Evidence, Exchange
from airflow_provider_starvideos.check.probes import KEY, KEY_ORDER, ORDER, PATH, UNKNOWN
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, reads_as, told
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosNotFoundError,
)

SLOW_SECONDS = 10.0


def _is_unknown_path(answer: VideoTask | StarVideosError) -> bool:
    return isinstance(answer, StarVideosNotFoundError) and not answer.names_video


def _is_unknown_video(answer: VideoTask | StarVideosError) -> bool:
    return isinstance(answer, StarVideosNotFoundError) and answer.names_video


def _path_apart(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[PATH]
    answer = exchange.read()
    return judge(isinstance(answer, StarVideosError) and not _is_unknown_video(answer), told(evidence, exchange))


def _unknown_id(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[UNKNOWN]
    answer = exchange.read()
    if isinstance(answer, StarVideosAuthenticationError):
        return Finding(Outcome.UNKNOWN, f"the key was refused; {evidence.seen(exchange)}")
    return judge(_is_unknown_video(answer), told(evidence, exchange))


def _query_path(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[UNKNOWN]
    return judge(not _is_unknown_path(exchange.read()), told(evidence, exchange))


def _key_taken(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[UNKNOWN]
    return judge(not isinstance(exchange.read(), StarVideosAuthenticationError), told(evidence, exchange))


def _order_path(evidence: Evidence) -> Finding:
    """A 404 may be about the model, too; what tells a path from a video does so here."""
    exchange = evidence.exchanges[ORDER]
    unknown = _is_unknown_path(replace(exchange, request=replace(exchange.request, method="GET")).read())
    return judge(not unknown and exchange.status != 405, told(evidence, exchange))


def _order_refused(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    answer = exchange.read()
    if isinstance(answer, VideoTask):
        return judge(False, f"A VIDEO WAS ORDERED, and may be billed: {answer.id}. {told(evidence, exchange)}")
    return judge(was_not_accepted(answer), told(evidence, exchange))


def _every(rule: Callable[[Exchange], object], *, errors: bool = False) -> Callable[[Evidence], Finding]:
    """Return a test: the rule holds for every answer, or for every error."""

    def test(evidence: Evidence) -> Finding:
        answers = [one for one in evidence.exchanges.values() if one.response]
        answers = [one for one in answers if not errors or isinstance(one.read(), StarVideosAPIError)]
        wrong = [one for one in answers if not rule(one)]
        return judge(not wrong, "; ".join(map(evidence.seen, wrong)) or f"{len(answers)} answers")

    return test


FREE: tuple[Assumption, ...] = (
    Assumption(
        "path-apart",
        "An unknown path isn't taken for an unknown video",
        "observed",
        "The connection's test button and waits would take a wrong base URL for a video that doesn't exist.",
        _path_apart,
        (PATH,),
    ),
    Assumption(
        "key-taken",
        "The key that was given isn't refused",
        "documented",
        "Nothing works with this key: check the connection's password.",
        _key_taken,
        (UNKNOWN,),
    ),
    Assumption(
        "query-path",
        "The server knows the path of queries, /v1/result/…",
        "documented",
        "No video can be waited for. Is the base URL right (the connection's host)? If so, tell the authors.",
        _query_path,
        (UNKNOWN,),
    ),
    Assumption(
        "id-unknown",
        "An id that doesn't exist answers 404, or a 200 with code 404, in the API's own JSON",
        "assumed",
        "A wait for a wrong id ends after several errors or at its deadline, not at once; the test button is red.",
        _unknown_id,
        (UNKNOWN,),
    ),
    Assumption(
        "key-wrong",
        "A query with a wrong key is refused with 401 or 403, by status or by code",
        "assumed",
        "A wrong key isn't recognized: tasks are retried though a retry can't help.",
        reads_as(KEY, StarVideosAuthenticationError),
        (KEY,),
    ),
    Assumption(
        "key-wrong-order",
        "An order with a wrong key is refused with 401 or 403, by status or by code",
        "assumed",
        "An order with a wrong key isn't recognized as one, and may end as unconfirmed.",
        reads_as(KEY_ORDER, StarVideosAuthenticationError),
        (KEY_ORDER,),
    ),
    Assumption(
        "order-path",
        "The server knows the path of orders, /v1/starvideos/videos",
        "documented",
        "No video can be ordered. Is the base URL right (the connection's host)? If so, tell the authors.",
        _order_path,
        (ORDER,),
    ),
    Assumption(
        "order-refused",
        "An order that breaks every rule is refused in a way that proves that it wasn't accepted",
        "documented",
        "Refused orders end as unconfirmed, or are accepted: somebody has to look into the account each time.",
        _order_refused,
        (ORDER,),
    ),
    Assumption(
        "error-words",
        "Every error is the API's own JSON, with the reason in it",
        "observed",
        "Errors show the body without a reason, and don't end a wait: something in front of the API answers.",
        _every(lambda one: isinstance(one.payload, dict) and " It said: " in str(one.read()), errors=True),
    ),
    Assumption(
        "no-redirect",
        "No answer redirects",
        "assumed",
        "Redirects aren't followed with a key: put the target's address into the connection's host.",
        _every(lambda one: not 300 <= one.status < 400),
    ),
    Assumption(
        "quick",
        f"Every answer comes within {SLOW_SECONDS:g} seconds",
        "assumed",
        "Raise the connection's timeout (60 s): an order that isn't answered in time is unconfirmed.",
        _every(lambda one: one.seconds < SLOW_SECONDS),
    ),
    Assumption(
        "keep-alive",
        "The server keeps connections open",
        "assumed",
        "Waiting works, but each poll costs a new connection.",
        _every(lambda one: one.request.is_order or "close" not in one.headers.get("connection", "").lower()),
    ),
)
