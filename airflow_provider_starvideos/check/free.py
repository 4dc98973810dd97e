"""The assumptions that can be tested without spending anything; see ``probes``."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.retry import was_not_accepted
from airflow_provider_starvideos.check.answers import EVERY_ANSWER, status_of
from airflow_provider_starvideos.check.evidence import LIST, Evidence
from airflow_provider_starvideos.check.probes import KEY, KEY_ORDER, ORDER, PATH, TRIGGERER, UNKNOWN
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, reads_as, told
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosMalformedAnswerError,
    StarVideosNotFoundError,
)


def _path(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[PATH]
    payload = exchange.payload
    message = str(payload.get("message", "")) if isinstance(payload, dict) else ""
    seen = evidence.seen(exchange)
    return judge(status_of(exchange) == 404 and message.lower().startswith("no handler found"), seen)


def _path_apart(evidence: Evidence) -> Finding:
    error = evidence.exchanges[PATH].read()
    apart = isinstance(error, StarVideosError) and not (
        isinstance(error, StarVideosNotFoundError) and error.names_video
    )
    return judge(apart, told(evidence, evidence.exchanges[PATH]))


def _unknown_id(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[UNKNOWN]
    error = exchange.read()
    if isinstance(error, StarVideosAuthenticationError):
        return Finding(Outcome.UNKNOWN, f"the key was refused; {evidence.seen(exchange)}")
    return judge(isinstance(error, StarVideosNotFoundError) and error.names_video, told(evidence, exchange))


def _query_path(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[UNKNOWN]
    error = exchange.read()
    return judge(not isinstance(error, StarVideosNotFoundError) or error.names_video, told(evidence, exchange))


def _order_path(evidence: Evidence) -> Finding:
    """A 404 may be about the model, too; what tells a path from a video does so here."""
    exchange = evidence.exchanges[ORDER]
    error = replace(exchange, request=replace(exchange.request, method="GET")).read()
    unknown = isinstance(error, StarVideosNotFoundError) and not error.names_video
    return judge(not unknown and status_of(exchange) != 405, told(evidence, exchange))


def _triggerer(evidence: Evidence) -> Finding:
    """Also where it got no answer at all: the worker got one."""
    exchange = evidence.exchanges[TRIGGERER]
    return judge(type(exchange.read()) is type(evidence.exchanges[UNKNOWN].read()), told(evidence, exchange))


def _no_list(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[LIST]
    answer = exchange.read()
    return judge(not isinstance(answer, VideoTask | StarVideosMalformedAnswerError), told(evidence, exchange))


def _key_taken(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[UNKNOWN]
    return judge(not isinstance(exchange.read(), StarVideosAuthenticationError), told(evidence, exchange))


def _order_refused(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    answer = exchange.read()
    if isinstance(answer, VideoTask):
        return judge(False, f"A VIDEO WAS ORDERED, and may be billed: {answer.id}. {told(evidence, exchange)}")
    return judge(was_not_accepted(answer), told(evidence, exchange))


def _order_as_400(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[ORDER]
    error = exchange.read()
    status = error.status_code if isinstance(error, StarVideosAPIError) else None
    return judge(status in (400, 422), told(evidence, exchange))


FREE: tuple[Assumption, ...] = (
    Assumption(
        "path-unknown",
        'An unknown path answers 404 with {"message": "No handler found for …"}',
        "observed",
        "A wrong base URL is still told from a missing video unless 'path-apart' failed too.",
        _path,
        (PATH,),
    ),
    Assumption(
        "path-apart",
        "An unknown path isn't taken for an unknown video",
        "assumed",
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
        "An id that doesn't exist answers 404, or a 200 with code 404, in JSON",
        "assumed",
        "A wait for a wrong id ends after several errors or at its deadline, not at once; the test button is red.",
        _unknown_id,
        (UNKNOWN,),
    ),
    Assumption(
        "triggerer",
        "The triggerer's client (aiohttp) gets the same answer as the workers' (requests)",
        "assumed",
        "Waits in the triggerer fail: look at its proxy and certificates (SSL_CERT_FILE), or set deferrable=False.",
        _triggerer,
        (UNKNOWN,),
    ),
    Assumption(
        "no-list",
        "A GET of the orders' path gives no list of orders",
        "assumed",
        "Nothing breaks; lost orders could be looked up there. Tell the authors.",
        _no_list,
        (LIST,),
    ),
    Assumption(
        "key-wrong",
        "A query with a wrong key is refused with 401 or 403, by status or by code",
        "assumed",
        "A wrong key isn't told as such: tasks may be tried again in vain.",
        reads_as(KEY, StarVideosAuthenticationError),
        (KEY,),
    ),
    Assumption(
        "key-wrong-order",
        "An order with a wrong key is refused with 401 or 403, by status or by code",
        "assumed",
        "An order with a wrong key isn't told as such, and may end as unconfirmed.",
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
        "order-400",
        "A refused order answers 400 or 422, by status or by code",
        "assumed",
        "Any 4xx is read as a refusal; another kind of error gets another message.",
        _order_as_400,
        (ORDER,),
    ),
    *EVERY_ANSWER,
)
