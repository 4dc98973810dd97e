"""Ask a person and wait for the answer, without a worker: on Airflow's page "Required Actions", or by its REST API.

Relies on ``airflow.sdk.execution_time.hitl`` (3.1 and later), and for the wait on ``TaskAwaitingInput`` (3.3 and later,
no triggerer) or on the standard provider's ``HITLTrigger`` (3.1 and 3.2). If any of it is gone, as in 3.0, ``can_ask``
says no. Airflow has one question for each try of a task: asked again in the same try it loses its answer and waits for
another one, but its text stays as it was. Airflow gives an answer to whatever question the task has by then, also one
from a page that was opened before a clear. So a question carries a digest in a hidden field, and its answer brings that
back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

HITL = "airflow.sdk.execution_time.hitl"
TRIGGER = "airflow.providers.standard.triggers.hitl"
DIGEST_FIELD = "question"
FIRST_WITH_PARTS = (3, 1, 3)  # of Airflow: earlier ones take a field as its plain value


@dataclass(frozen=True)
class Question:
    """What a person is asked.

    :param subject: one line
    :param options: what may be answered, one of them
    :param digest: of what the question is about: two questions about the same have the same
    :param body: Markdown, shown below the subject
    :param fields: texts that may be filled in besides: name → what it is for
    """

    subject: str
    options: Sequence[str]
    digest: str
    body: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipients:
    """Who is asked, as Airflow's own operators take it.

    :param assigned_users: who may answer: mappings of ``id`` and ``name``; empty: whoever may edit the task's run
    :param notifiers: called with the context once the question is there; they find ``subject``, ``body`` and
        ``options`` as attributes of the task, as they do with Airflow's operators
    """

    assigned_users: Sequence[Mapping[str, str]] = ()
    notifiers: Sequence[Callable[[Any], None]] = ()


@dataclass(frozen=True)
class Answer:
    """What a person has answered.

    :param option: one of the question's
    :param fields: what was filled in, by name; without the empty ones
    :param who: the name of Airflow's user, if it is known
    """

    option: str
    fields: Mapping[str, str]
    who: str | None


class NoAnswerError(Exception):
    """What Airflow brings is no answer to this question."""


class NobodyAnsweredError(NoAnswerError):
    """The time for an answer has passed."""


def can_ask() -> bool:
    """Tell whether this Airflow can ask a person: 3.1 and later."""
    return _module(HITL) is not None and (_awaiting_input() is not None or _module(TRIGGER) is not None)


def ask(
    operator: Any,
    context: Context,
    question: Question,
    *,
    method_name: str,
    timeout: timedelta | None = None,
    kwargs: Mapping[str, Any] | None = None,
    recipients: Recipients | None = None,
) -> NoReturn:
    """Ask, and leave the worker until there is an answer: Airflow then calls a method of the operator.

    :param operator: the running task
    :param context: its context
    :param question: what to ask; asked again in the same try, it must be the same
    :param method_name: the method, which gets the answer as ``event``, for ``read_answer``
    :param timeout: how long to wait; None: without end
    :param kwargs: what the method gets besides, plain JSON
    :param recipients: who may answer, and who is told
    :raises NotImplementedError: this Airflow can't ask; see ``can_ask``
    """
    hitl = _module(HITL)
    if hitl is None or not can_ask():
        raise NotImplementedError("This Airflow can't ask a person: Airflow 3.1 and later can.")
    recipients = recipients or Recipients()
    params = _params(question)
    of_question = {"options": list(question.options), "defaults": None, "multiple": False, "params": params}
    ti_id = context["ti"].id
    hitl.upsert_hitl_detail(
        ti_id=ti_id,
        subject=question.subject,
        body=question.body or None,
        assigned_users=[dict(user) for user in recipients.assigned_users] or None,
        **of_question,
    )
    operator.subject, operator.body, operator.options = question.subject, question.body, list(question.options)
    for notify in recipients.notifiers:
        notify(context)
    operator.log.info("Waiting for a person's answer: %s (%s).", question.subject, ", ".join(question.options))
    awaiting_input = _awaiting_input()
    if awaiting_input is not None:
        raise awaiting_input(method_name=method_name, kwargs=dict(kwargs or {}), timeout=timeout)
    end = datetime.now(UTC) + timeout if timeout is not None else None
    trigger = import_module(TRIGGER).HITLTrigger(ti_id=ti_id, timeout_datetime=end, **of_question)
    operator.defer(trigger=trigger, method_name=method_name, kwargs=dict(kwargs or {}))
    raise AssertionError("defer() always raises")


def read_answer(event: Any, question: Question) -> Answer:
    """Read what the method that ``ask`` has named gets as ``event``. It has crossed the database.

    :param event: as Airflow gives it
    :param question: what was asked
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
    if given.get(DIGEST_FIELD) != question.digest:
        raise NoAnswerError(
            f"It answers another question: its field {DIGEST_FIELD!r} is {given.get(DIGEST_FIELD)!r}, this question's "
            f"is {question.digest!r}. Reload the page before you answer; by the REST API, send the field back as it is."
        )
    fields = {name: value for name, value in given.items() if name in question.fields and value}
    user = event.get("responded_by_user") or {}
    return Answer(chosen[0], fields, user.get("name") if isinstance(user, Mapping) else getattr(user, "name", None))


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value)).strip()


def _params(question: Question) -> dict[str, Any]:
    from airflow.sdk import Param
    from airflow.version import version
    from packaging.version import Version

    # A field whose only value is a constant is hidden by Airflow's page, and sent back.
    digest = Param(question.digest, type="string", const=question.digest, description="What the answer is about")
    fields = {name: Param("", type=["null", "string"], description=what) for name, what in question.fields.items()}
    params = fields | {DIGEST_FIELD: digest}
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
