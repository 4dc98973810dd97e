"""Names of a package that are imported when they are first used (PEP 562): to name one costs that one, not all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package.

    :param package: its ``__name__``
    :param modules: name → the module of the package that has it
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)  # from now on found without this function
        return value

    def names_and_modules() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, names_and_modules
