"""For all tests: a separate Airflow home, and nothing of the caller's Airflow, proxy or .netrc.

And how several workers share the tests (``make test``, ``pytest -n 3``).
"""

import asyncio
import atexit
import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from tests.storage.buckets import S3

gc.disable()  # while tests are collected: half of that time would be the search for garbage among what stays

# There is none yet. Said outright, or pytest-asyncio's question for it makes one, which is left open: on older Airflows
# a later test fails with the warning.
asyncio.set_event_loop(None)

FOREIGN = ("AIRFLOW", "_AIRFLOW")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

for _name in list(os.environ):
    if _name.startswith(FOREIGN) or _name.lower() in PROXIES or _name == "NETRC":
        del os.environ[_name]

# Before anything imports airflow: it reads its home, and writes into it, on import.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="starvideos-tests-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

# On it every warning is an error. Older ones warn about libraries that came after them, which we can't fix.
NEWEST = "3.3."
NOT_OURS = "(?!airflow_provider_starvideos|tests|dev|example_dags)"
TOLERATED = () if version("apache-airflow-core").startswith(NEWEST) else (DeprecationWarning, FutureWarning)

for _kind in TOLERATED:  # for the conftest files that are imported before pytest is configured
    warnings.filterwarnings("ignore", category=_kind, module=NOT_OURS)


# What one worker runs one after the other, in this order. Other tests go file by file to the next free worker. So at
# most two Airflows run at a time, and while tests wait for them, the rest keeps the processors busy.
TOGETHER = (
    (
        "tests/airflow/test_configured.py",
        "tests/airflow/test_nothing_secret.py",
        "tests/airflow/test_storage.py",
        "tests/ui/",
    ),  # each with a separate Airflow
    ("tests/airflow/",),  # those that share one
)


def work_unit(nodeid: str) -> tuple[int, str]:
    """Return which tests a test goes with, as something to sort by."""
    file = nodeid.partition("::")[0]
    for number, files in enumerate(TOGETHER):
        if file.startswith(files):
            return number, ""
    return len(TOGETHER), file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give whole units to workers, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return str(work_unit(nodeid))

    config.option.loadscopereorder = False
    return ByUnit(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For workers: the units that take longest first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: work_unit(item.nodeid)[0])


def pytest_collection_finish() -> None:
    """Leave what is there now, a million objects, out of all later searches for garbage."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """On older Airflows, let only what our own code does be an error."""
    for kind in TOLERATED:
        config.addinivalue_line("filterwarnings", f"ignore::{kind.__name__}:{NOT_OURS}")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """A server of the S3 protocol, for all tests of this process."""
    with S3() as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten failed polls in a row end a wait, however soon: for tests whose polls follow one another."""
    monkeypatch.setattr("airflow_provider_starvideos.api.polling.MIN_FAILING_SECONDS", 0.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Where a test on a real Airflow fails, show what Airflow's components wrote last: nothing else is left of them."""
    from dev.airflow_stack import AirflowStack

    report = yield
    if report.when == "call" and report.failed:
        stacks = [value for value in item.funcargs.values() if isinstance(value, AirflowStack)]  # type: ignore[attr-defined]
        report.sections += [section for stack in stacks for section in stack.last_words()]
    return report
