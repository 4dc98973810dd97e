"""A pytest fixture for tests of your own Dags: a StarVideos server on this machine, under the default connection.

One line in the ``conftest.py`` at the top of your tests makes it known::

    pytest_plugins = ["airflow_provider_starvideos.testing"]

It needs pytest and the extra ``emulator``. Nothing is imported before a test asks for the fixture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_starvideos.emulator import Emulator


@pytest.fixture
def starvideos_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Give a running :class:`~airflow_provider_starvideos.emulator.Emulator`; ``starvideos_default`` leads to it.

    Each test has a server of its own, whose videos are done at once; ``update(seconds="hold")`` and ``finish()`` change
    that. It fetches no references, so that a test needs no network.

    :return: the emulator; its methods steer it, and ``billed``, ``orders``, ``requests`` tell what came
    :raises MissingLibraryError: the extra ``emulator`` isn't installed
    """
    from airflow_provider_starvideos.emulator import Emulator
    from airflow_provider_starvideos.emulator.libraries import require_libraries

    require_libraries()
    with Emulator(seconds=0, references="off") as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", connection_to(emulator))
        yield emulator


def connection_to(emulator: Emulator) -> str:
    """Return an Airflow connection to an emulator, as the JSON that an ``AIRFLOW_CONN_…`` variable takes.

    :param emulator: a running one
    """
    return json.dumps({"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key})
