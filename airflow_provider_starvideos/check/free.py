"""The assumptions that can be checked without spending anything. The requests for them are in ``probes``."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_starvideos.api.retry import was_not_accepted
from airflow_provider_starvideos.check.assumptions import Answer, Assumption, Finding, answer, described, found
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.probes import KEY, KEY_ORDER, ORDER, PATH, UNKNOWN
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosNotFoundError,
)


def _is_unknown_path(read: Answer) -> bool:
    return isinstance(read, StarVideosNotFoundError) and not read.names_video


def _is_unknown_video(read: Answer) -> bool:
    return isinstance(read, StarVideosNotFoundError) and read.names_video


def _order_path(evidence: Evidence) -> Finding:
    exchange = evidence.exchange(ORDER)
    # A 404 to an order may be about the model, too. A 404 to a GET is read as one about a path or a video.
    unknown = _is_unknown_path(replace(exchange, request=replace(exchange.request, method="GET")).read())
    return found(not unknown and exchange.status != 405, described(evidence, exchange))


def _error_words(evidence: Evidence) -> Finding:
    errors = [one for one in evidence.answered if isinstance(one.read(), StarVideosAPIError)]
    wrong = [one for one in errors if not (isinstance(one.payload, dict) and " It said: " in str(one.read()))]
    return found(not wrong, "; ".join(map(evidence.seen, wrong)) or f"{len(errors)} errors")


FREE: tuple[Assumption, ...] = (
    Assumption(
        "path-apart",
        "The answer to an unknown path differs from the answer to an unknown video",
        "observed",
        "Only a 404 that names the video ends a wait at once, and turns the connection's test button green.",
        "The test button and waits would take a wrong base URL for a video that doesn't exist.",
        answer(PATH, lambda read: isinstance(read, StarVideosError) and not _is_unknown_video(read)),
    ),
    Assumption(
        "id-unknown",
        "With this key, an id that doesn't exist answers 404, or a 200 with code 404, in the API's own JSON",
        "assumed",
        "Such an answer ends a wait at once, and turns the connection's test button green.",
        "Was the key refused? Check the connection's password. Is the path unknown? Check the connection's host, and "
        "report it to the authors if that is right. Else a wait for a wrong id ends later, and the test button is red.",
        answer(UNKNOWN, _is_unknown_video),
    ),
    Assumption(
        "key-wrong",
        "A wrong key is refused with 401 or 403, by status or by code",
        "assumed",
        "Such an answer is a permanent error.",
        "A wrong key isn't recognized: tasks are retried though a retry can't help.",
        answer(KEY, lambda read: isinstance(read, StarVideosAuthenticationError)),
    ),
    Assumption(
        "key-wrong-order",
        "An order with a wrong key is refused with 401 or 403, by status or by code",
        "assumed",
        "Such an order isn't billed, and a batch orders no more rows.",
        "An order with a wrong key isn't recognized as one, and may end as unconfirmed.",
        answer(KEY_ORDER, lambda read: isinstance(read, StarVideosAuthenticationError)),
    ),
    Assumption(
        "order-path",
        "The server knows the path of orders, /v1/starvideos/videos",
        "documented",
        "Orders go to this path.",
        "No video can be ordered. Is the base URL right (the connection's host)? If so, report it to the authors.",
        _order_path,
    ),
    Assumption(
        "order-refused",
        "An order that breaks every rule is refused in a way that proves that it wasn't accepted",
        "documented",
        "A refused order isn't billed, so no person is asked about it.",
        "Refused orders end as unconfirmed, or are accepted: you have to check the account each time.",
        answer(ORDER, lambda read: isinstance(read, StarVideosError) and was_not_accepted(read)),
    ),
    Assumption(
        "error-words",
        "Every error is the API's own JSON, with the reason in it",
        "observed",
        "Only the API's own JSON ends a wait, or proves that an order wasn't accepted.",
        "Errors show the body without a reason, and don't end a wait: something in front of the API answers.",
        _error_words,
    ),
)
