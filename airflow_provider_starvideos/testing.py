"""A pytest fixture for tests of your Dags: a StarVideos server on this machine, under the default connection.

Add this line to the ``conftest.py`` at the top of your tests. It needs pytest and the extra ``emulator``::

    pytest_plugins = ["airflow_provider_starvideos.testing"]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_starvideos.emulator import Emulator


@pytest.fixture
def starvideos_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Give a running :class:`~airflow_provider_starvideos.emulator.Emulator`; ``starvideos_default`` leads to it.

    Each test has its own server. Videos are done at once; ``update(seconds="hold")`` and ``finish()`` change that. The
    server fetches no references, so that a test needs no network.

    :return: the emulator: its methods control it, ``billed``, ``orders`` and ``requests`` list what it received
    :raises MissingLibraryError: the extra ``emulator`` isn't installed
    """
    from airflow_provider_starvideos.emulator import Emulator
    from airflow_provider_starvideos.emulator.libraries import require_libraries
    from airflow_provider_starvideos.emulator.service import connection_to

    require_libraries()
    with Emulator(seconds=0, references="off") as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", connection_to(emulator.base_url, emulator.key))
        yield emulator
