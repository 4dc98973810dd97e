"""The language of the documentation and the examples: words that a stranger knows, one term for one thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile")
PAGES = [
    *(ROOT / name for name in TOP),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "example_dags").glob("*.py")),
]
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
# What not to write → what to write.
INSTEAD = {
    r"looks? (?:at|into|for|like|up)|looked|looking|a look|look-ups?": "poll, check, read, search, seem",
    r"nobody|somebody": "name the actor",
    r"whoever": "users who …, those that …",
    r"tells?|told|telling": "say, show, report",
    r"in doubt|perhaps billed": "outcome unknown",
    r"tak(?:e|es|en|ing) (?:it |them )?up": "resume",
    r"mend(?:s|ed|ing)?|passes by itself": "fix; a retry can help",
    r"legs?": "worker run",
    r"anew|lest|in vain|but for|beside": "again, so that not, without success, except, next to",
    r"of (?:its|their|your|his) own": "its own …, separate",
    r"(?:wants?|wanted) (?:a|one|no) worker": "needs a worker",
    r"e\.g\.|i\.e\.": "for example, that is",
}
NEVER = re.compile(rf"\b(?:{'|'.join(INSTEAD)})(?!\w)", re.IGNORECASE)


def prose(page: Path) -> str:
    """Return a page's words, without code."""
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text())
    return re.sub(r"`[^`\n]*`", "", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_speaks_plainly(page: Path) -> None:
    """No private terms, and no phrase that costs a reader time; ``INSTEAD`` says what to write."""
    found = [
        f"{page.name}:{number}: {match[0]}"
        for number, line in enumerate(prose(page).splitlines(), 1)
        for match in NEVER.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_table_has_a_header(page: Path) -> None:
    """Each of its columns."""
    lines = page.read_text().splitlines()
    rulers = [number for number, line in enumerate(lines) if re.fullmatch(r"\s*\|(?:\s*:?-+:?\s*\|)+\s*", line)]
    heads = [lines[number - 1] for number in rulers]
    assert [head for head in heads if any(not cell.strip() for cell in head.strip().strip("|").split("|"))] == []
