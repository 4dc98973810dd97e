"""Template fields that can't be rendered: the same error, with the field's name, on a worker and in the triggerer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_starvideos.exceptions import Problem, StarVideosValidationError

NOTHING = "None"  # Jinja's text for a missing value


@contextmanager
def naming(owner: Any, field: str, where: str = "") -> Iterator[None]:
    """Render one field of a task or trigger in this block.

    :param where: for the message: where the field is rendered
    :raises StarVideosValidationError: a retry can't help; any other error stays as it is
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
        setattr(owner, field, None)  # the text has the form of an id, and the API would be asked for it


def _is_permanent(error: Exception) -> bool:
    """Return True for an undefined name, a missing XCom or a wrong type, False for an unreachable api-server."""
    from airflow.providers.common.compat.sdk import XComNotFound
    from jinja2 import TemplateError

    return isinstance(error, TemplateError | XComNotFound | TypeError | ValueError | LookupError | AttributeError)
