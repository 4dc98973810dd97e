"""What strangers install: the wheel has all that the package needs, and nothing else."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from email.message import Message
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from airflow_provider_starvideos import __version__
from dev.description import for_index

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_starvideos"
# What a package may hold, by its ending.
ASSETS = {".py", ".typed", ".html", ".css", ".js", ".json", ".svg", ".png", ".ttf", ".md", ".txt"}
FILES = [
    *("py.typed", "emulator/page.html", "get_provider_info.py", "check/__main__.py", "ui/plugin.py", "demo.py"),
    *(f"ui/static/{name}" for name in ("page.html", "style.css", "main.js", "common.js", "video.js", "gallery.js")),
    *(f"ui/static/{name}" for name in ("recent.js", "icon.svg", "icon-dark.svg")),
]
ENTRY_POINTS = {
    ("apache_airflow_provider", "provider_info", f"{PACKAGE}.get_provider_info:get_provider_info"),
    ("airflow.plugins", "starvideos", f"{PACKAGE}.ui.plugin:StarVideosPlugin"),
    ("console_scripts", "starvideos-emulator", f"{PACKAGE}.emulator.__main__:main"),
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built from this tree with the tools that are there: nothing is fetched."""
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
    """Every file of the package, the example Dags, and no other: no tests, benchmarks, tools, caches or secrets."""
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == {str(path.relative_to(ROOT)) for path in files_of(PACKAGE)} | {
        f"{PACKAGE}/{path.relative_to(ROOT)}" for path in files_of("example_dags")
    }
    assert {Path(name).suffix for name in inside} <= ASSETS | {".csv", ".jsonl"}
    assert not [name for name in inside if re.search(r"(^|[/_])(tests?|conftest|benchmarks?|dev)[/_.]", name)]


def files_of(folder: str) -> list[Path]:
    """Return a folder's files, without what Python has compiled."""
    return [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.mark.parametrize("path", files_of("example_dags"), ids=lambda path: path.name)
def test_the_example_dags_are_those_of_the_repository(path: Path, wheel: zipfile.ZipFile) -> None:
    """Airflow shows what a provider has in its folder example_dags; they are edited in the repository's own."""
    assert wheel.read(f"{PACKAGE}/{path.relative_to(ROOT)}") == path.read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_what_works_only_with_its_files_has_them(name: str, wheel: zipfile.ZipFile) -> None:
    """The types' marker, the pages of the emulator and of Airflow's UI, and the entry points' modules."""
    assert f"{PACKAGE}/{name}" in wheel.namelist()


def test_the_entry_points(wheel: zipfile.ZipFile) -> None:
    """Airflow finds the provider and its pages, a shell the emulator; each leads somewhere, and no other is there."""
    parser = ConfigParser(delimiters="=")
    parser.read_string(wheel.read(f"{PACKAGE}-{__version__}.dist-info/entry_points.txt").decode())
    assert {(group, *entry) for group in parser.sections() for entry in parser.items(group)} == ENTRY_POINTS
    assert all(callable(EntryPoint(name, value, group).load()) for group, name, value in ENTRY_POINTS)


def test_the_licence_is_there(wheel: zipfile.ZipFile, metadata: Message) -> None:
    """Its text, and its name in the metadata."""
    assert metadata["License-Expression"] == "Apache-2.0"
    assert b"Apache License" in wheel.read(f"{PACKAGE}-{__version__}.dist-info/licenses/LICENSE")


def test_the_description_renders(metadata: Message) -> None:
    """The README as Markdown, without a link or a picture that only works in the repository."""
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = bytes(metadata.get_payload(decode=True)).decode()  # type: ignore[arg-type]
    readme = (ROOT / "README.md").read_text("utf-8")
    assert text.strip() == for_index(readme, None, __version__).strip()
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.startswith("<h1>")
    assert [target for target in targets_of(html) if not target.startswith("https://")] == []
    assert "<img" not in html


def test_the_description_links_to_the_repository_once_it_has_an_address() -> None:
    """Every link and picture is below it, and names a file of this version."""
    source = "https://code.example.com/team/project"
    text = for_index((ROOT / "README.md").read_text("utf-8"), source, "1.2.3")
    html = MarkdownIt("commonmark").enable("table").render(text)
    ours = [target.removeprefix(source) for target in targets_of(html) if target.startswith(source)]
    assert len(ours) > 20
    for target in ours:
        kind, file = re.fullmatch(r"/(blob|raw)/v1\.2\.3/([^#]+)(?:#.*)?", target).groups()  # type: ignore[union-attr]
        assert (ROOT / file).is_file(), target
        assert kind == ("raw" if "/images/" in file else "blob")
    assert [one for one in targets_of(html) if not one.startswith("https://")] == []


def targets_of(html: str) -> list[str]:
    """Return what a page links to and shows."""
    return re.findall(r'(?:href|src)="([^"]*)"', html)


def test_the_metadata_is_fit_to_be_published(metadata: Message) -> None:
    """Name, version, Python, dependencies with lower bounds and without upper ones."""
    assert (metadata["Name"], metadata["Version"]) == (PACKAGE.replace("_", "-"), __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert needed
    for requirement in needed:
        assert requirement.url is None
        assert {one.operator for one in requirement.specifier} <= {">=", "!="}, str(requirement)
        assert any(one.operator == ">=" for one in requirement.specifier), str(requirement)


def test_the_metadata_is_valid(wheel: zipfile.ZipFile) -> None:
    """Every field, by the rules of the package index."""
    data = wheel.read(f"{PACKAGE}-{__version__}.dist-info/METADATA")
    assert Metadata.from_email(data, validate=True).classifiers


def test_nothing_of_the_machine_is_in_it(wheel: zipfile.ZipFile) -> None:
    """No file, the metadata among them, names the folder that it was built in."""
    assert [name for name in wheel.namelist() if str(ROOT).encode() in wheel.read(name)] == []
