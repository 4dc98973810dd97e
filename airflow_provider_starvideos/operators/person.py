"""What operators that ask a person have in common: their parameters, the question, and what a rejection does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.arguments import choice, positive_seconds, whole
from airflow_provider_starvideos.exceptions import StarVideosNotApprovedError, StarVideosQuestionError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseNotifier, Context

    from airflow_provider_starvideos.compat.human_input import Question
    from airflow_provider_starvideos.orders.approval import Approval
    from airflow_provider_starvideos.orders.journal import Journal
    from airflow_provider_starvideos.orders.person import Person

ON_UNCONFIRMED = ("fail", "resubmit", "ask")
ON_REJECT = ("fail", "skip")
ALWAYS = "always"
QUESTION_KEY = "question"  # the XCom of what the task asks now: Airflow's page may show an earlier question
MOST_ORDERS = 1_000_000
LEAST_SECONDS = 1.0  # of a wait for an answer: Airflow takes no end that has passed


class AsksPerson(BaseOperator):
    """An operator that may ask a person, on Airflow's page of required actions (Airflow 3.1 and later).

    :param approval: ``always``: nothing is ordered before a person has approved it; None: no approval is needed
    :param approval_above: instead of ``approval``: a person has to approve whatever takes the task instance above this
        number of orders, over all of its tries; 0 to 1000000
    :param approval_timeout: seconds, more than 0, or a timedelta, in which a person has to approve. After that the
        orders count as rejected. None: the task waits without end
    :param on_reject: what a rejected task does: ``fail``, without retries, or ``skip``
    :param notifiers: Airflow notifiers that notify people of a question, as Airflow's own operators take them
    :param assigned_users: who may answer, as Airflow's own operators take it: mappings of ``id`` and ``name``, at
        least one. None: everybody who may edit the Dag's runs
    :raises ValueError: at Dag parse: an option is out of range, or this Airflow can't ask
    """

    def __init__(
        self,
        *,
        approval: Literal["always"] | None = None,
        approval_above: int | None = None,
        approval_timeout: timedelta | float | None = None,
        on_reject: Literal["fail", "skip"] = "fail",
        notifiers: Sequence[BaseNotifier] | BaseNotifier | None = None,
        assigned_users: Sequence[Mapping[str, str]] | Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.approval = None if approval is None else choice("approval", approval, (ALWAYS,))
        self.approval_above = _orders_without(approval, approval_above)
        if self.approval_above is not None:
            _check_version("approval" if approval else "approval_above")
        self.approval_timeout = None
        if approval_timeout is not None:
            self.approval_timeout = positive_seconds("approval_timeout", approval_timeout)
        self.on_reject = choice("on_reject", on_reject, ON_REJECT)
        self.notifiers = () if notifiers is None else (notifiers,) if callable(notifiers) else tuple(notifiers)
        if assigned_users is not None and not assigned_users:
            raise ValueError("assigned_users must name a user, or be None: an empty one would let every user answer")
        users = (assigned_users,) if isinstance(assigned_users, Mapping) else assigned_users
        self.assigned_users = tuple(dict(user) for user in users or ())

    on_unconfirmed: str
    asks_about_rows = False  # a question names orders by the numbers of their rows

    @property
    def may_ask(self) -> bool:
        """Whether the task may ask a person."""
        return self.approval_above is not None or self.on_unconfirmed == "ask"

    def _checked_on_unconfirmed(self, value: str, *, durable: bool = True) -> str:
        """Return what to do with an order of unknown outcome.

        :raises ValueError: at Dag parse: it isn't known, or can't be done
        """
        chosen = choice("on_unconfirmed", value, ON_UNCONFIRMED)
        if chosen == "ask":
            _check_version('on_unconfirmed="ask"')
            if not durable:
                raise ValueError('on_unconfirmed="ask" needs durable=True: the answer is about an order in the journal')
        return chosen

    def needed_approval(self) -> Approval:
        """Return when this task needs an approval."""
        from airflow_provider_starvideos.orders.approval import Approval

        return Approval(self.approval_above, self.approval_timeout)

    def _person(
        self,
        context: Context,
        event: Any = None,
        asked: Mapping[str, Any] | None = None,
        carry: Callable[[], Any] = lambda: None,
    ) -> Person:
        """Return whom the running task asks.

        :param event: the answer, as Airflow gives it
        :param asked: what this try has asked already; None: nothing
        :param carry: returns what the process that takes the answer must know besides, as JSON
        """
        from airflow_provider_starvideos.orders.person import Person

        return Person(partial(self._leave, context, carry), self.log, asked=asked, event=event)

    def _leave(self, context: Context, carry: Callable[[], Any], question: Question, until: float | None) -> NoReturn:
        """Ask, and leave the worker; ``execute_answered`` goes on."""
        from airflow_provider_starvideos.compat.human_input import CannotBeAnsweredError, Recipients, ask
        from airflow_provider_starvideos.orders.questions import offer

        try_number = context["ti"].try_number
        asked = {"code": question.code, "until": until, "try_number": try_number, "carry": carry()}
        left = None if until is None else timedelta(seconds=max(LEAST_SECONDS, until - time.time()))
        recipients = Recipients(self.assigned_users, self.notifiers)
        offered = offer(
            approves=self.approval_above is not None, asks=self.on_unconfirmed == "ask", is_batch=self.asks_about_rows
        )
        try:
            shown = {"code": question.code, "subject": question.subject, "body": question.body}
            context["ti"].xcom_push(key=QUESTION_KEY, value=shown)
            ask(
                self,
                context,
                question,
                method_name="execute_answered",
                offer=offered,
                timeout=left,
                kwargs={"asked": asked},
                recipients=recipients,
            )
        except CannotBeAnsweredError as error:
            raise _OtherParametersError(
                f"{question.subject} This can't be asked: {error}.\nNothing was sent. Give the task the parameters "
                "that it had when it first asked, or start another run of the Dag."
            ) from error
        except Exception as error:
            raise StarVideosQuestionError(
                f"{question.subject} Airflow can't ask ({type(error).__name__}: {error}).\nNothing was sent. "
                "The next try of the task asks: let it retry, or clear it."
            ) from error

    @contextmanager
    def _rejection(self) -> Iterator[None]:
        """Let a rejected task be skipped, if its author says so."""
        try:
            yield
        except StarVideosNotApprovedError as error:
            if self.on_reject == "skip":
                raise AirflowSkipException(str(error)) from error
            raise

    def _push_approvers(self, context: Context, journal: Journal) -> None:
        """Push the XCom ``approved_by``, if a person approved anything."""
        from airflow_provider_starvideos.orders.approval import approvers

        if names := approvers(journal):
            context["ti"].xcom_push(key="approved_by", value=", ".join(names))


class _OtherParametersError(StarVideosQuestionError):
    """Airflow keeps a task's first question with its options, and a retry has the same other ones."""

    permanent = True


def _orders_without(approval: str | None, above: int | None) -> int | None:
    """Return how many orders need no approval; None: none needs one."""
    if approval is not None and above is not None:
        raise ValueError("approval and approval_above exclude each other (approval='always' is approval_above=0)")
    if above is None:
        return None if approval is None else 0
    return 0 if above == 0 and not isinstance(above, bool) else whole("approval_above", above, MOST_ORDERS)


def _check_version(option: str) -> None:
    if not AIRFLOW_V_3_1_PLUS:
        raise ValueError(f"{option} needs Airflow 3.1 or later: Airflow 3.0 has no page of required actions")
