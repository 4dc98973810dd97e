"""Ask a person and wait for the answer, without a worker: on Airflow's page "Required Actions", or by its REST API.

Relies on ``airflow.sdk.execution_time.hitl`` (3.1 and later), and for the wait on ``TaskAwaitingInput`` (3.3 and later,
no triggerer) or on the standard provider's ``HITLTrigger`` (3.1 and 3.2). If any of it is gone, as in 3.0, ``can_ask``
says no.

Airflow keeps one question for each task instance, over all of its tries (3.1 to 3.3): asked again it loses its answer
and waits for another one, but its text and its options stay as they were first. So a question carries a code, and its
answer brings that back in a field. Where the page shows an earlier question, the log has the current one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.compat import supervisor

HITL = "airflow.sdk.execution_time.hitl"
TRIGGER = "airflow.providers.standard.triggers.hitl"
CODE_FIELD = "question"
WHAT_IS_THE_CODE = "Leave it as it is, unless the task's log names another one"
FIRST_WITH_PARTS = (3, 1, 3)  # of Airflow: earlier ones take a field as its plain value


@dataclass(frozen=True)
class Question:
    """What a person is asked."""

    subject: str  # one line
    options: Sequence[str]  # what may be answered, one of them
    code: str  # two questions about the same have the same; no other question has it
    body: str = ""  # Markdown, shown below the subject
    # further texts that may be filled in: name → what it is for
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """What a task's first question has to offer, so that all later ones can be answered on its page."""

    options: Sequence[str]  # of all questions that the task may ask
    fields: Mapping[str, str] = field(default_factory=dict)  # likewise: name → what it is for


@dataclass(frozen=True)
class Recipients:
    """Who is asked, as Airflow's own operators take it."""

    # who may answer: mappings of ``id`` and ``name``; empty: all who may edit the task's run
    assigned_users: Sequence[Mapping[str, str]] = ()
    # called with the context once the question is there; they find ``subject``, ``body`` and ``options`` as attributes
    # of the task, as they do with Airflow's operators
    notifiers: Sequence[Callable[[Any], None]] = ()


@dataclass(frozen=True)
class Answer:
    """What a person has answered."""

    option: str  # one of the question's
    fields: Mapping[str, str]  # what was filled in, by name; without the empty ones
    who: str | None  # the name of Airflow's user, if it is known


class NoAnswerError(Exception):
    """What Airflow brings is no answer to this question."""


class CannotBeAnsweredError(Exception):
    """The page doesn't offer what this question needs."""


class NobodyAnsweredError(NoAnswerError):
    """The time for an answer has passed."""


def can_ask() -> bool:
    """Return whether this Airflow can ask a person: 3.1 and later."""
    return _module(HITL) is not None and (_awaiting_input() is not None or _module(TRIGGER) is not None)


def ask(
    operator: Any,
    context: Context,
    question: Question,
    *,
    method_name: str,
    offer: Offer | None = None,
    timeout: timedelta | None = None,
    kwargs: Mapping[str, Any] | None = None,
    recipients: Recipients | None = None,
) -> NoReturn:
    """Ask, and leave the worker until there is an answer: Airflow then calls a method of the operator.

    :param method_name: the method, which gets the answer as ``event``, for ``read_answer``
    :param offer: what all questions of this task need; None: it has this one only
    :param timeout: how long to wait; None: without end
    :param kwargs: what the method also gets, plain JSON
    :param recipients: who may answer, and which notifiers are called
    :raises NotImplementedError: this Airflow can't ask; see ``can_ask``
    :raises CannotBeAnsweredError: the page has the options of an earlier question, and lacks one of this
    """
    if not can_ask():
        raise NotImplementedError("This Airflow can't ask a person: Airflow 3.1 and later can.")
    recipients, offer = recipients or Recipients(), offer or Offer(question.options, question.fields)
    params = _params(question.code, offer.fields)
    of_question = {"options": list(offer.options), "defaults": None, "multiple": False, "params": params}
    ti_id = context["ti"].id
    shown = supervisor.put_question(
        ti_id=ti_id,
        subject=question.subject,
        body=question.body or None,
        assigned_users=[dict(user) for user in recipients.assigned_users],
        **of_question,
    )
    if lacking := set(question.options) - set(shown.options):
        raise CannotBeAnsweredError(
            f"Airflow keeps the options of this task's first question ({', '.join(shown.options)}), also over clears, "
            f"and this one needs {', '.join(sorted(lacking))}"
        )
    operator.subject, operator.body, operator.options = question.subject, question.body, list(question.options)
    for notify in recipients.notifiers:
        notify(context)
    operator.log.info("Waiting for a person's answer (%s): %s\n%s", question.code, question.subject, question.body)
    if (shown.subject, shown.body or "") != (question.subject, question.body):
        operator.log.warning(
            "Airflow's page still shows an earlier question of this task. The current one is above. To answer it, put "
            "its code into the page's field %r: %s",
            CODE_FIELD,
            question.code,
        )
    awaiting_input = _awaiting_input()
    if awaiting_input is not None:
        raise awaiting_input(method_name=method_name, kwargs=dict(kwargs or {}), timeout=timeout)
    end = datetime.now(UTC) + timeout if timeout is not None else None
    trigger = import_module(TRIGGER).HITLTrigger(ti_id=ti_id, timeout_datetime=end, **of_question)
    operator.defer(trigger=trigger, method_name=method_name, kwargs=dict(kwargs or {}))
    raise AssertionError("defer() always raises")


def read_answer(event: Any, question: Question) -> Answer:
    """Read what the method that ``ask`` has named gets as ``event``. It has crossed the database.

    :raises NobodyAnsweredError: the time has passed
    :raises NoAnswerError: nothing that was asked for, or the answer to another question
    """
    if not isinstance(event, Mapping):
        raise NoAnswerError("Airflow has given no answer.")
    if "error" in event:
        late = event.get("error_type") == "timeout"
        raise (NobodyAnsweredError if late else NoAnswerError)(str(event["error"]))
    chosen = event.get("chosen_options") or []
    if len(chosen) != 1 or chosen[0] not in question.options:
        raise NoAnswerError(f"The answer {chosen!r} isn't one of {', '.join(question.options)}.")
    given = {name: _text(value) for name, value in (event.get("params_input") or {}).items() if value is not None}
    code = given.get(CODE_FIELD) or "none"
    if code != question.code:
        raise NoAnswerError(f"It is about another question: its code is {code}, and that of this one {question.code}.")
    fields = {name: value for name, value in given.items() if name in question.fields and value}
    user = event.get("responded_by_user") or {}
    return Answer(chosen[0], fields, user.get("name") if isinstance(user, Mapping) else getattr(user, "name", None))


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value)).strip()


def code_of(event: Any) -> str | None:
    """Return the code of the question that an answer is about; None: it has none."""
    given = event.get("params_input") if isinstance(event, Mapping) else None
    code = given.get(CODE_FIELD) if isinstance(given, Mapping) else None
    return None if code is None else _text(code)


def _params(code: str, fields: Mapping[str, str]) -> dict[str, Any]:
    from airflow.sdk import Param
    from airflow.version import version
    from packaging.version import Version

    params = {name: Param("", type=["null", "string"], description=what) for name, what in fields.items()}
    params[CODE_FIELD] = Param(code, type="string", description=WHAT_IS_THE_CODE)
    if Version(version).release < FIRST_WITH_PARTS:  # shows the parts of what later ones are sent
        return {name: param.value for name, param in params.items()}
    return {name: param.serialize() for name, param in params.items()}


def _awaiting_input() -> Any:
    from airflow.sdk import exceptions

    return getattr(exceptions, "TaskAwaitingInput", None)


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None
    except Exception as error:
        # The standard provider's, on an Airflow that is too old for it.
        if type(error).__name__ == "AirflowOptionalProviderFeatureException":
            return None
        raise
