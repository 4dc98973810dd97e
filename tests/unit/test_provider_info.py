"""What Airflow's providers manager is told: valid, true, and cheap to be told."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from airflow_provider_starvideos.get_provider_info import get_provider_info
from airflow_provider_starvideos.hooks.form import NUMBER_EXTRAS
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

INFO = get_provider_info()
CONNECTION = INFO["connection-types"][0]
MODULE_LISTS = ("operators", "sensors", "hooks", "triggers")


def test_it_is_valid_by_airflows_schema() -> None:
    """The schema that Airflow itself checks providers with; and it is JSON."""
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(INFO)), schema)
    assert json.loads(json.dumps(INFO)) == INFO


def test_it_is_this_packages_entry_point() -> None:
    """Airflow finds it by the entry point of the installed distribution, under its name."""
    (found,) = [point for point in entry_points(group="apache_airflow_provider") if "starvideos" in point.value]
    assert found.load() is get_provider_info
    assert found.dist is not None
    assert found.dist.name == INFO["package-name"]


@pytest.mark.parametrize("name", MODULE_LISTS)
def test_every_module_that_it_names_is_there(name: str) -> None:
    """And each belongs to an integration that it names."""
    integrations = {one["integration-name"] for one in INFO["integrations"]}
    for entry in INFO[name]:
        assert entry["integration-name"] in integrations
        for module in entry["python-modules"]:
            assert importlib.import_module(module).__name__ == module


def public_classes(module: str) -> set[str]:
    """Return the names of a module's own StarVideos classes."""
    found = vars(importlib.import_module(module)).items()
    return {name for name, value in found if name.startswith("StarVideos") and value.__module__ == module}


def test_every_class_of_the_public_interface_is_in_a_module_that_it_names() -> None:
    """Operators, the sensor, the hook and the trigger are listed where they are."""
    modules = [module for name in MODULE_LISTS for entry in INFO[name] for module in entry["python-modules"]]
    found = set().union(*map(public_classes, modules))
    expected = {"StarVideosCreateOperator", "StarVideosTaskSensor", "StarVideosHook", "StarVideosTaskTrigger"}
    assert found >= expected


def test_the_connection_type_is_the_hooks() -> None:
    """The form leads to this hook, under the type and name that the hook has itself."""
    module, name = CONNECTION["hook-class-name"].rsplit(".", 1)
    assert getattr(importlib.import_module(module), name) is StarVideosHook
    assert CONNECTION["connection-type"] == StarVideosHook.conn_type
    assert CONNECTION["hook-name"] == StarVideosHook.hook_name
    assert StarVideosHook(**{StarVideosHook.conn_name_attr: "mine"}).starvideos_conn_id == "mine"


def test_the_form_fits_what_is_read_of_a_connection() -> None:
    """Each number has a field, with bounds that the hook takes; nothing in the form is out of the hook's bounds."""
    fields: dict[str, Any] = CONNECTION["conn-fields"]
    for name, rule in NUMBER_EXTRAS.items():
        schema = fields[name]["schema"]
        assert schema["maximum"] == rule.highest
        assert rule.lowest <= schema["minimum"]
        if rule.default is not None:
            assert schema["minimum"] <= rule.default <= schema["maximum"]
            assert f"{rule.default:g}" in fields[name]["description"]
    for field in fields.values():
        jsonschema.Draft7Validator.check_schema(field["schema"])
        assert "null" in field["schema"]["type"]  # an empty field is saved as nothing
        assert field["label"]
        assert field["description"]


def test_the_form_hides_what_is_not_used() -> None:
    """Host and password stay, under the names that a user looks for."""
    behaviour = CONNECTION["ui-field-behaviour"]
    assert not {"host", "password"} & set(behaviour["hidden-fields"])
    assert {"host", "password"} == set(behaviour["relabeling"])
    assert StarVideosHook.get_ui_field_behaviour() == {
        name.replace("-", "_"): value for name, value in behaviour.items()
    }


def test_it_imports_nothing_heavy() -> None:
    """It is read in every Airflow process: nothing but this package's own few lines and the standard library."""
    script = (
        "import sys; before = set(sys.modules)\n"
        "from airflow_provider_starvideos.get_provider_info import get_provider_info\n"
        "get_provider_info(); print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    foreign = {name for name in result.stdout.split() if name not in sys.stdlib_module_names}
    assert foreign <= {"airflow_provider_starvideos", "typing"}
