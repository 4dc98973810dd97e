"""The pytest fixture for users' Dags, as the documentation shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_starvideos import testing
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMMAND = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--noconftest", "-p", "no:cacheprovider"]

starvideos_emulator = testing.starvideos_emulator


def test_the_default_connection_leads_to_the_emulator(starvideos_emulator: testing.Emulator) -> None:
    """A video is ordered and done at once; nothing can get to the vendor."""
    video = StarVideosHook().create_video(prompt="A kite")
    assert StarVideosHook().get_conn().base_url == starvideos_emulator.base_url
    assert StarVideosHook().get_video(video.id).is_completed
    assert starvideos_emulator.billed.videos == 1


def test_each_test_has_its_own(starvideos_emulator: testing.Emulator) -> None:
    """Nothing is left of the test before."""
    assert starvideos_emulator.orders == []


def test_the_plugin_costs_a_start_of_pytest_nothing() -> None:
    """Loading it imports neither Airflow nor the server nor its libraries."""
    code = (
        "import sys, pytest; before = set(sys.modules); import airflow_provider_starvideos.testing; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"airflow", "aiohttp", "requests", "av", "PIL", "pendulum"}
    assert not heavy & set(done.stdout.split())
    assert "airflow_provider_starvideos" in done.stdout


@pytest.mark.real_airflow
@pytest.mark.timeout(600)
def test_the_tests_and_examples_of_the_documentation_pass(tmp_path: Path) -> None:
    """In a pytest of their own with the plugin, and a database as `airflow db migrate` makes it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "PYTHONPATH": str(ROOT),
    }
    airflow = str(Path(sys.executable).with_name("airflow"))
    subprocess.run([airflow, "db", "migrate"], env=env, cwd=tmp_path, capture_output=True, check=True)
    files = [str(HERE / "your_tests.py"), str(HERE / "example_runs.py")]
    plugin = ["-p", testing.__name__, "--basetemp", str(tmp_path / "files")]
    done = subprocess.run([*COMMAND, *plugin, *files], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert re.search(r"^6 passed", done.stdout, re.MULTILINE), done.stdout[-10_000:] + done.stderr[-2000:]
