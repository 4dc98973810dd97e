"""What ``compat.rendering`` relies on: Airflow renders each text of a task through ``_render``, field by field."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_starvideos.compat.rendering import KeepsText


class Own(KeepsText):
    """Has a field of each kind."""

    template_fields: ClassVar[tuple[str, ...]] = ("mine", "yours")
    text_fields: ClassVar[tuple[str, ...]] = ("mine",)

    def __init__(self, mine: Any, yours: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mine, self.yours = mine, yours


def rendered(value: Any, native: bool, **variables: Any) -> tuple[Any, Any]:
    """Render the same value in a field that keeps text, and in one that doesn't."""
    with DAG("rendering", render_template_as_native_obj=native):
        operator = Own(task_id="task", mine=value, yours=value)
    operator.render_template_fields(dict(variables))  # type: ignore[arg-type]
    return operator.mine, operator.yours


@pytest.mark.parametrize(
    ("value", "kept", "native"),
    [
        ("1_000", "1_000", 1000),
        (["1_000", {"a": "007"}], ["1_000", {"a": "007"}], [1000, {"a": "007"}]),
        ("{{ number }}", 5, 5),
        ("{{ number }}{{ number }}", "55", 55),
        ("{{ nothing }}", None, None),
        ("{{ text }}", "[1]", [1]),
    ],
)
def test_text_is_kept_and_objects_too(value: Any, kept: Any, native: Any) -> None:
    """In a Dag that renders to native objects; in any other, both fields are as Airflow renders them."""
    variables = {"number": 5, "nothing": None, "text": "[1]"}
    assert rendered(value, True, **variables) == (kept, native)
    mine, yours = rendered(value, False, **variables)
    assert mine == yours


def test_what_is_relied_on_is_there() -> None:
    """Were it gone, ``KeepsText`` would be without effect, in silence."""
    assert callable(BaseOperator._render)
    assert callable(BaseOperator._do_render_template_fields)
