"""Runs rows of the crash matrix on a real Airflow, side by side, with the emulator as the judge of what was billed."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_api import AirflowApiError
from dev.airflow_stack import AirflowStack
from tests.airflow.crash.row import KILLED, TASK, Condition, Row, Script
from tests.airflow.looks import no_task_talking

FINAL = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})
POLL = 0.1
# Every measured row is appended here; `dev.crash_matrix` makes the table of it.
RESULTS = Path(__file__).parents[3] / "build" / "crash-matrix.jsonl"


class Bench:
    """Where rows run.

    :param airflow: with the Dags of ``tests/airflow/dags/crash_rows.py``
    :param emulator: what ``conn_id`` points to; its videos must be told to end
    :param folder: an empty one, for the files with which tasks are held
    """

    def __init__(self, airflow: AirflowStack, emulator: Emulator, folder: Path) -> None:
        self.airflow, self.emulator, self.folder = airflow, emulator, folder
        self.dag_id = self.run_id = ""
        self.tasks: dict[int, dict[str, Any]] = {}
        self.orders: list[Any] = []
        self.since = 0

    def run(self, rows: Sequence[Row], *, dag_id: str = "crash_retried", timeout: float = 240) -> None:
        """Run rows, all in one Dag run, and fail with everything that isn't as it must be."""
        self.dag_id, self.since, self.tasks = dag_id, self.emulator.seq, {}
        for index, row in enumerate(rows):
            row.bench, row.index, row.name = self, index, f"{self.folder.name}-{self.since}-{index:03d}."
            row.prompt = f"{row.name} a red fox"
        scripts = {row.name: row.script(row) for row in rows}
        awaited: dict[str, Condition] = {}
        for name in list(scripts):
            self._advance(name, scripts, awaited)
        self.airflow.wait_for_dag(dag_id)
        self.run_id = self.airflow.trigger(dag_id, {"folder": str(self.folder), "rows": [row.conf() for row in rows]})
        until = time.monotonic() + timeout
        while not self._over(rows, scripts):
            if time.monotonic() > until:
                stuck = [f"{row.name} {row.what} [{row.wait}]: {row.state}" for row in rows if row.name in scripts]
                raise TimeoutError("\n".join([*stuck, self.airflow.summary(dag_id, self.run_id)]))
            time.sleep(POLL)
            self._look()
            self._clear_killed(rows)
            self._end_videos(rows)
            for name in list(scripts):
                if awaited[name]():
                    self._advance(name, scripts, awaited)
        self._report(rows)

    def _advance(self, name: str, scripts: dict[str, Script], awaited: dict[str, Condition]) -> None:
        try:
            awaited[name] = next(scripts[name])
        except StopIteration:
            del scripts[name]
        self._look()  # what was true before the row acted may no longer be

    def _look(self) -> None:
        """Take a snapshot of Airflow, from its database (its api-server may be stopped), and of the emulator."""
        self.orders = [order for order in self.emulator.orders if order.prompt.startswith(self.folder.name)]
        if not self.run_id:
            return
        with self.airflow.db() as db:
            found = db.execute(
                "SELECT map_index, state, try_number, start_date, end_date FROM task_instance"
                " WHERE dag_id = ? AND run_id = ? AND task_id = ?",
                (self.dag_id, self.run_id, TASK),
            ).fetchall()
        self.tasks = {task["map_index"]: dict(task) for task in found}

    def _over(self, rows: Sequence[Row], scripts: dict[str, Script]) -> bool:
        return not scripts and len(self.tasks) >= len(rows) and all(row.state in FINAL for row in rows)

    def _end_videos(self, rows: Sequence[Row]) -> None:
        """End every video as its row says, unless that holds it."""
        for row in rows:
            for number, order in enumerate(row.orders):
                if order.status not in ("completed", "failed") and not row.holds_video and row.waits(order):
                    self.emulator.finish(order.id, row.ends[number] if number < len(row.ends) else "completed")

    def _clear_killed(self, rows: Sequence[Row]) -> None:
        """Clear what Airflow 3.0 doesn't try again, once the scheduler has noted the process's end."""
        for row in rows:
            if row.state == KILLED and row.left_its_worker():
                row.clear()
                row.left_killed = False
                self._look()

    @contextlib.contextmanager
    def no_task_talking(self) -> Iterator[None]:
        """Stop all tasks for a moment."""
        with no_task_talking(self.airflow):
            yield

    def write(self, statement: str, *values: object) -> None:
        """Change Airflow's database."""
        with contextlib.closing(sqlite3.connect(self.airflow.home / "airflow.db", timeout=60)) as db, db:
            db.execute(statement, values)

    def extra_tries(self, index: int) -> int:
        """Count the tries that Airflow has added because a task woke up before it had noted that it went to sleep."""
        said = re.compile(
            rf"the task instance <TaskInstance: {self.dag_id}\.{TASK} {re.escape(self.run_id)} map_index={index} "
            rf"\[(?:queued|scheduled)\][^>]*> finished with state success, but"
        )
        return len(said.findall(self.airflow.processes.log_file("scheduler").read_text(errors="replace")))

    def _report(self, rows: Sequence[Row]) -> None:
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("a") as file:
            for row in rows:
                file.write(json.dumps(asdict(row.outcome())) + "\n")
        problems = [problem for row in rows for problem in row.problems()]
        assert not problems, "\n\n".join(problems)


def add_connection(airflow: AirflowStack, emulator: Emulator, conn_id: str, host: str = "", **extra: object) -> None:
    """Make a connection to the emulator."""
    body = {
        "connection_id": conn_id,
        "conn_type": "starvideos",
        "host": host or emulator.base_url,
        "password": emulator.key,
        "extra": json.dumps(extra),
    }
    try:
        airflow.api.post("/connections", body)
    except AirflowApiError as error:
        if error.status != 409:
            raise
