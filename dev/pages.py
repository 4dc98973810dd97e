"""What is made in the pages of the documentation: examples, tables of parameters, contents, API reference.

    python -m dev.pages

copies the examples into the pages, writes the tables of parameters and draws the badges. A page reads the same on
GitHub, which knows no directives of Sphinx. So it holds the example itself, and `docs/conf.py` turns lists of links
into Sphinx's contents and API reference.
"""

from __future__ import annotations

import os
import re
import tempfile
import textwrap
from pathlib import Path

from dev import badges
from dev.reference import with_tables

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# <!-- example_dags/save.py --> or <!-- example_dags/save.py: create -->, and the block below it.
EXAMPLE = re.compile(
    r"^<!-- (?P<file>[\w/]+\.py)(?:: (?P<part>\w+))? -->\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"^ *# \[\w+: (?:begin|end)\]\n", re.MULTILINE)
# - [text](page.md)
PAGE = re.compile(r"^- \[[^]]+\]\((?P<page>[\w./]+)\.md\)", re.MULTILINE)
# - [`operators.create.StarVideosCreateOperator`](../….py): `dry_run` (or: all members)
OBJECT = re.compile(r"^- \[`(?P<name>[\w.]+)`\]\([^)]+\)(?:: (?P<members>.*))?.*\n", re.MULTILINE)
PACKAGE = "airflow_provider_starvideos"


def example(file: str, part: str | None) -> str:
    """Return what a page shows of an example.

    :param file: path from the top of the checkout
    :param part: what lies between ``# [part: begin]`` and ``# [part: end]``; None: the file, without marks of its parts
    """
    text = (ROOT / file).read_text()
    if part is None:
        return MARK.sub("", text)
    found = re.search(rf"^ *# \[{part}: begin\]\n(.*?)^ *# \[{part}: end\]$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{file} has no part {part!r}")
    return textwrap.dedent(found[1]).rstrip() + "\n"


def with_examples(text: str) -> str:
    """Return a page with its examples as they are now."""

    def filled(found: re.Match[str]) -> str:
        head = found[0].partition("```python\n")[0]
        return f"{head}```python\n{example(found['file'], found['part'])}```"

    return EXAMPLE.sub(filled, text)


def with_contents(text: str) -> str:
    """Return the first page with Sphinx's contents: one list for each heading, of the pages linked below it."""
    sections = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    lists = ""
    for head, body in zip(sections[1::2], sections[2::2], strict=True):
        pages = "\n".join(found["page"] for found in PAGE.finditer(body))
        lists += f"\n```{{toctree}}\n:hidden:\n:caption: {head}\n\n{pages}\n```\n"
    return text + lists


def with_reference(text: str) -> str:
    """Return the page of the API with the docstring of each object instead of the link to its file."""
    return OBJECT.sub(lambda found: f"\n```{{eval-rst}}\n{_directive(found)}```\n", text)


def objects(text: str) -> list[tuple[str, list[str]]]:
    """Return what the page of the API lists: each object's path, and the members to show; ``*``: all public ones."""
    return [(f"{PACKAGE}.{found['name']}", _members(found)) for found in OBJECT.finditer(text)]


def _members(found: re.Match[str]) -> list[str]:
    members = found["members"] or ""
    return ["*"] if members == "all members" else re.findall(r"`(\w+)`", members)


def _directive(found: re.Match[str]) -> str:
    name, members = found["name"], ", ".join(_members(found)).strip("*")
    if name == "exceptions":
        return f".. automodule:: {PACKAGE}.{name}\n   :members:\n   :show-inheritance:\n"
    kind = "autoclass" if name.rpartition(".")[2][0].isupper() else "autofunction"
    shown = f"   :members: {members}\n   :undoc-members:\n" if _members(found) else ""
    return f".. {kind}:: {PACKAGE}.{name}\n{shown}"


def filled(text: str) -> str:
    """Return a page with its examples and its tables of parameters as they are now."""
    return with_tables(with_examples(text))


def main() -> None:
    """Write all that is made, where it has changed."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home  # Airflow writes into it when it is imported
        made = {page: filled(page.read_text()) for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))}
    made |= {badges.FOLDER / f"badge-{name}.svg": text for name, text in badges.all_badges().items()}
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"{path.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
