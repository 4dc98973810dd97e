"""Hides URLs that grant access in rendered fields, because Airflow stores them and shows them in its UI.

Relies on Airflow (3.0+) rendering the fields, of mapped tasks too, by ``_do_render_template_fields``, and reading them
for its UI after that. Without the method, fields are shown as they were rendered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.api.redaction import hide

# Fields that may hold inputs: ``rendered`` reads them. Others, such as ``destination``, are used as they are.
HIDDEN_FIELDS = frozenset({*REQUEST_FIELDS, "requests", "op_args", "op_kwargs"})


class HidesRenderedUrls(BaseOperator):
    """An operator whose fields may render to signed URLs."""

    _kept: _Kept | None = None

    def rendered(self, name: str) -> Any:
        """Return a template field's value for the task's own use: the rendered one, or one assigned after that."""
        return self._kept.value(name, getattr(self, name)) if self._kept else getattr(self, name)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is not self:
            return  # an object within a field
        kept = {}
        for name in HIDDEN_FIELDS.intersection(template_fields):
            value = self.rendered(name)
            shown = hide(value)
            if not _same(shown, value):
                kept[name] = (shown, value)
                setattr(self, name, shown)
        self._kept = _Kept(kept)


def _same(one: Any, other: Any) -> bool:
    # Comparing two tables gives no single bool. Here a table is compared only with itself, or with its text.
    return one is other or (type(one) is type(other) and bool(one == other))


class _Kept:
    """Rendered values and what is shown of them. Neither its attributes nor its text show the values to a logger."""

    __slots__ = ("__fields",)

    def __init__(self, fields: dict[str, tuple[Any, Any]]) -> None:
        self.__fields = fields

    def value(self, name: str, current: Any) -> Any:
        shown, value = self.__fields.get(name, (current, current))
        return value if _same(current, shown) else current

    def __repr__(self) -> str:
        return f"<rendered values of {', '.join(self.__fields) or 'nothing'}>"
