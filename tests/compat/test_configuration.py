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
        ("", None, "answer False False"),
        ("[core]\nparallelism = 3\n", None, "answer False False"),
        ("[operators]\ndefault_deferrable = False\n", None, "answer True False"),
        ("[operators]\n# default_deferrable = False\n", None, "answer False False"),
        ("", "False", "answer True False"),
    ],
    ids=["nothing", "other options", "a file", "a comment", "the environment"],
)
def test_only_what_is_set_counts(text: str, variable: str | None, answer: str, tmp_path: Path) -> None:
    """A file or the environment, and not what Airflow ships for the same option."""
    (tmp_path / "airflow.cfg").write_text(text)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    env |= {"AIRFLOW_HOME": str(tmp_path)} | ({"AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": variable} if variable else {})
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)
    assert answer in done.stdout.splitlines()
