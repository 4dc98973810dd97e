"""What the API reference shows: each parameter of a public class or function, and what is returned."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from dev import pages

PAGE = (pages.DOCS / "api.md").read_text()
NO_PARAMETERS = {"TaskStatus", "GenerationMode"}  # enums


def documented() -> Iterator[tuple[str, Any, str]]:
    """Return everything callable that the reference shows: name, what is called, docstring."""
    for path, members in pages.objects(PAGE):
        module, _, name = path.rpartition(".")
        if name == "exceptions":
            continue
        if "retry_policy" in module and not AIRFLOW_V_3_3_PLUS:
            continue
        target = getattr(import_module(module), name)
        if name not in NO_PARAMETERS and not hasattr(target, "_fixture_function"):
            yield name, target, inspect.getdoc(target) or ""
        names = [one for one in vars(target) if not one.startswith("_")] if members == ["*"] else members
        for member in names:
            called = inspect.getattr_static(target, member)
            if not isinstance(called, property | cached_property) and callable(called):
                yield f"{name}.{member}", called, inspect.getdoc(called) or ""


CASES = {name: (called, text) for name, called, text in documented()}


def test_something_is_listed() -> None:
    """The page is read as it should be: operators, the hook's calls, the emulator's."""
    assert {"StarVideosCreateOperator", "StarVideosHook.acreate_video", "Emulator.add_fault"} <= CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_each_parameter_is_told(name: str) -> None:
    """And no docstring names a parameter that is gone."""
    called, text = CASES[name]
    signature = inspect.signature(called)
    taken = {one for one in signature.parameters if one not in ("self", "args", "kwargs")}
    told = set(re.findall(r":param (\w+):", text))
    assert not taken - told - _told_together(text), f"not told: {taken - told}"
    assert told <= taken | {"kwargs", "request"}, f"told, but not taken: {told - taken}"


def _told_together(text: str) -> set[str]:
    """The batch's request arguments are documented at the operator of one order."""
    if "and the other request arguments" not in text:
        return set()
    from airflow_provider_starvideos.api.models import REQUEST_FIELDS

    return set(REQUEST_FIELDS)


@pytest.mark.parametrize("name", [name for name, (called, _) in CASES.items() if inspect.isfunction(called)])
def test_what_comes_back_is_told(name: str) -> None:
    """In a line for it, or by a summary that begins with it ("Return …")."""
    called, text = CASES[name]
    if inspect.signature(called).return_annotation not in ("None", None, inspect.Signature.empty):
        assert ":return:" in text or text.startswith("Return"), text


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("StarVideosHook.")])
def test_what_the_hook_raises_is_told(name: str) -> None:
    """Except the test button, which raises nothing."""
    assert (":raises " in CASES[name][1]) == (name != "StarVideosHook.test_connection")
