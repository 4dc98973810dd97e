"""Every connection that the documentation shows can be used as it is shown."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from airflow.sdk import Connection
from airflow.secrets.local_filesystem import LocalFilesystemBackend

from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VARIABLE = re.compile(r"^ *export AIRFLOW_CONN_STARVIDEOS_DEFAULT=('.*')$", re.MULTILINE)
BLOCK = re.compile(r"^```(json|ini|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = [(page.name, text) for page in PAGES for text in VARIABLE.findall(page.read_text())]


@pytest.mark.parametrize(("page", "text"), SHOWN, ids=[page for page, _ in SHOWN])
def test_a_variable_is_a_connection(page: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed into a shell, the hook can use it."""
    (value,) = shlex.split(text)
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", value)
    endpoint = StarVideosHook().get_conn()
    given = json.loads(value)
    assert endpoint.key == given["password"]
    assert endpoint.base_url == given.get("host", endpoint.base_url)
    assert endpoint.timeout == given.get("extra", {}).get("timeout", endpoint.timeout)


def test_the_command_line_shows_a_connection() -> None:
    """The JSON of ``airflow connections add``."""
    page = (ROOT / "docs" / "connection.md").read_text()
    lines = [shlex.split(line) for line in page.splitlines() if "--conn-json" in line]
    assert lines
    for words in lines:
        given = json.loads(words[words.index("--conn-json") + 1])
        assert Connection(conn_id=words[3], **given).conn_type == "starvideos"


def test_the_secrets_backend_has_the_connection(tmp_path: Path) -> None:
    """The file of the page's example, read by the backend that its settings name."""
    blocks = dict(BLOCK.findall((ROOT / "docs" / "connection.md").read_text()))
    assert f"{LocalFilesystemBackend.__module__}.{LocalFilesystemBackend.__name__}" in blocks["ini"]
    file = tmp_path / "connections.json"
    file.write_text(blocks["json"])
    found = LocalFilesystemBackend(connections_file_path=str(file)).get_connection("starvideos_default")
    assert found
    assert (found.conn_type, found.password) == ("starvideos", "YOUR-KEY")
