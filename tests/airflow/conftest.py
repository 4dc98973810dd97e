"""One Airflow and one emulator for all tests in this folder; each test is marked ``real_airflow``.

Keep ``__init__.py`` out of this folder: as a package it would be importable as ``airflow``.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack

HERE = Path(__file__).parent
KEY = "key-of-the-tests-that-must-show-up-nowhere"
VIDEO_SECONDS = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run them after all others; the hook is given those too.

    Last, because what is slow should follow what is fast, and lest this Airflow and this emulator, which live until
    the session's end, take time from other tests, or be found by those that look whether something is left behind.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real_airflow)
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A StarVideos server whose videos are done after a few seconds."""
    with Emulator(seconds=VIDEO_SECONDS, key=KEY) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def airflow(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow with the Dags of ``tests/airflow/dags``, and a connection to the emulator."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    env = {"AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection)}
    with AirflowStack(tmp_path_factory.mktemp("airflow"), HERE / "dags", env) as airflow:
        yield airflow
