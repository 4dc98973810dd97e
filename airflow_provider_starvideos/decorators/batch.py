"""``@task.starvideos_batch``: a function that returns many requests becomes one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import Context, DecoratedOperator, TaskDecorator, task_decorator_factory

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.api.redaction import hide, is_hidden, restored
from airflow_provider_starvideos.decorators.function import FromFunction
from airflow_provider_starvideos.failures import operator_failures
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator

REQUESTS_KEY = "requests"


class StarVideosBatchDecoratedOperator(FromFunction, StarVideosBatchOperator):
    """Orders what a function returns: the requests, or the URI of a file of them.

    What the function returns is kept as the XCom ``requests`` while the task waits, so it is called once per try. The
    XCom holds no query of a URL, which may be a signature. If there is one, the function is called again after each
    wait: the URLs are taken from there, and may be signed again; the prompts and the rest are those of the XCom.
    """

    custom_operator_name = "@task.starvideos_batch"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *StarVideosBatchOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **StarVideosBatchOperator.template_fields_renderers,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"requests": ()} | kwargs))

    def execute(self, context: Context) -> Any:
        """Ask the function, order, wait, save."""
        self.requests = self._ask(context)
        context["ti"].xcom_push(key=REQUESTS_KEY, value=hide(self.requests))
        # By name: between the two is DecoratedOperator.execute, which fails in Airflow 3.0.
        return self._hidden(StarVideosBatchOperator.execute, self, context)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take the trigger's event, and continue with the requests that this try began with."""
        self._restore(context)
        return self._hidden(super().execute_complete, context, event)

    def execute_answered(self, context: Context, event: Any = None, asked: Mapping[str, Any] | None = None) -> Any:
        """Take a person's answer, and continue with the requests that the question was about."""
        if asked and asked.get("try_number") != context["ti"].try_number:
            return self.execute(context)
        self._restore(context)
        return self._hidden(super().execute_answered, context, event, asked)

    def _restore(self, context: Context) -> None:
        shown = self.pushed(context, REQUESTS_KEY)
        self.requests = restored(shown, self._ask(context)) if is_hidden(shown) else shown

    def _ask(self, context: Context) -> Any:
        returned = self.call(context)
        return returned if isinstance(returned, str) else self._checked(returned)

    def _checked(self, returned: Any) -> list[Any]:
        """Return the rows as an XCom can hold them; what can't be ordered is refused before it is kept."""
        from airflow_provider_starvideos.batch.rows import read_rows
        from airflow_provider_starvideos.batch.sources import read_requests

        with operator_failures():
            rows = read_requests(returned, self.storage_conn_id)
            read_rows(rows, {name: self.rendered(name) for name in REQUEST_FIELDS}, "")
        return list(rows)

    def _hidden(self, run: Callable[..., Any], *args: Any) -> Any:
        try:
            return run(*args)
        finally:  # Airflow keeps the fields as they are then
            self.requests = hide(self.requests)


def starvideos_batch_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a function's result a batch of orders: ``@task.starvideos_batch``. **Every accepted order costs money.**

    :param python_callable: returns the requests (a list or a generator of mappings or prompts, or a table), or the URI
        of a file of them
    :param kwargs: every option of ``StarVideosBatchOperator``
    :return: a decorator; the task that it makes returns the manifest's URI, or the ids
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=StarVideosBatchDecoratedOperator,
        **kwargs,
    )
