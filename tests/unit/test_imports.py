"""A Dag file parses fast: what importing operators and sensors loads, in a fresh process."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

SCRIPT = """
import importlib, json, sys
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
loaded = {}
for module in sys.argv[1:]:
    before = set(sys.modules)
    importlib.import_module(module)
    loaded[module] = sorted(set(sys.modules) - before)
print(json.dumps(loaded))
"""
NEVER = ("requests", "urllib3", "aiohttp", "httpx", "fsspec", "upath", "jsonschema", "av", "PIL", "asgiref")
FOR_AIRFLOW = set() if AIRFLOW_V_3_1_PLUS else {"structlog", "rich", "pygments"}
"""What the sensors of the first Airflows 3.0 load themselves."""
PACKAGE = "airflow_provider_starvideos"
NAMES = {
    "operators": {
        "StarVideosBatchOperator": "batch",
        "StarVideosCreateOperator": "create",
        "StarVideosDownloadOperator": "download",
    },
    "sensors": {"StarVideosTaskSensor": "task"},
    "hooks": {"StarVideosHook": "starvideos"},
}
"""Part → public name → the module that has it."""
ALL_NAMES = [(part, name, module) for part, names in NAMES.items() for name, module in names.items()]
EACH_ANEW = """
import json, sys
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
def ours():
    return [name for name in sys.modules if name.startswith("airflow_provider_starvideos")]
loaded = {}
for statement in sys.argv[1:]:
    for name in ours():
        del sys.modules[name]
    exec(statement)
    loaded[statement] = ours()
print(json.dumps(loaded))
"""
MODULES = [
    "airflow_provider_starvideos.operators.create",
    "airflow_provider_starvideos.operators.download",
    "airflow_provider_starvideos.sensors.task",
]


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """What each module loads beyond what every Dag file has loaded anyway, and the modules before it in the list."""
    command = [sys.executable, "-c", SCRIPT, *MODULES]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, list[str]] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("module", MODULES)
def test_operators_and_sensors_load_no_client_and_no_storage(module: str, loaded: dict[str, list[str]]) -> None:
    """No HTTP client, no storage library, no emulator: a Dag file names tasks, it doesn't run them."""
    assert module in loaded[module]
    assert [name for name in loaded[module] if name.partition(".")[0] in NEVER or ".emulator" in name] == []


@pytest.mark.parametrize("module", MODULES)
def test_operators_and_sensors_load_little(module: str, loaded: dict[str, list[str]]) -> None:
    """Except their own package and Airflow's compatibility layer, nothing that isn't of the standard library."""
    foreign = {name.partition(".")[0] for name in loaded[module]} - set(sys.stdlib_module_names)
    assert foreign <= {"airflow_provider_starvideos", "airflow"} | FOR_AIRFLOW
    assert len([name for name in loaded[module] if name.partition(".")[0] not in FOR_AIRFLOW]) < 60


@pytest.mark.parametrize("module", MODULES)
def test_operators_and_sensors_load_no_transport_and_no_hook(module: str, loaded: dict[str, list[str]]) -> None:
    """Of their own package, too, only what a Dag file needs."""
    parts = {name.split(".")[1] for name in loaded[module] if name.startswith("airflow_provider_starvideos.")}
    assert not parts & {"clients", "hooks", "storage", "orders", "emulator"}


BY_NAME = {name: f"from {PACKAGE}.{part} import {name}" for part, name, _ in ALL_NAMES}
BY_MODULE = {name: f"import {PACKAGE}.{part}.{module}" for part, name, module in ALL_NAMES}
BY_PACKAGE = {part: f"import {PACKAGE}.{part}" for part in NAMES}


@pytest.fixture(scope="module")
def loaded_by() -> dict[str, set[str]]:
    """Which modules of this package each statement loads, if no other has been executed."""
    statements = [*BY_NAME.values(), *BY_MODULE.values(), *BY_PACKAGE.values()]
    command = [sys.executable, "-c", EACH_ANEW, *statements]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return {statement: set(found) for statement, found in json.loads(result.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize(("part", "name", "module"), ALL_NAMES)
def test_a_name_of_a_package_costs_what_its_module_costs(
    part: str, name: str, module: str, loaded_by: dict[str, set[str]]
) -> None:
    """``from ….operators import StarVideosCreateOperator`` loads no other operator."""
    assert loaded_by[BY_NAME[name]] == loaded_by[BY_MODULE[name]]
    siblings = {f"{PACKAGE}.{part}.{one}" for one in NAMES[part].values()} - {f"{PACKAGE}.{part}.{module}"}
    assert not loaded_by[BY_NAME[name]] & siblings


@pytest.mark.parametrize("part", NAMES)
def test_a_package_by_itself_loads_nothing(part: str, loaded_by: dict[str, set[str]]) -> None:
    """Only what is named is imported."""
    assert loaded_by[BY_PACKAGE[part]] == {PACKAGE, f"{PACKAGE}.{part}", f"{PACKAGE}.lazy"}


@pytest.mark.parametrize("part", NAMES)
def test_a_package_offers_its_public_names(part: str) -> None:
    """To ``import *``, to tab completion, and as attributes; a wrong name is the usual error."""
    package = importlib.import_module(f"{PACKAGE}.{part}")
    assert set(package.__all__) == set(NAMES[part])
    assert set(NAMES[part]) <= set(dir(package))
    for name, module in NAMES[part].items():
        assert getattr(package, name) is vars(importlib.import_module(f"{PACKAGE}.{part}.{module}"))[name]
    with pytest.raises(AttributeError, match="has no attribute 'StarVideosNothing'"):
        package.StarVideosNothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'StarVideosNothing'"):
        exec(f"from {PACKAGE}.{part} import StarVideosNothing")
