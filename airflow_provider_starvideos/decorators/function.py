"""What the decorated operators have in common: they ask a function what to order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Context, DecoratedOperator, context_merge, determine_kwargs


class FromFunction(DecoratedOperator):
    """Calls the decorated function when the task is executed.

    What the function returns is taken as it is: it isn't rendered, since it may hold what users have written.

    :param python_callable: the decorated function
    :param op_args: its arguments (templated)
    :param op_kwargs: its keyword arguments (templated)
    """

    if TYPE_CHECKING:  # the operator that is decorated has it

        def rendered(self, name: str) -> Any:
            """Return a field's value for the task's own use."""

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

    @staticmethod
    def pushed(context: Context, key: str) -> Any:
        """Return an XCom of this very task instance, as an earlier process of its try has pushed it."""
        ti = context["ti"]
        return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=-1 if ti.map_index is None else ti.map_index)

    def call(self, context: Context) -> Any:
        """Call the function with its arguments, and with what it asks for of the context."""
        args = self.rendered("op_args")
        context_merge(context, self.rendered("op_kwargs"))
        kwargs = determine_kwargs(self.python_callable, args, context)
        return self.python_callable(*args, **kwargs)
