"""Ask a person and wait for the answer, without a worker: on Airflow's page "Required Actions", or by its REST API.

Relies on ``airflow.sdk.execution_time.hitl`` (3.1 and later), and for the wait on ``TaskAwaitingInput`` (3.3 and later,
no triggerer) or on the standard provider's ``HITLTrigger`` (3.1 and 3.2). If any of it is gone, as in 3.0, ``can_ask``
says no. Airflow has one question for each try of a task: a second one of the same try shows the text of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

HITL = "airflow.sdk.execution_time.hitl"
TRIGGER = "airflow.providers.standard.triggers.hitl"


@dataclass(frozen=True)
class Question:
    """What a person is asked.

    :param subject: one line
    :param options: what may be answered, one of them
    :param body: Markdown, shown below the subject
    :param fields: texts that may be filled in besides: name → what it is for
    """

    subject: str
    options: Sequence[str]
    body: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


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
    """Nobody has answered in time, or the answer isn't one of the question's."""


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
) -> NoReturn:
    """Ask, and leave the worker until there is an answer: Airflow then calls a method of the operator.

    :param operator: the running task
    :param context: its context
    :param question: what to ask
    :param method_name: the method, which gets the answer as ``event``, for ``read_answer``
    :param timeout: how long to wait; None: without end
    :param kwargs: what the method gets besides, plain JSON
    :raises NotImplementedError: this Airflow can't ask; see ``can_ask``
    """
    hitl = _module(HITL)
    if hitl is None or not can_ask():
        raise NotImplementedError("This Airflow can't ask a person: Airflow 3.1 and later can.")
    params = _params(question.fields)
    of_question = {"options": list(question.options), "defaults": None, "multiple": False, "params": params}
    ti_id = context["ti"].id
    hitl.upsert_hitl_detail(ti_id=ti_id, subject=question.subject, body=question.body or None, **of_question)
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
    :raises NoAnswerError: nobody has answered in time, or nothing that was asked for
    """
    if not isinstance(event, Mapping):
        raise NoAnswerError("Airflow has given no answer.")
    if "error" in event:
        raise NoAnswerError(str(event["error"]))
    chosen = event.get("chosen_options") or []
    if len(chosen) != 1 or chosen[0] not in question.options:
        raise NoAnswerError(f"The answer {chosen!r} isn't one of {', '.join(question.options)}.")
    given = {name: str(value).strip() for name, value in (event.get("params_input") or {}).items() if value is not None}
    fields = {name: value for name, value in given.items() if name in question.fields and value}
    user = event.get("responded_by_user") or {}
    return Answer(chosen[0], fields, user.get("name") if isinstance(user, Mapping) else getattr(user, "name", None))


def _params(fields: Mapping[str, str]) -> dict[str, Any]:
    from airflow.sdk import Param

    # As the standard provider sends them from 3.1.3 on. Before that Airflow shows the parts of each as its value.
    return {name: Param("", type=["null", "string"], description=what).serialize() for name, what in fields.items()}


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
