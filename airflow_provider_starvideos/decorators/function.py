"""What the decorated operators have in common: they ask a function what to order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, context_merge, determine_kwargs

from airflow_provider_starvideos.api.urls import unsigned

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def bare(value: Any) -> Any:
    """Return what a function has ordered for XComs and the UI: the URL of an input may be signed, that is a secret."""
    if isinstance(value, str):
        return unsigned(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {name: bare(one) for name, one in value.items()}
    return [bare(one) for one in value] if isinstance(value, list | tuple) else value


class FromFunction(DecoratedOperator):
    """Calls the decorated function when the task is executed.

    What the function returns is taken as it is: it isn't rendered, since it may hold what users have written.

    :param python_callable: the decorated function
    :param op_args: its arguments (templated)
    :param op_kwargs: its keyword arguments (templated)
    """

    # What was ordered is to be seen in the UI, as with the operators.
    overwrite_rtif_after_execution = True

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("multiple_outputs", None)  # the result is an id, a list of them, or a URI
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, multiple_outputs=False, **kwargs
        )

    def call(self, context: Context) -> Any:
        """Call the function with its arguments, and with what it asks for of the context.

        :param context: the task's context
        :return: what the function returns
        """
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        return self.python_callable(*self.op_args, **kwargs)
