"""A Dag file parses fast: what importing operators and sensors loads, in a fresh process."""

from __future__ import annotations

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
# What the sensors of the first Airflows 3.0 load themselves.
FOR_AIRFLOW = set() if AIRFLOW_V_3_1_PLUS else {"structlog", "rich", "pygments"}
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
