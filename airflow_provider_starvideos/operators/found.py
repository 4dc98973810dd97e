"""Templates that found nothing: what would be ordered without them isn't what the Dag's author wanted.

A prompt has its own rule (``api.validation``). An order without its images, or of a whole catalogue because its library
wasn't found, would be billed as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from airflow_provider_starvideos.compat.rendering import KeepsText

IN_A_ROW = ("prompt", "reference_images", "first_image", "last_image", "reference_videos", "variant")
RULE = "is given as a template, and the value is missing: perhaps an XCom, a parameter or a function found nothing"
OPTIONAL = ". If it may be missing, write {{ … or '' }}"


class NeedsFound(KeepsText):
    """An operator that refuses an order where the template of one of some fields has found nothing.

    ``needed`` fields, once given, need a value. ``found`` fields may also become an empty text or list, which their
    author has foreseen. So may the same fields of rows that are written in the Dag.
    """

    needed: Sequence[str] = ("destination", "library", "storage_conn_id")
    found: Sequence[str] = IN_A_ROW[1:]
    _lacks: tuple[str, ...] = ()

    @contextmanager
    def rendering(self, owner: Any, field: str) -> Iterator[None]:
        """Render one field in this block, and note whether its template has found nothing."""
        given = getattr(owner, field, None)
        with super().rendering(owner, field):
            yield
        if owner is not self:
            return
        value = getattr(self, field, None)
        checks = {
            "requests": _rows_lack,
            **dict.fromkeys(self.needed, _lacks),
            **dict.fromkeys(self.found, _found_none),
        }
        if field in checks and checks[field](given, value):
            self._lacks = (*self._lacks, field)

    def require_found(self) -> None:
        """Refuse what can't be what the Dag's author wanted.

        :raises StarVideosValidationError: it names every field whose template has found nothing; nothing was sent
        """
        from airflow_provider_starvideos.api.validation import shown
        from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

        if self._lacks:
            rules = ((name, RULE + ("" if name in self.needed else OPTIONAL)) for name in self._lacks)
            raise StarVideosValidationError([Problem(name, rule, shown(getattr(self, name))) for name, rule in rules])


def _lacks(given: Any, value: Any) -> bool:
    from airflow_provider_starvideos.api.values import is_missing

    text = value.strip().rstrip("/") if isinstance(value, str) else value
    is_root = isinstance(value, str) and "/" in value and not text
    return given is not None and not is_root and text != "~" and is_missing(text)


def _rows_lack(given: Any, value: Any) -> bool:
    from airflow_provider_starvideos.api.fields import field_of

    pairs = (
        zip(given, value, strict=False) if isinstance(given, list | tuple) and isinstance(value, list | tuple) else ()
    )
    return any(
        _found_none(template, row.get(name))
        for fields, row in pairs
        if isinstance(fields, Mapping) and isinstance(row, Mapping)
        for name, template in fields.items()
        if field_of(name) in IN_A_ROW
    )


def _found_none(given: Any, value: Any) -> bool:
    from airflow_provider_starvideos.api.values import is_missing

    if isinstance(given, list | tuple):
        return isinstance(value, list | tuple) and any(map(_found_none, given, value))
    is_template = "{{" in given or "{%" in given if isinstance(given, str) else hasattr(given, "resolve")
    is_blank = value.strip() in ("", "[]") if isinstance(value, str) else isinstance(value, list | tuple) and not value
    return is_template and not is_blank and is_missing(value)
