"""The assumptions that can be tested without spending anything, and the requests that show whether they hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import CREATE_PATH, HttpRequest, query_request
from airflow_provider_starvideos.api.retry import was_not_accepted
from airflow_provider_starvideos.check.evidence import Evidence, Exchange
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome, judge, reads_as, told
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosNotFoundError,
)
from airflow_provider_starvideos.transports.sync import SyncTransport

UNKNOWN_ID = "video_starvideos_0000000000"
UNKNOWN_PATH = "/v1/airflow-provider-starvideos/no-such-path"
WRONG_KEY = "this-is-no-key-airflow-provider-starvideos-check"
INVALID_ORDER = b"{}"
"""No model, no prompt: both are documented as required. Nothing is more certainly refused."""
SLOW_SECONDS = 10.0
"""A query that takes longer than this makes waiting dear."""
REQUEST_IDS = re.compile(r"[\x21-\x7e]{1,100}")

PATH, UNKNOWN, KEY, KEY_ORDER, ORDER = "unknown path", "unknown id", "wrong key", "wrong key, order", "invalid order"


def ask(evidence: Evidence, transport: SyncTransport, *, with_orders: bool, say: Callable[[str], None]) -> None:
    """Send all requests; those for orders last.

    :param evidence: takes what comes back
    :param transport: sends
    :param with_orders: send the two orders too that must be refused
    :param say: tells the user
    """
    endpoint = evidence.endpoint
    stranger = replace(endpoint, key=WRONG_KEY)
    url = endpoint.base_url + CREATE_PATH
    if evidence.ask(UNKNOWN, transport, query_request(endpoint, UNKNOWN_ID)).response is None:
        return
    evidence.ask(PATH, transport, HttpRequest("GET", endpoint.base_url + UNKNOWN_PATH, endpoint))
    evidence.ask(KEY, transport, query_request(stranger, UNKNOWN_ID))
    if not with_orders:
        return
    evidence.ask(KEY_ORDER, transport, HttpRequest("POST", url, stranger, INVALID_ORDER))
    say("Sending an order that must be refused: an empty object, without model and prompt (--no-order-probe: don't).")
    exchange = evidence.ask(ORDER, transport, HttpRequest("POST", url, endpoint, INVALID_ORDER))
    task = exchange.read()
    if isinstance(task, VideoTask):
        evidence.facts["ordered"] = [*evidence.facts.get("ordered", []), task.id]
        say(f"!!! The server ACCEPTED the empty order: a video was ordered, and may be billed. Its id: {task.id}")
    elif isinstance(task, StarVideosError) and not was_not_accepted(task):
        evidence.facts["in_doubt"] = [*evidence.facts.get("in_doubt", []), ORDER]
        say("!!! Whether the empty order was refused can't be told. Look into the StarVideos account for a new video.")


# -- tests


def _path(evidence: Evidence) -> Finding:
    exchange = evidence.exchanges[PATH]
    payload = exchange.payload
    message = str(payload.get("message", "")) if isinstance(payload, dict) else ""
    seen = evidence.seen(exchange)
    return judge(_status(exchange) == 404 and message.lower().startswith("no handler found"), seen)


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


def _errors(evidence: Evidence) -> list[Exchange]:
    return [one for one in evidence.exchanges.values() if one.response and isinstance(one.read(), StarVideosAPIError)]


def _status(exchange: Exchange) -> int:
    return exchange.response.status if exchange.response else 0


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


def _is_delay(text: str) -> bool:
    try:
        return text.strip().isdigit() or bool(parsedate_to_datetime(text))
    except ValueError:
        return False


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
        "id-unknown",
        "An id that doesn't exist answers 404, or a 200 with code 404, in JSON",
        "assumed",
        "A wait for a wrong id ends after several errors or at its deadline, not at once; the test button is red.",
        _unknown_id,
        (UNKNOWN,),
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
        "order-refused",
        "An order without model and prompt is refused in a way that proves that it wasn't accepted",
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
        _every(lambda exchange: _status(exchange) >= 400, _errors),
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
        _every(lambda exchange: not 300 <= _status(exchange) < 400, _all),
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
        _header_shown("retry-after", _is_delay),
    ),
    Assumption(
        "request-id",
        "Where X-Request-Id comes, it is short and printable",
        "assumed",
        "Errors show it cut, or not at all.",
        _header_shown("x-request-id", REQUEST_IDS.fullmatch),
    ),
)
