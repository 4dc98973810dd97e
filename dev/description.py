"""The README as the package index shows it. Hatchling calls this when it builds; it imports nothing but hatchling.

The index knows no files of the repository. So links to them become addresses below the project's `Source` (in
[project.urls]); as long as there is none, a link becomes its text and the file's path, and pictures are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

IMAGE = re.compile(r"!\[[^\]]*\]\((?P<path>(?!https?:)[^)]+)\) ?")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<path>(?!https?:|#)[^)]+)\)")
COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def for_index(readme: str, source: str | None, version: str) -> str:
    """Return the README without links and pictures that work in the repository only.

    :param readme: as it is in the repository
    :param source: the repository's public address; None: it has none
    :param version: whose files are linked
    """
    parts = CODE.split(readme)  # code blocks at odd positions
    return "".join(part if number % 2 else _text(part, source, version) for number, part in enumerate(parts))


def _text(text: str, source: str | None, version: str) -> str:
    text = COMMENT.sub("", text)
    if source:
        base = source.rstrip("/")
        text = IMAGE.sub(lambda found: found[0].replace(found["path"], f"{base}/raw/v{version}/{found['path']}"), text)
        return LINK.sub(lambda found: f"[{found['text']}]({base}/blob/v{version}/{found['path']})", text)
    text = IMAGE.sub("", text)
    text = LINK.sub(lambda found: f"{found['text']} (`{found['path'].partition('#')[0]}`)", text)
    return re.sub(r"\n{3,}", "\n\n", text)


class DescriptionHook(MetadataHookInterface):
    """Gives the project's metadata its description."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``readme``."""
        root = Path(self.root)
        module = (root / "airflow_provider_starvideos" / "__init__.py").read_text()
        found = re.search(r'^__version__ = "(.+)"', module, re.MULTILINE)
        source = metadata.get("urls", {}).get("Source")
        text = for_index((root / "README.md").read_text(), source, found[1] if found else "")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
