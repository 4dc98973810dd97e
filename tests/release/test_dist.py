"""What `make dist` builds can be installed by strangers, and Airflow finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from airflow_provider_starvideos import __version__

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
NAME = f"airflow_provider_starvideos-{__version__}"
OUTSIDE = {".git", ".ci", "build", "dist", "demo", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache"}

pytestmark = [pytest.mark.dist, pytest.mark.timeout(900)]


def run(*command: object, cwd: Path, **env: str) -> str:
    """Run a command with nothing of this project in its way, and return what it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sdist_is_the_source_and_nothing_of_the_machine() -> None:
    """The package, its tests and documentation; no environment, no build, no history."""
    with tarfile.open(DIST / f"{NAME}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/index.md"} <= names
    assert not {name for name in names if name.split("/")[0] in OUTSIDE or name.startswith(".venv")}
    assert not {name for name in names if "__pycache__" in name or name.endswith(".pyc")}


@pytest.mark.parametrize("kind", ["-py3-none-any.whl", ".tar.gz"], ids=["wheel", "sdist"])
def test_it_installs_and_airflow_lists_it(kind: str, tmp_path: Path) -> None:
    """Into an empty environment, with Airflow: it is a provider, its operators can be imported, its demo runs."""
    venv, constraints = tmp_path / "venv", ROOT / "constraints" / "airflow-3.3.txt"
    run(sys.executable, "-m", "venv", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "uv", cwd=tmp_path)
    package = f"airflow-provider-starvideos[emulator] @ {(DIST / f'{NAME}{kind}').as_uri()}"
    run(python, "-m", "uv", "pip", "install", "--quiet", "--constraint", constraints, package, cwd=tmp_path)
    home = str(tmp_path / "airflow")
    listed = run(venv / "bin" / "airflow", "providers", "list", "-o", "plain", cwd=tmp_path, AIRFLOW_HOME=home)
    (line,) = [line for line in listed.splitlines() if line.startswith("airflow-provider-starvideos")]
    assert __version__ in line
    told = run(
        python,
        "-c",
        "from airflow_provider_starvideos.operators.create import StarVideosCreateOperator as Create\n"
        "from airflow.sdk import task\n"
        "print(Create.__module__, task.starvideos_create.__name__)",
        cwd=tmp_path,
        AIRFLOW_HOME=home,
    )
    assert "airflow_provider_starvideos.operators.create starvideos_create_task" in told
    (examples,) = venv.glob("lib/python*/site-packages/airflow_provider_starvideos/example_dags")
    assert {"postcard.py", "etl.py"} <= {path.name for path in examples.iterdir()}
    shown = run(python, "-m", "airflow_provider_starvideos.demo", "--folder", tmp_path / "demo", cwd=tmp_path)
    (video,) = (tmp_path / "demo" / "videos").glob("*.mp4")
    assert str(video) in shown
    helped = run(venv / "bin" / "starvideos-emulator", "--help", cwd=tmp_path)
    assert "--fault" in helped
