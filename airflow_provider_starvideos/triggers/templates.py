"""Template fields that can't be rendered: one error that names the field, on a worker and in the triggerer alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

NOTHING = "None"
"""What Jinja makes of a value that isn't there."""


@contextmanager
def naming(owner: Any, field: str, where: str = "") -> Iterator[None]:
    """Render one field of a task or trigger in this block.

    :param owner: whose field it is
    :param field: its name
    :param where: what to know of the place where it is rendered, for the message
    :raises StarVideosValidationError: a retry would render it no better; any other error stays as it is
    """
    template = getattr(owner, field, None)
    try:
        yield
    except Exception as error:
        if not _is_permanent(error):
            raise
        rule = f"can't be rendered{where}: {type(error).__name__}: {error}"
        raise StarVideosValidationError([Problem(field, rule, repr(template))]) from error
    if field == "video_id" and template != NOTHING and getattr(owner, field) == NOTHING:
        setattr(owner, field, None)  # it passes for an id, and the API would be asked for it


def _is_permanent(error: Exception) -> bool:
    """An undefined name, a missing XCom, a wrong type; not an api-server that can't be reached."""
    from airflow.providers.common.compat.sdk import XComNotFound
    from jinja2 import TemplateError

    return isinstance(error, TemplateError | XComNotFound | TypeError | ValueError | LookupError | AttributeError)
