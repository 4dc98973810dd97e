"""Template fields whose text stays text, also where a Dag renders to native objects.

Relies on ``_render(template, context, dag)`` and ``_do_render_template_fields`` of Airflow's ``Templater``, which are
there in 3.0 to 3.3. Were they gone, ``"2024"`` would become a number again, and be refused as a prompt.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def render_text(template: Any, context: Any) -> Any:
    """Render as Airflow does, except that text isn't evaluated as Python: ``1_000`` stays ``1_000``.

    :param template: a template of Jinja, compiled for native objects or for text
    :param context: the task's context
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


class KeepsText(BaseOperator):
    """An operator whose own template fields keep text as it is; fields of other classes are rendered as ever."""

    text_fields: Sequence[str] = ()
    _keeps_text = False

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        fields = list(template_fields)
        others = [name for name in fields if parent is not self or name not in self.text_fields]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)
        if len(others) < len(fields):
            own = [name for name in fields if name in self.text_fields]
            with self._keeping_text():
                super()._do_render_template_fields(parent, own, context, jinja_env, seen_oids)

    @contextmanager
    def _keeping_text(self) -> Iterator[None]:
        self._keeps_text = True
        try:
            yield
        finally:
            self._keeps_text = False

    def _render(self, template: Any, context: Any, dag: Any = None) -> Any:
        return render_text(template, context) if self._keeps_text else super()._render(template, context, dag)
