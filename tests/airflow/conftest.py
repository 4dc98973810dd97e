"""One Airflow and one emulator for all tests in this folder; each test is marked ``real_airflow``.

Keep ``__init__.py`` out of this folder: as a package it would be importable as ``airflow``.
"""

import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import VIDEO_SECONDS

HERE = Path(__file__).parent
KEY = "key-of-the-tests-that-must-show-up-nowhere"
PRICE = 0.25


class MetricsServer(socketserver.UDPServer):
    """Keeps the lines that it gets."""

    max_packet_size = 65536

    def __init__(self, *args: Any) -> None:
        self.lines: list[str] = []
        super().__init__(*args)

    def named(self, name: str) -> list[str]:
        """Return the lines of a metric."""
        return [line for line in self.lines if f"starvideos.{name}," in line or f"starvideos.{name}:" in line]


class MetricsHandler(socketserver.BaseRequestHandler):
    """One packet of lines."""

    def handle(self) -> None:
        self.server.lines += self.request[0].decode().splitlines()  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run them after all others; the hook is given those too.

    Last, because slow tests should follow fast ones. Else this Airflow and this emulator, which live until
    the session's end, take time from other tests, or be found by those that look whether something is left behind.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real_airflow)
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A StarVideos server whose videos are done after a few seconds, and say what they cost."""
    with Emulator(seconds=VIDEO_SECONDS, key=KEY, price_per_second=PRICE) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def metrics() -> Iterator[MetricsServer]:
    """A StatsD server that keeps what Airflow sends of this provider's metrics."""
    with MetricsServer(("127.0.0.1", 0), MetricsHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def airflow(
    emulator: Emulator, metrics: MetricsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    """An Airflow with the Dags of ``tests/airflow/dags``, and a connection to the emulator."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    limited = connection | {"extra": {"max_orders_per_task": 3, "max_seconds_per_order": 5}}
    env = {
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_STARVIDEOS_LIMITED": json.dumps(limited),
    }
    config = {
        "metrics.statsd_on": "True",
        "metrics.statsd_host": "127.0.0.1",
        "metrics.statsd_port": str(metrics.server_address[1]),
        "metrics.statsd_influxdb_enabled": "True",  # tags are shown
        "metrics.metrics_allow_list": "starvideos",
    }
    with AirflowStack(tmp_path_factory.mktemp("airflow"), HERE / "dags", env, config) as airflow:
        yield airflow
