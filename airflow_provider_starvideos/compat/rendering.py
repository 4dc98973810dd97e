"""Renders the fields of operators and triggers: text stays text, and errors name their field.

Relies on ``_render(template, context, dag)`` and ``_do_render_template_fields`` of Airflow's ``Templater`` (3.0+; on a
trigger the second is in 3.3+). Without them ``"2024"`` becomes a number, which is refused as a prompt. A broken field
of an operator then fails with Airflow's own error, and one of a trigger with ``AttributeError``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context


def render_text(template: Any, context: Any) -> Any:
    """Render a compiled Jinja template as Airflow does, but without evaluating text as Python (``1_000``).

    :return: the object, where the template is one expression that gives no text; otherwise text
    """
    variables = copy.copy(context)
    variables.update((name, value) for name, value in template.globals.items() if name not in variables)
    environment = template.environment
    blocks = environment.context_class(environment, variables, template.name, template.blocks)
    try:
        nodes = list(template.root_render_func(blocks))
    except Exception:  # noqa: BLE001  raised again, with the template's line in its traceback
        environment.handle_exception()
    if len(nodes) == 1 and not isinstance(nodes[0], str | environment.undefined):
        return nodes[0]
    return "".join(map(str, nodes))


class RendersOneByOne(BaseOperator):
    """An operator whose fields are rendered one by one. A mixin in front of Airflow's other classes.

    It is an operator itself: Airflow takes the parameters of a mapped task from the first class behind one without an
    ``__init__``, and without them such a task fails before it begins.
    """

    def rendering(self, owner: Any, field: str) -> AbstractContextManager[None]:
        """Return a context manager to render one field in, of the operator or of an object inside its fields."""
        return nullcontext()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        for name in template_fields:
            with self.rendering(parent, name):
                super()._do_render_template_fields(parent, (name,), context, jinja_env, seen_oids)


class KeepsText(RendersOneByOne):
    """An operator whose own ``text_fields`` keep text as it is. Airflow renders other fields as usual."""

    text_fields: Sequence[str] = ()
    _keeps_text = False

    @contextmanager
    def rendering(self, owner: Any, field: str) -> Iterator[None]:
        """Render one field in this block. Objects inside a text field keep text too."""
        before = self._keeps_text
        self._keeps_text = before or (owner is self and field in self.text_fields)
        try:
            yield
        finally:
            self._keeps_text = before

    def _render(self, template: Any, context: Any, dag: Any = None) -> Any:
        return render_text(template, context) if self._keeps_text else super()._render(template, context, dag)


def render_field(trigger: Any, field: str, context: Any) -> None:
    """Render one field of a trigger as a worker does: an undefined name is an error.

    In a triggerer, Airflow's own environment renders an undefined name to an empty text.
    """
    from jinja2 import StrictUndefined

    environment = trigger.get_template_env().overlay(undefined=StrictUndefined)
    trigger._do_render_template_fields(trigger, (field,), context, environment, set())
