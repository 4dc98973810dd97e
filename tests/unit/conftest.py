"""What the unit tests share: an emulator under the default connection."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_starvideos.emulator import Emulator
from tests.orders.variables import Variables

KEY = "sk-key-of-the-unit-tests"


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    """One server for all tests."""
    with Emulator(key=KEY, seconds="hold", references="off") as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """A fresh server under the connection ``starvideos_default``; its videos are done when a test says so."""
    running_emulator.reset()
    running_emulator.update(seconds="hold")
    connection = {
        "conn_type": "starvideos",
        "host": running_emulator.base_url,
        "password": KEY,
        "extra": {"timeout": 10, "max_retries": 0},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
    Variables().install(monkeypatch)  # an order is kept there; Airflow 3.0 has them only where a supervisor runs
    return running_emulator
