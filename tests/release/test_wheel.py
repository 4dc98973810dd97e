"""What strangers install: the wheel has all that the package needs, and nothing else."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from airflow_provider_starvideos import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_starvideos"
ASSETS = {".py", ".typed", ".html", ".css", ".js", ".json", ".svg", ".png", ".ttf", ".md", ".txt"}
"""What a package may hold, by its ending."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built from this tree with the tools that are there: nothing is fetched."""
    pytest.importorskip("hatchling", reason="the build backend isn't in this environment")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    assert path.name == f"{PACKAGE}-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """The wheel's metadata."""
    return email.message_from_bytes(wheel.read(f"{PACKAGE}-{__version__}.dist-info/METADATA"))


def test_the_package_is_there_whole_and_alone(wheel: zipfile.ZipFile) -> None:
    """Every file of the package and no other: no tests, examples, benchmarks, tools, caches or secrets."""
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / PACKAGE).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert inside == {str(path.relative_to(ROOT)) for path in files}
    assert {Path(name).suffix for name in inside} <= ASSETS
    assert not [name for name in inside if re.search(r"(^|[/_])(tests?|examples?|conftest|benchmarks?|dev)[/_.]", name)]


@pytest.mark.parametrize("name", ["py.typed", "emulator/page.html", "get_provider_info.py", "check/__main__.py"])
def test_what_works_only_with_its_files_has_them(name: str, wheel: zipfile.ZipFile) -> None:
    """The types' marker, the emulator's page, and the entry points' modules."""
    assert f"{PACKAGE}/{name}" in wheel.namelist()


def test_the_entry_points(wheel: zipfile.ZipFile) -> None:
    """Airflow finds the provider, and a shell the emulator."""
    text = wheel.read(f"{PACKAGE}-{__version__}.dist-info/entry_points.txt").decode()
    assert f"[apache_airflow_provider]\nprovider_info = {PACKAGE}.get_provider_info:get_provider_info\n" in text
    assert f"[console_scripts]\nstarvideos-emulator = {PACKAGE}.emulator.__main__:main\n" in text


def test_the_licence_is_there(wheel: zipfile.ZipFile, metadata: Message) -> None:
    """Its text, and its name in the metadata."""
    assert metadata["License-Expression"] == "Apache-2.0"
    assert b"Apache License" in wheel.read(f"{PACKAGE}-{__version__}.dist-info/licenses/LICENSE")


def test_the_description_renders(metadata: Message) -> None:
    """The README, as Markdown; its relative links name files of the source distribution."""
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = bytes(metadata.get_payload(decode=True)).decode()  # type: ignore[arg-type]
    assert text == (ROOT / "README.md").read_text("utf-8")
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.startswith("<h1>")
    targets = re.findall(r'(?:href|src)="([^"]*)"', html)
    inside = [target.partition("#")[0] for target in targets if not target.startswith(("https://", "#"))]
    assert [target for target in inside if not (ROOT / target).exists()] == []


def test_the_metadata_is_fit_to_be_published(metadata: Message) -> None:
    """Name, version, Python, dependencies with lower bounds and without upper ones; nothing of this machine."""
    assert (metadata["Name"], metadata["Version"]) == (PACKAGE.replace("_", "-"), __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert needed
    for requirement in needed:
        assert requirement.url is None
        assert {one.operator for one in requirement.specifier} <= {">=", "!="}, str(requirement)
        assert any(one.operator == ">=" for one in requirement.specifier), str(requirement)
    assert str(ROOT) not in metadata.as_string()
