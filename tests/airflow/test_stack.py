"""The stack itself: it runs Dags, its parts can be killed and started again, and nothing of it is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from dev.airflow_stack import AirflowStack
from dev.processes import Processes

ROOT = Path(__file__).parents[2]
AIRFLOW_3_0 = version("apache-airflow").startswith("3.0.")

# Processes that are hard to find again: their parent is gone, their session is another, and they ignore signals.
# There are four of them only once the parent is gone.
STUBBORN = """
import os, signal, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
parent = os.getpid()
if os.fork() != 0:
    os._exit(0)
os.setsid()
while os.getppid() == parent:
    time.sleep(0.01)
os.fork(), os.fork()
time.sleep(300)
"""
STUBBORN_COUNT = 4

# Starts processes, says so, and then waits for what the test does to it.
STARTER = """
import json, os, signal, sys, time
from pathlib import Path
from dev.processes import Processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
with Processes(Path(sys.argv[1])) as processes:
    processes.start("stubborn", [sys.executable, "-c", sys.argv[2]], dict(os.environ))
    print(processes.keeper_pid, flush=True)
    if sys.argv[3:] == ["raise"]:
        time.sleep(1)
        raise ValueError("as a test does")
    time.sleep(300)
"""


def start_python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    """Run ``code`` in the project's folder."""
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; a zombie, as in a container whose first process reaps none, doesn't."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def left_behind(processes: list[psutil.Process], seconds: float = 15) -> list[psutil.Process]:
    """Wait for the ends of the processes, and return those still there."""
    until = time.monotonic() + seconds
    while (found := alive(processes)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def family(pid: int, at_least: int) -> list[psutil.Process]:
    """Return a process and all below it, once they are that many."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        keeper = psutil.Process(pid)
        if len(children := keeper.children(recursive=True)) >= at_least:
            return [keeper, *children]
        time.sleep(0.05)
    raise TimeoutError(f"fewer than {at_least} processes")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_nothing_is_left_behind_after_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    """All processes end with the one that started them, orphans and those that ignore signals too."""
    with start_python(STARTER, str(tmp_path), STUBBORN) as starter:
        assert starter.stdout is not None
        processes = family(int(starter.stdout.readline()), at_least=STUBBORN_COUNT)
        starter.send_signal(number)
        starter.wait(30)
    assert left_behind(processes) == []


def test_nothing_is_left_behind_after_an_exception(tmp_path: Path) -> None:
    """An exception in the block ends all processes before it leaves the block."""
    with start_python(STARTER, str(tmp_path), STUBBORN, "raise") as starter:
        assert starter.stdout is not None
        processes = family(int(starter.stdout.readline()), at_least=STUBBORN_COUNT)
        starter.wait(30)
        assert alive(processes) == []


def test_close_waits_for_the_ends(tmp_path: Path) -> None:
    """After the block all processes are gone, not merely asked to go."""
    with Processes(tmp_path) as processes:
        processes.start("stubborn", [sys.executable, "-c", STUBBORN], dict(os.environ))
        started = family(processes.keeper_pid, at_least=STUBBORN_COUNT)
    assert alive(started) == []


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    """What can't be started is reported by name, and the next one can be started."""
    with Processes(tmp_path) as processes:
        with pytest.raises(RuntimeError, match="ghost can't be started"):
            processes.start("ghost", [str(tmp_path / "no-such-command")], {})
        processes.start("python", [sys.executable, "-c", "import time; time.sleep(300)"], {})
        assert processes.running("python")


def test_a_dag_runs(airflow: AirflowStack) -> None:
    """Run, XComs, log and database can be read."""
    airflow.wait_for_dag("stack_two_tasks")
    run_id = airflow.trigger("stack_two_tasks", run_id="r:1+1")

    assert airflow.wait_for_run("stack_two_tasks", run_id) == "success"

    assert {each["task_id"]: each["state"] for each in airflow.task_instances("stack_two_tasks", run_id)} == {
        "make": "success",
        "use": "success",
    }
    assert airflow.xcom("stack_two_tasks", run_id, "make") == {"answer": 42}
    assert "the answer is 42" in airflow.log("stack_two_tasks", run_id, "use")
    with airflow.db() as db:
        (row,) = db.execute("SELECT value FROM xcom WHERE run_id = ? AND task_id = 'use'", (run_id,)).fetchall()
    assert str(row["value"]) == "42"


@pytest.mark.skipif(AIRFLOW_3_0, reason="Airflow 3.0 fails a killed task for good; tests/airflow/crash clears it there")
def test_a_killed_task_is_tried_again(airflow: AirflowStack) -> None:
    """A running task's process can be found, and killed without its supervisor."""
    airflow.wait_for_dag("stack_killed")
    run_id = airflow.trigger("stack_killed")
    airflow.wait_for_task("stack_killed", run_id, "sleep", {"running"})
    (process,) = airflow.wait_for_task_processes("stack_killed", "sleep", run_id=run_id)

    process.kill()

    assert airflow.wait_for_run("stack_killed", run_id) == "success"
    assert airflow.xcom("stack_killed", run_id, "sleep") == 2
