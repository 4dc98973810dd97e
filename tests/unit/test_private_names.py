"""What Airflow doesn't promise is named in ``compat/`` alone. Read from the source, not by importing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_starvideos

ROOT = Path(airflow_provider_starvideos.__file__).parent
# Modules that Airflow and its providers document. Names of ``airflow.sdk`` itself are, too.
PROMISED = (
    "airflow.providers.",
    "airflow.configuration.conf",
    "airflow.triggers.base",
    "airflow.sdk.types",
)
# Of Airflow's classes, wherever they are imported from.
PRIVATE_NAMES = {
    "SUPERVISOR_COMMS",
    "TaskAwaitingInput",
    "PlainXComArg",
    "HITLTrigger",
    "get_listener_manager",
    "get_task_states",
    "get_template_env",
    "iter_mapped_dependants",
    "iter_mapped_task_groups",
    "on_success_callback",
    "overlay",
    "timeout_after",
    "upsert_hitl_detail",
    "xcom_keys_to_clear",
    "_do_render_template_fields",
    "_post_execute_hook",
    "_pre_execute_hook",
    "_render",
    "_ti_context_from_server",
}


def found_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield lines and names of what Airflow doesn't promise."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            names = [node.value]  # as an argument of getattr or import_module
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name | ast.FunctionDef):
            names = [node.id if isinstance(node, ast.Name) else node.name]
        yield from ((node.lineno, name) for name in names if is_private(name))  # type: ignore[attr-defined]


def is_private(name: str) -> bool:
    """Return whether it is a module of Airflow's that isn't promised, or a name that isn't."""
    if not name.startswith("airflow."):
        return name.rpartition(".")[2] in PRIVATE_NAMES
    package, _, rest = name.removeprefix("airflow.").partition(".")
    return not name.startswith(PROMISED) and not (package == "sdk" and "." not in rest)


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] not in ("compat", "emulator")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_airflow_does_not_promise_is_in_compat(path: Path) -> None:
    """Move it there, into the module of its concern, with a contract test in ``tests/compat``."""
    assert list(found_in(path)) == []


def test_each_module_of_compat_has_contract_tests() -> None:
    """Which run on every supported Airflow."""
    modules = {path.stem for path in (ROOT / "compat").glob("*.py")} - {"__init__"}
    tests = Path(__file__).parents[1] / "compat"
    assert modules - {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")} == set()


@pytest.mark.parametrize(
    "line",
    [
        "from airflow.sdk.execution_time import task_runner",
        "import airflow.models.dagrun",
        "from airflow.models import Variable",
        "from airflow.api_fastapi.app import get_auth_manager",
        "import_module('airflow.sdk.execution_time.comms')",
        "task._pre_execute_hook",
        "getattr(ti, 'get_task_states')",
        "from airflow.utils.session import create_session",
        "from airflow.settings import engine",
    ],
)
def test_this_test_finds(line: str, tmp_path: Path) -> None:
    """However it is written."""
    path = tmp_path / "module.py"
    path.write_text(line)
    assert list(found_in(path))


@pytest.mark.parametrize(
    "line",
    ["from airflow.sdk import Param", "from airflow.providers.common.compat.sdk import conf", "x = 'airflow.cfg is'"],
)
def test_this_test_lets_through(line: str, tmp_path: Path) -> None:
    """What Airflow documents."""
    path = tmp_path / "module.py"
    path.write_text(line)
    assert list(found_in(path)) == []
