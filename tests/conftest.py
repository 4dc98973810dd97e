"""For all tests: an Airflow home of their own, and nothing of the caller's Airflow, proxy or .netrc."""

import atexit
import os
import shutil
import tempfile
import warnings
from importlib.metadata import version

import pytest

FOREIGN = ("AIRFLOW", "_AIRFLOW")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

for _name in list(os.environ):
    if _name.startswith(FOREIGN) or _name.lower() in PROXIES or _name == "NETRC":
        del os.environ[_name]

# Before anything imports airflow: it reads its home, and writes into it, on import.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="starvideos-tests-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

NEWEST = "3.3."
"""On it every warning is an error. Older ones warn about libraries that came after them, which isn't ours to mend."""
NOT_OURS = "(?!airflow_provider_starvideos|tests|dev|example_dags)"
TOLERATED = () if version("apache-airflow-core").startswith(NEWEST) else (DeprecationWarning, FutureWarning)

for _kind in TOLERATED:  # for the conftest files that are imported before pytest is configured
    warnings.filterwarnings("ignore", category=_kind, module=NOT_OURS)


def pytest_configure(config: pytest.Config) -> None:
    """On older Airflows, let only what our own code does be an error."""
    for kind in TOLERATED:
        config.addinivalue_line("filterwarnings", f"ignore::{kind.__name__}:{NOT_OURS}")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten failed looks in a row end a wait, however soon: for tests whose looks follow on one another."""
    monkeypatch.setattr("airflow_provider_starvideos.api.polling.MIN_BLIND_SECONDS", 0.0)
