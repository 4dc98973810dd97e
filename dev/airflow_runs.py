"""Ask a running Airflow about Dags, runs, tasks, XComs and logs, and control them."""

import abc
import contextlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dev.airflow_api import AirflowApi, AirflowApiError, path
from dev.airflow_database import Postgres, Reader, Sqlite

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 240.0  # on a busy machine a task may take a minute to begin
IMPORT_ERROR_SECONDS = 5
PAGE = 100
NOT_FOUND = 404
RUN_ENDED = frozenset({"success", "failed"})
# In each line of a task's log, and known to the caller.
BOILERPLATE = frozenset({"dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id", "filename", "lineno"})

Found = TypeVar("Found")


def wait_until(
    check: Callable[[], Found | None], what: str, timeout: float = PATIENCE_SECONDS, *, poll: float = POLL_SECONDS
) -> Found:
    """Check again and again until there is a result. `TimeoutError` says ``what`` didn't come in time."""
    until = time.monotonic() + timeout
    while (found := check()) is None:
        if time.monotonic() > until:
            raise TimeoutError(f"waited {timeout} s for {what}, without success")
        time.sleep(poll)
    return found


def readable(line: str) -> str:
    """Turn one line of a task's log, JSON as Airflow stores it, into text like the UI's."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    head = [str(entry.pop(name, "")) for name in ("timestamp", "level", "logger", "event")]
    causes = [f"\n  {each['exc_type']}: {each['exc_value']}" for each in entry.pop("error_detail", None) or ()]
    rest = {name: value for name, value in entry.items() if name not in BOILERPLATE}
    return " ".join([*filter(None, head), *([json.dumps(rest)] if rest else [])]) + "".join(causes)


class AirflowRuns(abc.ABC):
    """What happens in the Airflow at ``home``."""

    home: Path
    api: AirflowApi

    @property
    @abc.abstractmethod
    def database(self) -> Sqlite | Postgres:
        """Airflow's metadata database."""

    @property
    def logs_dir(self) -> Path:
        """Where tasks' and components' logs are."""
        return self.home / "logs"

    # Dags and runs

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until the Dag can be triggered; if it isn't there but files fail to import, fail with their errors."""
        patience = time.monotonic() + IMPORT_ERROR_SECONDS

        def check() -> dict[str, Any] | None:
            with contextlib.suppress(AirflowApiError):
                dag: dict[str, Any] = self.api.get(path("dags", dag_id))
                return dag
            errors = self.api.get("/importErrors")["import_errors"]
            if errors and time.monotonic() > patience:  # it may be another file, parsed before the Dag's
                raise RuntimeError("\n".join(error["stack_trace"] for error in errors))
            return None

        return wait_until(check, f"Dag {dag_id}", timeout)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a run, and return its id."""
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id is not None:
            body["dag_run_id"] = run_id
        answer = self.api.post(path("dags", dag_id, "dagRuns"), body)
        return str(answer["dag_run_id"])

    def finished_run(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, state: str = "success") -> str:
        """Run a Dag to its end, and return the run's id. `RuntimeError`: the run has ended in another state."""
        self.wait_for_dag(dag_id)
        run_id = self.trigger(dag_id, conf)
        self.expect_end(dag_id, run_id, state)
        return run_id

    def expect_end(self, dag_id: str, run_id: str, state: str = "success") -> None:
        """Wait for a run's end. `RuntimeError`: the run has ended in another state."""
        if (found := self.wait_for_run(dag_id, run_id)) != state:
            raise RuntimeError(f"{dag_id} {run_id}: {found}, not {state}\n{self.summary(dag_id, run_id)}")

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the run."""
        answer: dict[str, Any] = self.api.get(path("dags", dag_id, "dagRuns", run_id))
        return answer

    def wait(
        self,
        dag_id: str,
        run_id: str,
        check: Callable[[], Found | None],
        what: str,
        timeout: float = PATIENCE_SECONDS,
        *,
        poll: float = POLL_SECONDS,
    ) -> Found:
        """Wait as `wait_until` does, for something in a run; the `TimeoutError` says how the run's tasks are."""
        try:
            return wait_until(check, what, timeout, poll=poll)
        except TimeoutError as error:
            error.add_note(self.summary(dag_id, run_id))
            raise

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = PATIENCE_SECONDS) -> str:
        """Wait for the run's end, and return its state: ``success`` or ``failed``."""

        def check() -> str | None:
            state = str(self.run(dag_id, run_id)["state"])
            return state if state in RUN_ENDED else None

        return self.wait(dag_id, run_id, check, f"the end of {dag_id} {run_id}", timeout)

    # Tasks

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all the run's task instances, by task and map index."""
        url = path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        found: list[dict[str, Any]] = []
        while True:
            page = self.api.get(url, limit=PAGE, offset=len(found))
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return sorted(found, key=lambda each: (each["task_id"], each["map_index"]))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any] | None:
        """Return a task instance; None if there is none yet, as before a mapped task is expanded."""
        try:
            answer: dict[str, Any] = self.api.get(self._task_path(dag_id, run_id, task_id, map_index))
        except AirflowApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return answer

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Collection[str],
        *,
        map_index: int = -1,
        timeout: float = PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """Wait until the task is in one of ``states``, and return it."""

        def check() -> dict[str, Any] | None:
            task = self.task(dag_id, run_id, task_id, map_index)
            return task if task and task["state"] in states else None

        return self.wait(dag_id, run_id, check, f"{task_id}[{map_index}] to be {' or '.join(states)}", timeout)

    def clear(
        self,
        dag_id: str,
        run_id: str,
        task_ids: Sequence[str | tuple[str, int]],
        *,
        only_failed: bool = False,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """Have tasks run again; return those cleared. ``options`` go to the API: ``include_downstream`` …"""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": only_failed,
            **options,
        }
        cleared: list[dict[str, Any]] = self.api.post(path("dags", dag_id, "clearTaskInstances"), body)[
            "task_instances"
        ]
        return cleared

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, *, map_index: int = -1) -> None:
        """Set a task's state as a user does: ``success``, ``failed`` or ``skipped``."""
        self.api.patch(self._task_path(dag_id, run_id, task_id, map_index), {"new_state": state})

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """Return an XCom's value."""
        url = path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        return self.api.get(url, map_index=map_index)["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1) -> str:
        """Return a try's log, what the worker wrote and then the triggerer; tracebacks are in `log_files` only."""
        files = self.log_files(dag_id, run_id, task_id, try_number, map_index=map_index)
        return "\n".join(readable(line) for file in files for line in file.read_text().splitlines())

    def log_files(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1
    ) -> list[Path]:
        """Return the files of a try's log: every field of every line, as JSON."""
        folder = self.logs_dir / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        return sorted(folder.glob(f"attempt={try_number}.log*"))

    def summary(self, dag_id: str, run_id: str) -> str:
        """Return one line a task instance, for messages."""
        return "\n".join(
            f"{each['task_id']}[{each['map_index']}] try {each['try_number']}: {each['state']}"
            for each in self.task_instances(dag_id, run_id)
        )

    # Behind the API

    def db(self) -> contextlib.AbstractContextManager[Reader]:
        """Open the metadata database for reading."""
        return self.database.open()

    @staticmethod
    def _task_path(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
        mapped = [map_index] if map_index >= 0 else []
        return path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, *mapped)
