"""What tests look for in Airflow's logs and database, wherever its version has it."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import psutil
from cryptography.fernet import Fernet

from airflow_provider_starvideos.orders.store import journal_name
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack

# Airflow fails a deferred task that is woken before the scheduler has noted the end of its process. On a busy machine
# that takes seconds.
VIDEO_SECONDS = 6
LEG = "DAG bundles loaded"  # each process that works on a task says so in the task's log, first thing


def orders_of(
    airflow: AirflowStack, dag_id: str, run_id: str, task_id: str, map_index: int = -1
) -> list[dict[str, Any]]:
    """Return what the journal holds of a task instance's orders, the newest page first.

    From the database, because the api-server may be stopped.
    """
    name = journal_name(dag_id, run_id, task_id, map_index)
    with airflow.db() as db:
        query = "SELECT key, val FROM variable WHERE key LIKE ? ORDER BY id DESC"
        found = db.execute(query, (f"{name.base}%",)).fetchall()
    fernet = Fernet(airflow.fernet_key)
    pages = [json.loads(fernet.decrypt(row["val"].encode())) for row in found]
    return [order for page in pages for order in page["orders"]]


def wait_until_settled(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
    """Wait until the journal of a task that has succeeded is deleted.

    Airflow records the success first, and the run may end at once. A worker deletes the journal a moment later, the
    triggerer within two seconds or so. A clear before that resumes the videos of the try that has succeeded.
    """
    what = f"the journal of {dag_id}.{task_id}[{map_index}] to be deleted"
    wait_until(lambda: not orders_of(airflow, dag_id, run_id, task_id, map_index) or None, what)


def left_its_worker(
    airflow: AirflowStack, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
) -> bool:
    """Return whether the scheduler has noted the end of each process that has worked on a try.

    If a deferred task is woken before that, Airflow takes the old process's end for the new one's, and adds a try.
    """
    task = f"dag_id='{dag_id}', task_id='{task_id}', run_id='{run_id}', try_number={try_number}, map_index={map_index}"
    ends = rf"executor event with state (?:success|failed) for task instance TaskInstanceKey\({re.escape(task)}\)"
    noted = re.findall(ends, airflow.processes.log_file("scheduler").read_text(errors="replace"))
    return len(noted) >= airflow.log(dag_id, run_id, task_id, try_number, map_index=map_index).count(LEG)


@contextlib.contextmanager
def no_task_talking(airflow: AirflowStack) -> Iterator[None]:
    """Stop all tasks for a moment.

    On SQLite, Airflow's api-server locks up for a minute when a user's change meets a task's: the one waits for the
    database on the event loop that the other needs to commit.
    """
    processes = airflow.processes.process("scheduler").children(recursive=True)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(0.3)  # until the api-server has answered what they had asked
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
