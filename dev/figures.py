"""Puts what was measured into the documentation: a table between two marks of a page, with what it was measured with.

<!-- figures: batch -->
…
<!-- figures end -->
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def measured_with() -> str:
    """Return when something was measured, with which Airflow, and from which commit of this project."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    today = datetime.now(tz=UTC).date().isoformat()
    return f"Measured on {today} with Airflow {version('apache-airflow-core')}, at commit {commit or 'unknown'}."


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of figures as Markdown; its first column is text."""
    lines = [list(head), ["---", *["--:"] * (len(head) - 1)], *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(page: str, name: str, text: str) -> None:
    """Put figures between the marks of a page.

    :param page: its name in docs/
    :param name: which figures
    :param text: Markdown
    :raises ValueError: the page hasn't these marks
    """
    path = DOCS / page
    marks = re.compile(rf"(?<=<!-- figures: {name} -->\n).*?(?=<!-- figures end -->)", re.DOTALL)
    filled, count = marks.subn(lambda _: f"{measured_with()}\n\n{text}\n", path.read_text())
    if count != 1:
        raise ValueError(f"{page} has no place for the figures {name!r}")
    path.write_text(filled)
