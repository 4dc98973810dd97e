"""Which way the arrows run: ``exceptions ← api ← transports ← hooks ← …``. Read from the source, not by importing."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_starvideos

PACKAGE = "airflow_provider_starvideos"
ROOT = Path(airflow_provider_starvideos.__file__).parent
PURE = {"exceptions", "api"}  # no I/O, no Airflow: the standard library only
NETWORK = {"socket", "ssl", "http", "asyncio"}
SYSTEM = {"threading", "subprocess", "os", "pathlib", "tempfile", "io", "shutil"}
# One HTTP library speaks to the API, on workers and in the triggerer (the storage's fetches go to other hosts).
CLIENTS: dict[str, set[str]] = {"aiohttp": {"clients"}, "requests": set(), "urllib3": set()}

CORE = {"exceptions", "api", "compat"}
WITH_HOOK = CORE | {"clients", "hooks", "metrics"}
# What each part may know of the others. A new part has to be added here.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),  # the package itself: __version__, for all
    "exceptions": set(),
    "api": {"exceptions"},
    "compat": {"exceptions", "api"},
    "clients": CORE,
    "arguments": set(),
    "metrics": {"api"},
    "hooks": WITH_HOOK | {"arguments", "storage"},  # storage: only when a file is asked for, see below
    "locations": CORE,
    "storage": CORE | {"locations", "metrics"},
    "failures": {"exceptions", "metrics"},
    "retry_policy": {"exceptions"},
    "orders": WITH_HOOK,
    "library": CORE | {"locations", "storage"},
    "lineage": CORE | {"storage"},
    "triggers": WITH_HOOK | {"batch", "orders"},
    "batch": WITH_HOOK | {"orders", "locations", "storage", "library"},
    "deferral": CORE | {"triggers"},
    "operators": WITH_HOOK
    | {"arguments", "batch", "locations", "storage", "failures", "orders", "lineage", "triggers", "deferral"},
    "decorators": CORE | {"batch", "failures", "operators"},
    "sensors": WITH_HOOK | {"arguments", "failures", "lineage", "triggers", "deferral"},
    # batch: its record is read; operators and the like: links name them
    "ui": WITH_HOOK | {"failures", "locations", "batch", "orders", "operators", "decorators", "sensors", "storage"},
    "get_provider_info": {"hooks", "ui"},
    "check": WITH_HOOK | {"storage"},
    "emulator": set(),
    "testing": {"emulator"},  # for users' tests: nothing here uses it
    "demo": {"emulator"},  # the same
}


class Module:
    """One source file.

    :param path: where it is
    """

    def __init__(self, path: Path) -> None:
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(part for part in parts if part != "__init__")
        self.part = parts[0] if parts[0] != "__init__" else ""
        self.tree = ast.parse(path.read_text())

    def imports(self) -> Iterator[tuple[str, bool]]:
        """Yield every module that it imports, anywhere, by name too; and whether on being imported itself."""
        at_top = {id(node) for node in ast.iter_child_nodes(self.tree)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, id(node) in at_top) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative imports hide which way an arrow runs"
                # "from package import part" imports the part
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                yield from ((str(name), id(node) in at_top) for name in names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_path(node.value):
                yield node.value, False

    def parts(self) -> Iterator[tuple[str, bool]]:
        """Yield the other parts of this package that it imports."""
        for name, at_top in self.imports():
            head, _, rest = name.partition(".")
            part = rest.partition(".")[0]
            if head != PACKAGE or part == self.part:
                continue
            if part and ((ROOT / part).is_dir() or (ROOT / f"{part}.py").is_file()):
                yield part, at_top


def _is_path(text: str) -> bool:
    return text.startswith(f"{PACKAGE}.") and text.replace(".", "").isidentifier()


MODULES = [Module(path) for path in sorted(ROOT.rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_imports_only_what_lies_below_it(module: Module) -> None:
    """The arrows hold also inside of functions, and for the type checker's sake."""
    assert module.part in MAY_IMPORT, "a new part: put it into its place in the table"
    allowed = MAY_IMPORT[module.part]
    assert {part for part, _ in module.parts() if part not in allowed} == set()


def test_the_documentation_lists_the_parts_in_this_order() -> None:
    """In the table of ``docs/architecture.md`` each part imports only parts above it, and none is missing."""
    table = (ROOT.parent / "docs" / "architecture.md").read_text().partition("| part |")[2].partition("\n\n")[0]
    parts = ["", *(part for line in table.splitlines() for part in re.findall(r"`(\w+)`", line.split("|")[1]))]
    assert sorted(parts) == sorted(MAY_IMPORT)
    wrong = {part: others - set(parts[: parts.index(part) + 1]) for part, others in MAY_IMPORT.items()}
    assert {part: others for part, others in wrong.items() if others} == {}


def test_the_arrows_make_no_circle_where_modules_are_imported() -> None:
    """What a part needs on being imported never needs it back: the table has no hidden circle."""
    needs: dict[str, set[str]] = {part: set() for part in MAY_IMPORT}
    for module in MODULES:
        needs[module.part] |= {part for part, at_top in module.parts() if at_top}
    free: set[str] = set()
    while len(free) < len(needs):
        ready = {part for part, below in needs.items() if part not in free and below <= free}
        assert ready, f"a circle among {needs.keys() - free}"
        free |= ready


def test_the_hook_knows_the_storage_only_when_asked_for_a_file() -> None:
    """Its imports of the storage are inside of functions, so that an import of the hook imports no storage library."""
    assert [module.name for module in MODULES if module.part == "hooks" and ("storage", True) in module.parts()] == []


@pytest.mark.parametrize("module", [m for m in MODULES if m.part in PURE], ids=lambda module: module.name)
def test_the_core_is_pure(module: Module) -> None:
    """No Airflow, no HTTP client, no storage: the standard library."""
    heads = {name.partition(".")[0] for name, _ in module.imports()}
    assert heads - set(sys.stdlib_module_names) <= {PACKAGE}


@pytest.mark.parametrize("module", [m for m in MODULES if m.part in PURE], ids=lambda module: module.name)
def test_the_core_does_no_io(module: Module) -> None:
    """Of the standard library, too, it takes nothing that reaches a network, a file, a process or a thread."""
    heads = {name.partition(".")[0] for name, _ in module.imports()}
    assert not heads & (NETWORK | SYSTEM)
    calls = {node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    names = {function.id for function in calls if isinstance(function, ast.Name)}
    assert not names & {"open", "print", "input", "exec", "eval"}


def test_the_emulator_stands_alone() -> None:
    """It is written from the vendor's pages: were it to share the provider's rules, one bug would hide in both."""
    for module in MODULES:
        others = {part for part, _ in module.parts()}
        assert "emulator" not in others or module.part in ("testing", "demo"), f"{module.name} imports the emulator"
        assert "testing" not in others, f"{module.name} imports the fixtures for users' tests"
        assert module.part != "emulator" or not others, f"the emulator's {module.name} imports {others}"


@pytest.mark.parametrize("client", CLIENTS)
def test_each_http_library_is_known_to_one_part(client: str) -> None:
    """How bytes are moved to the API is decided in one module."""
    users = {
        module.part
        for module in MODULES
        if module.part not in ("emulator", "storage")
        and any(name.partition(".")[0] == client for name, _ in module.imports())
    }
    assert users == CLIENTS[client]
