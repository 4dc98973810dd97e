"""What the plugin costs every Airflow process, and what is in it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.get_provider_info import get_provider_info
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.ui.allowed_files import OPTION, SECTION
from airflow_provider_starvideos.ui.links import LINKS, OPERATORS, play_path
from airflow_provider_starvideos.ui.plugin import APPS, VIEWS, StarVideosPlugin

SCRIPT = """
import json, sys, time
import airflow.plugins_manager
from airflow.providers.common.compat.sdk import AirflowPlugin
before, began = set(sys.modules), time.process_time()
from airflow_provider_starvideos.ui.plugin import StarVideosPlugin
plugin = StarVideosPlugin(); plugin.fastapi_apps; plugin.external_views
seconds = time.process_time() - began
print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
"""
OLD = """
from airflow.providers.common.compat import version_compat
version_compat.AIRFLOW_V_3_1_PLUS = False
from airflow_provider_starvideos.ui.plugin import StarVideosPlugin
plugin = StarVideosPlugin()
print(plugin.fastapi_apps, plugin.external_views, len(plugin.operator_extra_links))
"""


def run(script: str) -> str:
    """Run a script in a fresh process; return its last line."""
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return result.stdout.splitlines()[-1]


def test_loading_it_costs_nothing() -> None:
    """Every Airflow process loads plugins: no web framework, no operators, no HTTP client, a few milliseconds."""
    seconds, loaded = json.loads(run(SCRIPT))
    assert {name for name in loaded if not name.startswith("airflow_provider_starvideos")} <= {
        "airflow.providers.common.compat.version_compat"
    }
    assert len(loaded) < 6
    assert seconds < 0.05


def test_airflow_3_0_gets_the_links_alone() -> None:
    """It shows no views of plugins, and its browsers send no cookie."""
    assert run(OLD) == "[] [] 2"


def test_airflow_finds_it_by_the_entry_point() -> None:
    """Plugins of a provider's info are loaded only where providers aren't discovered lazily."""
    (found,) = [point for point in entry_points(group="airflow.plugins") if point.name == "starvideos"]
    assert found.load() is StarVideosPlugin
    assert "plugins" not in get_provider_info()


def test_the_links_are_for_the_operators_and_in_the_provider_info() -> None:
    """Airflow compares the operators' names; the provider info names the links' classes."""
    for link in LINKS:
        assert {one.__name__ for one in link.operators} == set(OPERATORS)
    named = [f"{type(link).__module__}.{type(link).__name__}" for link in LINKS]
    assert get_provider_info()["extra-links"] == named


def test_on_a_worker_a_link_needs_no_database() -> None:
    """There is none; a class derived from ours, with the links as its own, has them pushed there when it ends."""
    operator = StarVideosCreateOperator(task_id="create", prompt="x")
    key = SimpleNamespace(dag_id="ä dag", run_id="run+1:00", task_id="group.create", map_index=3)
    path = "/starvideos/dags/%C3%A4%20dag/play?run_id=run%2B1%3A00&task_id=group.create&map_index=3&source=temporary"
    assert LINKS[0].get_link(operator, ti_key=key) == (path if AIRFLOW_V_3_1_PLUS else "")


def test_behind_a_proxys_path_a_link_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """``[api] base_url`` says where Airflow is."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://company.example/airflow/")
    key = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    assert play_path("saved", key).startswith("/airflow/starvideos/dags/d/play?")


def test_the_setting_is_described() -> None:
    """Under the name that is read."""
    assert OPTION in get_provider_info()["config"][SECTION]["options"]


def test_each_view_has_a_route_of_its_own() -> None:
    """Airflow drops the second of two."""
    assert len({view["url_route"] for view in VIEWS}) == len(VIEWS) == 3
    assert [app["url_prefix"] for app in APPS] == (["/starvideos"] if AIRFLOW_V_3_1_PLUS else [])


@pytest.mark.parametrize(
    "asset",
    sorted(files("airflow_provider_starvideos.ui").joinpath("static").iterdir(), key=str),
    ids=lambda asset: asset.name,
)
def test_the_page_is_small_and_plain(asset: object) -> None:
    """Nothing from elsewhere, nothing inline, no text that is read as HTML; a few kilobytes a file."""
    text = asset.read_text()  # type: ignore[attr-defined]
    assert len(text) < 12_000
    assert len(text.splitlines()) < 400
    for word in (
        "https://",
        "eval(",
        "insertAdjacentHTML",
        "outerHTML",
        "document.write",
        "onclick=",
        'style="',
        "<style",
    ):
        assert word not in text.replace("http://www.w3.org/2000/svg", ""), word
    assert "innerHTML =" not in text.replace("innerHTML ==", "")
