"""``@task.starvideos_create``: a function that returns the prompt, or the request, becomes an order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.decorators.function import FromFunction, bare
from airflow_provider_starvideos.failures import operator_failures
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator


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
        """Ask the function, order, and wait if asked to.

        :return: the video's id
        :raises AirflowFailException: the function returned neither a prompt nor a request, or an impossible one
        """
        with operator_failures():
            self._take(self.call(context))
        if self.wait_for_completion and self.deferrable:
            # The process that goes on after the wait doesn't call the function, and what was ordered is to be seen.
            context["ti"].xcom_push(key=REQUEST_KEY, value={name: bare(getattr(self, name)) for name in REQUEST_FIELDS})
        try:
            return StarVideosCreateOperator.execute(self, context)
        finally:  # Airflow keeps the fields as they are then
            for name in REQUEST_FIELDS:
                setattr(self, name, bare(getattr(self, name)))

    def _complete(self, context: Context, event: Any) -> str:
        ti = context["ti"]
        index = ti.map_index if ti.map_index is not None else -1
        request = ti.xcom_pull(task_ids=ti.task_id, key=REQUEST_KEY, map_indexes=index)
        for name in REQUEST_FIELDS:
            setattr(self, name, (request or {}).get(name))
        return StarVideosCreateOperator._complete(self, context, event)

    def _take(self, returned: Any) -> None:
        from airflow_provider_starvideos.api.validation import shown
        from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

        request = {"prompt": returned} if isinstance(returned, str) else returned
        if not isinstance(request, Mapping):
            rule = "must return the prompt, or a mapping of request arguments"
            raise StarVideosValidationError([Problem(self.python_callable.__name__, rule, shown(returned))])
        unknown = [name for name in request if name not in REQUEST_FIELDS]
        if unknown:
            rule = f"isn't a request argument; they are {', '.join(REQUEST_FIELDS)}"
            raise StarVideosValidationError([Problem(shown(name), rule, shown(request[name])) for name in unknown])
        for name, value in request.items():
            setattr(self, name, value)


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
