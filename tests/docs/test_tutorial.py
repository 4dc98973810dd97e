"""The tutorial's commands, typed in its order into an empty folder, and the runbook's on the Airflow that runs then.

Airflow has its default settings, except for ports (the usual ones may be in use), and the test needs no password.
The first block, which installs from the package index, is typed by ``make stranger``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from dev.airflow_api import AirflowApi, path
from dev.airflow_runs import wait_until
from dev.airflow_settings import FOREIGN, free_ports
from dev.processes import Processes

ROOT = Path(__file__).parents[2]
DAG_ID = "starvideos_postcard"
TASKS = ("scene", "create", "wait", "save", "announce")
BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
pytestmark = [
    pytest.mark.real_airflow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="the tutorial's first command installs Airflow 3.3"),
]


def blocks(page: str) -> list[str]:
    """Return a page's shell blocks, as they are typed."""
    found = BLOCK.findall((ROOT / "docs" / page).read_text())
    return ["".join(line.removeprefix(indent) for line in code.splitlines(keepends=True)) for indent, code in found]


class Reader:
    """A reader who follows the tutorial.

    :param folder: an empty one, in which ``tutorial`` is made, next to the checkout's files
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tutorial"
        self.folder.mkdir()
        for name in ("example_dags", "constraints"):
            (folder / name).symlink_to(ROOT / name)
        (self.folder / "venv").symlink_to(sys.prefix)
        port, *logs = free_ports(3)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self._env = kept | {
            "PYTHONPATH": str(ROOT),
            "POSTCARDS": f"{folder}/postcards/",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs[0]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(logs[1]),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        }
        self.postcards = folder / "postcards"
        self.url = f"http://127.0.0.1:{port}"
        self.api = AirflowApi("127.0.0.1", port)
        self.terminals = Processes(folder / "terminals")

    def types(self, code: str) -> str:
        """Type a block, and return what it prints."""
        command = ["bash", "-e", "-c", code]
        done = subprocess.run(command, cwd=self.folder, env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def leaves_running(self, terminal: str, code: str) -> None:
        """Type a block that doesn't end."""
        self.terminals.start(terminal, ["bash", "-e", "-c", code], self._env, cwd=self.folder)

    def states(self, run_id: str) -> dict[str, str]:
        """Return the run's tasks and their states."""
        tasks = self.api.get(path("dags", DAG_ID, "dagRuns", run_id, "taskInstances"))["task_instances"]
        return {task["task_id"]: str(task["state"]) for task in tasks}

    def runs(self) -> list[str]:
        """Return the Dag's runs, the first one first."""
        found = self.api.get(path("dags", DAG_ID, "dagRuns"), order_by="run_after")["dag_runs"]
        return [run["dag_run_id"] for run in found]

    def waits_for(self, run_id: str, **states: str) -> None:
        """Wait until tasks are in these states."""
        seen: dict[str, str] = {}

        def has_ended() -> bool | None:
            seen.update(self.states(run_id))
            return states.items() <= seen.items() or None

        try:
            wait_until(has_ended, str(states), timeout=180, poll=1)
        except TimeoutError as error:
            error.add_note(f"{seen}\n{self.terminals.tail('airflow', 60)}")
            raise

    def log(self, run_id: str, task_id: str) -> str:
        """Return the log of a task's first try."""
        where = path("dags", DAG_ID, "dagRuns", run_id, "taskInstances", task_id, "logs", 1)
        return str(self.api.get(where, full_content="true"))

    def page(self) -> list[dict[str, Any]]:
        """Return the orders that the local server's page shows."""
        with urllib.request.urlopen("http://127.0.0.1:8642/_control/orders") as answer:
            return list(json.load(answer))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader in an empty folder; their terminals are closed at the end."""
    one = Reader(tmp_path)
    yield one
    one.terminals.close()


def test_the_tutorial_works_as_typed(reader: Reader) -> None:
    """A video, a lost answer, a decision; then commands of the runbook."""
    _install, folder, settings, server, airflow, unpause, fault, trigger, decide, clear, *_ = blocks("tutorial.md")
    reader.types(folder)
    reader.types(settings)
    reader.leaves_running("server", server)
    reader.leaves_running("airflow", airflow)
    wait_until(lambda: is_healthy(reader.api), "a healthy Airflow", timeout=180, poll=1)
    wait_until(lambda: is_known(reader.api), "the Dag", timeout=60, poll=1)

    reader.types(unpause)
    (first,) = wait_until(lambda: reader.runs() or None, "the run that was due", timeout=60, poll=1)
    reader.waits_for(first, **dict.fromkeys(TASKS, "success"))
    assert len(reader.page()) == 1
    (postcard,) = reader.postcards.iterdir()
    assert postcard.name in reader.log(first, "announce")

    reader.terminals.kill("server", signal.SIGINT)
    reader.leaves_running("server", fault)
    wait_until(lambda: is_up(reader), "the local server", timeout=60)
    reader.types(trigger)
    _, second = reader.runs()
    reader.waits_for(second, create="failed")
    (order,) = reader.page()
    message = reader.log(second, "create")
    (variable,) = set(re.findall(r"starvideos_decision_[0-9a-f]{12}", message))
    assert "docs/runbook.md#order-outcome-unknown" in message
    reader.types(decide.replace("starvideos_decision_REPLACE", variable).replace("video_REPLACE", order["id"]))
    reader.types(clear)
    reader.waits_for(second, **dict.fromkeys(TASKS, "success"))
    assert [one["id"] for one in reader.page()] == [order["id"]]
    assert len(list(reader.postcards.iterdir())) == 2
    assert set(reader.states(first).values()) == {"success"}
    check_runbook(reader, second)


def check_runbook(reader: Reader, run_id: str) -> None:
    """Type commands of the runbook; what only names examples of ids is replaced by ids that are there."""
    typed = blocks("runbook.md")
    session = ". ./settings.sh\n"
    (jobs,) = [code for code in typed if "airflow jobs check" in code]
    assert "Found one alive job" in reader.types(session + jobs)
    (tasks,) = [code for code in typed if "airflow tasks clear" in code]
    reader.types(session + tasks.replace("my_dag", DAG_ID))  # nothing has failed in a run of that date
    (post,) = [code for code in typed if "clearTaskInstances" in code]
    with urllib.request.urlopen(f"{reader.url}/auth/token") as answer:
        token = json.load(answer)["access_token"]
    export = post.replace("http://localhost:8080", reader.url).replace("YOUR-AIRFLOW-TOKEN", token)
    export = export.replace("my_dag", DAG_ID).replace("RUN-ID", run_id)
    (delete,) = [code for code in typed if "curl" in code and "DELETE" in code]
    record = "starvideos_order_0123456789abcdef0123456789abcdef_1"
    reader.types(f"{session}airflow variables set {record} '{{}}'\n{export}{delete}")
    (listed,) = [code for code in typed if "airflow variables list" in code]
    assert record not in reader.types(session + listed)
    assert set(reader.states(run_id).values()) == {"success"}, "a succeeded task isn't cleared"


def is_healthy(api: AirflowApi) -> bool | None:
    """Airflow's parts are all there."""
    try:
        health = api.health()
    except OSError:
        return None
    return all(part["status"] == "healthy" for part in health.values()) or None


def is_known(api: AirflowApi) -> bool | None:
    """Airflow has parsed the Dag."""
    return any(dag["dag_id"] == DAG_ID for dag in api.get("/dags")["dags"]) or None


def is_up(reader: Reader) -> bool | None:
    """The local server answers."""
    try:
        return reader.page() == [] or None
    except OSError:
        return None
