"""Airflow renders the fields of operators and triggers through the hooks that ``compat.rendering`` uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.triggers.base import BaseTrigger
from jinja2 import UndefinedError

from airflow_provider_starvideos.compat.rendering import KeepsText, RendersOneByOne, render_field


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


class Part:
    """An object inside of a field, with its own fields."""

    template_fields = ("inner",)

    def __init__(self) -> None:
        self.inner = "{{ what }}"


class Operator(RendersOneByOne, BaseOperator):
    """With two fields, which it names."""

    template_fields = ("one", "two")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.one: Any = "{{ what }}"
        self.two: Any = Part()
        self.rendered: list[tuple[str, str]] = []

    @contextmanager
    def rendering(self, owner: Any, field: str) -> Iterator[None]:
        """Note a field before and after."""
        self.rendered.append((type(owner).__name__, field))
        yield
        assert getattr(owner, field) != "{{ what }}"


def test_each_field_of_an_operator_is_rendered_on_its_own() -> None:
    """Those of nested objects, too."""
    operator = Operator(task_id="task")
    operator.render_template_fields({"what": "x"})  # type: ignore[typeddict-unknown-key]
    assert (operator.one, operator.two.inner) == ("x", "x")
    assert operator.rendered == [("Operator", "one"), ("Operator", "two"), ("Part", "inner")]


class Trigger(BaseTrigger):
    """With a field."""

    def __init__(self, one: str) -> None:
        super().__init__()
        self.one = one

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Not needed."""
        return "", {}

    async def run(self) -> Any:
        """Not needed."""
        yield


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 triggers aren't rendered")
def test_a_field_of_a_trigger_is_rendered_as_on_a_worker() -> None:
    """An undefined name is an error, and not nothing."""
    trigger = Trigger("{{ what }}")
    render_field(trigger, "one", {"what": "x"})
    assert trigger.one == "x"
    with pytest.raises(UndefinedError):
        render_field(Trigger("{{ nobody }}"), "one", {})


@pytest.mark.parametrize(
    ("path", "given", "mapped"),
    [
        ("operators.create.StarVideosCreateOperator", {}, "prompt"),
        ("operators.batch.StarVideosBatchOperator", {}, "requests"),
        ("operators.download.StarVideosDownloadOperator", {"destination": "/tmp/"}, "video_id"),
        ("sensors.task.StarVideosTaskSensor", {}, "video_id"),
    ],
)
def test_a_mapped_task_has_airflows_defaults(path: str, given: dict[str, str], mapped: str) -> None:
    """Without them, ``inlets`` is one, it fails before it begins. Airflow finds them by the classes of an operator."""
    module, _, name = path.rpartition(".")
    kind: Any = getattr(import_module(f"airflow_provider_starvideos.{module}"), name)

    class Plain(BaseOperator):
        def __init__(self, value: str = "", **kwargs: Any) -> None:
            super().__init__(**kwargs)

    with DAG("mapped"):
        ours = kind.partial(task_id="ours", **given).expand(**{mapped: ["a"]})
        plain = Plain.partial(task_id="plain").expand(value=["a"])
    for one in ("inlets", "outlets", "retries", "trigger_rule", "pool_slots"):
        assert getattr(ours, one) == getattr(plain, one)
