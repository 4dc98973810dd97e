"""The tables of parameters in the documentation, from signatures, docstrings and the connection form.

A page names the object above its table, `dev.pages` writes the table, and a test compares:

    <!-- parameters: operators.create.StarVideosCreateOperator -->
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

PACKAGE = "airflow_provider_starvideos"
# What is between the marks is written again.
TABLE = re.compile(r"^<!-- (?P<kind>parameters|extras|options)(?:: (?P<name>[\w.]+))? -->\n(?:\|.*\n)*", re.MULTILINE)
PARAM = re.compile(r"^:param (\w+): (.*(?:\n {4,}.*)*)", re.MULTILINE)
TYPES = {
    "timedelta | float": "seconds, or `timedelta`",
    "float": "seconds",
    "str | PathLike[str] | ObjectStoragePath": "`str`, `Path` or `ObjectStoragePath`",
}
UNITS = {"max_bytes": "bytes", "max_failures": "rows, or a share"}


def with_tables(page: str) -> str:
    """Return a page with its tables as they are now."""
    return TABLE.sub(lambda found: found[0].partition("\n")[0] + "\n" + table(found["kind"], found["name"]), page)


def table(kind: str, name: str | None) -> str:
    """Return a table as Markdown.

    :param kind: ``parameters`` of an object, ``extras`` of the connection, ``options`` of Airflow's configuration
    :param name: the object's path in the package
    """
    make: dict[str, Callable[[], tuple[Sequence[str], Iterator[Sequence[str]]]]] = {
        "parameters": lambda: parameters(name or ""),
        "extras": extras,
        "options": options,
    }
    head, rows = make[kind]()
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def found(name: str) -> Any:
    """Return an object by its path in the package."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(f"{PACKAGE}.{'.'.join(parts[:length])}")
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            thing = getattr(thing, part)
        return thing
    raise ValueError(f"nothing is called {name}")


def parameters(name: str) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Return the head and the rows of a callable's parameters; for operators also which are templated."""
    thing = found(name)
    templated: Sequence[str] | None = getattr(thing, "template_fields", None)
    texts = dict(PARAM.findall(inspect.getdoc(thing) or ""))
    head = ["parameter", "type, unit", "default", *(["templated"] if templated is not None else []), "meaning"]

    def rows() -> Iterator[Sequence[str]]:
        for one in inspect.signature(thing).parameters.values():
            if one.name == "self" or one.kind is one.VAR_KEYWORD:
                continue
            text = texts.get(one.name, "as of an order; applies to rows that don't give it")
            default = "required" if one.default is one.empty else f"`{_shown(one.default)}`"
            is_templated = [] if templated is None else ["yes" if one.name in templated else "no"]
            yield [f"`{one.name}`", _type(one), default, *is_templated, _text(text)]

    return head, rows()


def _shown(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"timedelta(seconds={value.total_seconds():g})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _type(one: inspect.Parameter) -> str:
    kind = str(one.annotation)
    if unit := UNITS.get(one.name):
        return unit
    parts = [part for part in re.split(r" \| (?![^\[]*\])", kind) if part != "None"]
    if (known := TYPES.get(" | ".join(parts))) is not None:
        return known
    if (choices := re.fullmatch(r"Literal\[(.*)\]", parts[0])) and len(parts) == 1:
        return " or ".join(f"`{choice}`" for choice in choices[1].replace("'", '"').split(", "))
    return " or ".join(f"`{part}`" for part in parts)


def _text(text: str) -> str:
    """Return a docstring's words in one line of Markdown."""
    joined = " ".join(text.split()).replace("``", "`")
    return re.sub(r" \(templated\)", "", joined)


def extras() -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Return the head and the rows of the connection's extras, as its form has them."""
    from airflow_provider_starvideos.hooks.form import CONN_FIELDS

    def rows() -> Iterator[Sequence[str]]:
        for name, field in CONN_FIELDS.items():
            kind = field["schema"]["type"]
            yield [f"`{name}`", field["label"], kind if isinstance(kind, str) else kind[0], field["description"]]

    return ["extra", "in the form", "type", "meaning, range, and what empty means"], rows()


def options() -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Return the head and the rows of this provider's section of Airflow's configuration."""
    from airflow_provider_starvideos.get_provider_info import get_provider_info

    def rows() -> Iterator[Sequence[str]]:
        for section, content in get_provider_info()["config"].items():
            for name, option in content["options"].items():
                default = f"`{option['default']}`" if option["default"] else "empty"
                yield [f"`[{section}] {name}`", str(option["type"]), default, option["description"]]

    return ["option", "type", "default", "meaning"], rows()
