"""``@task.starvideos_create``: a function that returns the prompt, or the request, becomes an order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import Context, DecoratedOperator, TaskDecorator, task_decorator_factory

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.api.redaction import hide, is_hidden, restored
from airflow_provider_starvideos.decorators.function import FromFunction
from airflow_provider_starvideos.failures import operator_failures
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

REQUEST_KEY = "request"


class StarVideosCreateDecoratedOperator(FromFunction, StarVideosCreateOperator):
    """Orders what a function returns: a prompt, or a mapping of request arguments.

    A retry calls the function again, and finds the video that the earlier try ordered only if it returns the same.
    """

    custom_operator_name = "@task.starvideos_create"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *StarVideosCreateOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **StarVideosCreateOperator.template_fields_renderers,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"prompt": None} | kwargs))

    def execute(self, context: Context) -> str:
        """Call the function, order, and wait if asked to.

        :raises AirflowFailException: the function returned neither a prompt nor a request, or an impossible one
        """
        with operator_failures():
            self._take(self.call(context))
        if self._may_leave():
            # The process that goes on after the wait doesn't call the function, and what was ordered is to be seen.
            context["ti"].xcom_push(key=REQUEST_KEY, value={name: hide(self.rendered(name)) for name in REQUEST_FIELDS})
        return self._hidden(StarVideosCreateOperator.execute, self, context)

    def execute_answered(self, context: Context, event: Any = None, asked: Mapping[str, Any] | None = None) -> str:
        """Take a person's answer, and go on with the request that the question was about."""
        shown = self.pushed(context, REQUEST_KEY)
        if not shown or (asked and asked.get("try_number") != context["ti"].try_number):
            return self.execute(context)
        if is_hidden(shown):  # the function is called again for the URLs, which may be signed again
            with operator_failures():
                self._take(self.call(context))
            shown = restored(shown, {name: self.rendered(name) for name in REQUEST_FIELDS})
        for name in REQUEST_FIELDS:
            setattr(self, name, shown.get(name))
        return self._hidden(super().execute_answered, context, event, asked)

    def _may_leave(self) -> bool:
        return (self.wait_for_completion and self.deferrable) or self.may_ask

    def _hidden(self, run: Callable[..., str], *args: Any) -> str:
        try:
            return run(*args)
        finally:  # Airflow keeps the fields as they are then
            for name in REQUEST_FIELDS:
                setattr(self, name, hide(self.rendered(name)))

    def _complete(self, context: Context, event: Any) -> str:
        request = self.pushed(context, REQUEST_KEY) or {}
        for name in REQUEST_FIELDS:
            setattr(self, name, request.get(name))
        return StarVideosCreateOperator._complete(self, context, event)

    def _take(self, returned: Any) -> None:
        from airflow_provider_starvideos.api.fields import mapping_of, mapping_of_text, read_fields
        from airflow_provider_starvideos.api.validation import MISSING_PROMPT, shown
        from airflow_provider_starvideos.api.values import is_missing
        from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

        name = self.python_callable.__name__
        if is_missing(returned):
            raise StarVideosValidationError([Problem(f"prompt, from {name}", MISSING_PROMPT, shown(returned))])
        request = mapping_of_text(returned) if isinstance(returned, str) else mapping_of(returned)
        if request is None or isinstance(request, str):
            rule = "must return the prompt, or a mapping of request arguments"
            rule += f"; this is {request}" if request else ""
            raise StarVideosValidationError([Problem(name, rule, shown(returned))])
        fields, problems = read_fields(request, REQUEST_FIELDS, shown)
        if not problems and all(value is None for value in fields.values()):
            problems = [Problem(name, "must return something to order; every field of it is empty", shown(returned))]
        if problems:
            raise StarVideosValidationError(problems)
        for field, value in fields.items():
            setattr(self, field, value)


def starvideos_create_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a function's result an order: ``@task.starvideos_create``. **Every accepted order costs money.**

    :param python_callable: returns the prompt, or a mapping of request arguments; those take precedence over the ones
        given to the decorator
    :param kwargs: every option of ``StarVideosCreateOperator``
    :return: a decorator; the task that it makes returns the video's id
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=StarVideosCreateDecoratedOperator,
        **kwargs,
    )
