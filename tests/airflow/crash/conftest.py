"""The bench on which rows of the crash matrix run: the tests' Airflow, and a separate emulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack
from tests.airflow.crash.bench import Bench, add_connection


@pytest.fixture(scope="session")
def judge() -> Iterator[Emulator]:
    """A StarVideos server whose videos end when the bench says so."""
    with Emulator(seconds=None, key="key-of-the-crash-matrix") as emulator:
        yield emulator


@pytest.fixture
def bench(airflow: AirflowStack, judge: Emulator, tmp_path: Path) -> Bench:
    """A bench without rows. Its folder's name is in every prompt."""
    add_connection(airflow, judge, "crash", timeout=120, max_retries=2)
    add_connection(airflow, judge, "crash_impatient", timeout=2, max_retries=0)
    add_connection(airflow, judge, "crash_refused", host="http://127.0.0.1:9", timeout=2, max_retries=0)
    return Bench(airflow, judge, tmp_path)
