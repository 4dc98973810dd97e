"""A real Airflow for tests and the demo: scheduler, triggerer, dag-processor and api-server, as processes.

    with AirflowStack(home, dags) as airflow:
        airflow.wait_for_dag("my_dag")
        run_id = airflow.trigger("my_dag")
        assert airflow.wait_for_run("my_dag", run_id) == "success"

SQLite (or PostgreSQL, see `dev.airflow_database`) and LocalExecutor, on free ports of 127.0.0.1. Nothing of it outlives
the ``with`` block, nor this process.
"""

import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import psutil

from dev.airflow_api import AirflowApi
from dev.airflow_database import Postgres, Sqlite, database
from dev.airflow_runs import AirflowRuns, wait_until
from dev.airflow_settings import SETTINGS, environment, free_ports, located
from dev.processes import Processes

# The component's command, and its name in the answer of /monitor/health.
COMPONENTS = {
    "api-server": "metadatabase",
    "scheduler": "scheduler",
    "triggerer": "triggerer",
    "dag-processor": "dag_processor",
}
PORT_TRIES = 3


class PortTakenError(Exception):
    """Another process took the port between our finding it free and the api-server's opening it."""


class AirflowStack(AirflowRuns):
    """An Airflow, from ``with`` to the end of the block.

    :param home: an empty folder for the database and all logs; the caller's to delete
    :param dags: a folder of Dag files, or several
    :param env: more environment variables for all components, such as ``AIRFLOW_CONN_…``
    :param config: more settings, as ``{"core.parallelism": "4"}``
    :param python: the interpreter of the environment whose Airflow is to run
    :param timeout: how many seconds it may take to get ready
    """

    _migrated: ClassVar[dict[Path, Path | None]] = {}  # by interpreter: an empty database of this process, to copy

    def __init__(
        self,
        home: Path,
        dags: Path | Sequence[Path],
        env: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        *,
        python: Path = Path(sys.executable),
        timeout: float = 180,
    ) -> None:
        self.home = home.resolve()
        self._dags = [dags] if isinstance(dags, Path) else list(dags)
        self._env, self._config = dict(env or {}), dict(config or {})
        self._python, self._timeout = python, timeout
        self._processes: Processes | None = None
        self._database: Sqlite | Postgres | None = None
        self._environment: dict[str, str] = {}
        self.url = ""

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self._processes = Processes(self.logs_dir)
        try:
            self._database = database(self.home)
            for last in (False, False, True)[-PORT_TRIES:]:
                try:
                    self._start_all()
                    break
                except PortTakenError:
                    if last:
                        raise
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes at once, running tasks with them, and wait until they are gone."""
        if self._processes is not None:
            self._processes.close()
        if self._database is not None:
            self._database.drop()
            self._database = None

    @property
    def processes(self) -> Processes:
        """The components' processes, by the names in `COMPONENTS`."""
        if self._processes is None:
            raise RuntimeError("this Airflow isn't started")
        return self._processes

    @property
    def database(self) -> Sqlite | Postgres:
        """Airflow's metadata database."""
        if self._database is None:
            raise RuntimeError("this Airflow isn't started")
        return self._database

    @property
    def fernet_key(self) -> str:
        """What Variables and connections in the database are encrypted with."""
        return self._environment["AIRFLOW__CORE__FERNET_KEY"]

    # Components

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL, *, tree: bool | None = None) -> None:
        """Send a component a signal, and wait for its end. A scheduler that gets SIGTERM waits for running tasks.

        :param tree: its children get the signal too, a scheduler's running tasks among them; if left out, they get
            SIGKILL only, as when a container or a machine dies
        """
        self.processes.kill(name, number, tree=number == signal.SIGKILL if tree is None else tree)

    def start(self, name: str, *, wait: bool = True, env: Mapping[str, str] | None = None) -> None:
        """Start a component, and ``wait`` for its first sign of life; ``env`` is for it alone."""
        began, argv = time.time(), [str(self._python), "-m", "airflow", name]
        self.processes.start(name, argv, self._environment | dict(env or {}), cwd=self.home)
        if wait:
            wait_until(lambda: self._alive(name, began) or None, f"the {name}", self._timeout)

    def restart(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a component, as an upgrade would, and start it again."""
        self.kill(name, number)
        self.start(name)

    def last_words(self, lines: int = 120) -> list[tuple[str, str]]:
        """Return what each component wrote last, with a title, and the task instances that have not ended."""
        with self.db() as db:
            rows = db.execute(
                "SELECT dag_id, run_id, task_id, map_index, try_number, state FROM task_instance"
                " WHERE state IS NULL OR state NOT IN ('success', 'failed', 'skipped', 'upstream_failed')"
            ).fetchall()
        open_tasks = "\n".join(" ".join(map(str, row)) for row in rows)
        return [
            ("Airflow: tasks that have not ended", open_tasks),
            *((f"Airflow: {name}", self.processes.tail(name, lines)) for name in COMPONENTS),
        ]

    def task_processes(
        self, dag_id: str, task_id: str, run_id: str | None = None, map_index: int | None = None
    ) -> list[psutil.Process]:
        """Return the processes that run the task's code now; to kill one is to kill the task, not its supervisor.

        A task process has the title ``airflow worker -- ID``, with the id of the task instance, once it has its
        orders; its parent, the supervisor, ``airflow worker -- LocalExecutor: ID``.
        """
        titles = {f"airflow worker -- {each}" for each in self._task_instance_ids(dag_id, task_id, run_id, map_index)}
        found = []
        for process in psutil.Process(self.processes.keeper_pid).children(recursive=True):
            try:
                # The title ends in zero bytes, and may be taken for several words.
                if " ".join(process.cmdline()).rstrip() in titles:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def wait_for_task_processes(
        self, dag_id: str, task_id: str, *, run_id: str | None = None, map_index: int | None = None, timeout: float = 30
    ) -> list[psutil.Process]:
        """Wait until the task's code is about to run: the state ``running`` comes a moment before that."""
        return wait_until(
            lambda: self.task_processes(dag_id, task_id, run_id, map_index) or None,
            f"a process of {dag_id}.{task_id}",
            timeout,
            poll=0.05,
        )

    # Inside

    def _start_all(self) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.api = AirflowApi("127.0.0.1", port)
        config = {**SETTINGS, **located(self.home, self._dags, port), **self._config}
        config["database.sql_alchemy_conn"] = self.database.url
        self._environment = environment(self.home, self._python, config, self._env)
        self._migrate()
        began = time.time()
        for name in COMPONENTS:
            self.start(name, wait=False)
        wait_until(
            lambda: all(self._alive(name, began) for name in COMPONENTS) or None, "a healthy Airflow", self._timeout
        )

    def _migrate(self) -> None:
        if self._is_migrated():
            return
        if self.database.copy(self._migrated.get(self._python)):
            return
        argv = [str(self._python), "-m", "airflow", "db", "migrate"]
        process = self.processes.start("db-migrate", argv, self._environment, cwd=self.home)
        process.wait(self._timeout)
        if not self._is_migrated():
            raise RuntimeError(f"airflow db migrate failed:\n{self.processes.tail('db-migrate')}")
        self._migrated[self._python] = self.database.keep(self.home / "migrated.db")

    def _is_migrated(self) -> bool:
        if "alembic_version" not in self.database.tables():
            return False
        with self.db() as db:  # what a migration writes last
            return bool(db.execute("SELECT version_num FROM alembic_version").fetchall())

    def _alive(self, name: str, since: float) -> bool:
        """Return whether a component has given a sign of life after ``since``; fail if its process has ended."""
        if not self.processes.running(name):
            tail = self.processes.tail(name)
            if name == "api-server" and "address already in use" in tail.lower():
                raise PortTakenError(tail)
            raise RuntimeError(f"the {name} has ended:\n{tail}")
        try:
            health = self.api.health()
        except OSError:
            return False
        return _healthy(health, COMPONENTS[name], since)

    def _task_instance_ids(self, dag_id: str, task_id: str, run_id: str | None, map_index: int | None) -> list[str]:
        query = "SELECT run_id, map_index, id FROM task_instance WHERE dag_id = ? AND task_id = ?"
        with self.db() as db:
            rows = db.execute(query, (dag_id, task_id)).fetchall()
        return [
            str(uuid.UUID(str(row["id"])))
            for row in rows
            if run_id in (None, row["run_id"]) and map_index in (None, row["map_index"])
        ]


def _healthy(health: Mapping[str, Any], component: str, since: float) -> bool:
    part = health.get(component) or {}
    if part.get("status") != "healthy":
        return False
    if component == "metadatabase":  # of the api-server itself nothing more is said: it has answered
        return True
    heartbeat = part.get(f"latest_{component}_heartbeat")
    return heartbeat is not None and datetime.fromisoformat(heartbeat).timestamp() >= since
