"""What the tests of orders share: an emulator, and a task instance that orders one video."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.orders import journal, submitter
from airflow_provider_starvideos.orders.record import Order
from airflow_provider_starvideos.orders.states import STATES, OrderState
from tests.orders.task import Task

KEY = "sk-key-of-the-order-tests"


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    """One server for all tests."""
    with Emulator(key=KEY, seconds="hold", references="off") as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator) -> Iterator[Emulator]:
    """A fresh server; its videos are done when a test says so."""
    running_emulator.reset()
    yield running_emulator
    running_emulator.clear_faults(release="drop")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(retry, "LONGEST_DELAY", 0.05)
    monkeypatch.setattr(retry, "UNKNOWN_DELAY", 0.01)
    monkeypatch.setattr(submitter, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(journal, "WRITE_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def _only_known_transitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No order goes where the table of states says that it can't."""
    become = Order.become

    def checked(order: Order, state: OrderState, error: str | None = None) -> None:
        assert state == order.state or state in STATES[order.state].follows, f"{order.state} → {state}"
        become(order, state, error)

    monkeypatch.setattr(Order, "become", checked)


@pytest.fixture
def task(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task instance that has ordered nothing."""
    return Task(emulator, monkeypatch)
