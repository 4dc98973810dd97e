"""What an administrator has set, and what Airflow ships."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = (
    "from airflow_provider_starvideos.compat.configuration import is_configured as of;"
    "print('answer', of('operators', 'default_deferrable'), of('operators', 'default_owner'))"
)


@pytest.mark.parametrize(
    ("text", "variable", "answer"),
    [
        ("[core]\nparallelism = 3\n[operators]\n# default_deferrable = False\n", None, "answer False False"),
        ("[operators]\ndefault_deferrable = false\ndefault_owner = anna\n", None, "answer True True"),
        ("", "false", "answer True False"),
    ],
    ids=["other options and a comment", "a file with the same as Airflow ships", "environment with the same"],
)
def test_only_what_is_set_counts(text: str, variable: str | None, answer: str, tmp_path: Path) -> None:
    """A file or the environment, and not what Airflow ships for the same option."""
    (tmp_path / "airflow.cfg").write_text(text)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    env |= {"AIRFLOW_HOME": str(tmp_path)} | ({"AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": variable} if variable else {})
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)
    assert answer in done.stdout.splitlines()


def test_the_file_that_airflow_writes_sets_nothing(tmp_path: Path) -> None:
    """``airflow db migrate`` writes one, as ``airflow standalone`` does: with all options, as they are without it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    env |= {"AIRFLOW_HOME": str(tmp_path)}
    write = "from airflow.configuration import write_default_airflow_configuration_if_needed as w; w()"
    subprocess.run([sys.executable, "-c", write], env=env, capture_output=True, check=True)
    assert "\ndefault_deferrable = false\n" in (tmp_path / "airflow.cfg").read_text()
    file = tmp_path / "airflow.cfg"
    edited = file.read_text().replace("\ndefault_deferrable = false\n", "\ndefault_deferrable = False\n")
    for text, answer in ((file.read_text(), "answer False False"), (edited, "answer True False")):
        file.write_text(text)
        done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)
        assert answer in done.stdout.splitlines()
