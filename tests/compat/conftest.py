"""This very Airflow, as a task and a trigger meet it: its supervisors, its execution API and its database.

All of it in this process, but what lies between is real: a message crosses a socket, is read by Airflow's own
supervisor, and becomes a request to Airflow's own API.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import psutil
import pytest
import structlog
from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder, TriggerRunnerSupervisor
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CommsDecoder, _RequestFrame
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, WatchedSubprocess
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

DAG, RUN = "compat", "run"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOG = structlog.get_logger()


class OneAttempt(Client):
    """Airflow's client of its execution API, without waiting between attempts."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request once."""
        return super().request.__wrapped__(self, *args, **kwargs)  # type: ignore[attr-defined]


class ExecutionApi(httpx.BaseTransport):
    """Airflow's execution API. It counts its requests, and can be replaced by an answer."""

    def __init__(self) -> None:
        from airflow.api_fastapi.common.dagbag import dag_bag_from_app
        from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI

        api = InProcessExecutionAPI()
        dag = SimpleNamespace(get_task=lambda task_id: SimpleNamespace(inlets=[], outlets=[]))
        dags = SimpleNamespace(get_dag=lambda *_, **__: dag, get_dag_for_run=lambda *_, **__: dag)
        api.app.dependency_overrides[dag_bag_from_app] = lambda: dags
        self.inner = api.transport
        self.instead: Callable[[httpx.Request], httpx.Response] | None = None
        self.requests = 0

    def be_down(self) -> None:
        """Answer as a gateway does whose server is down."""
        self.instead = lambda request: httpx.Response(503, json={"detail": "no database"})

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        self.requests += 1
        return self.instead(request) if self.instead else self.inner.handle_request(request)

    def close(self) -> None:
        """End its event loop, which newer Airflows do themselves."""
        loop = self.inner.app.loop
        del self.inner
        gc.collect()
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)
            while loop.is_running():
                time.sleep(0.001)
            loop.close()

    @cached_property
    def client(self) -> Client:
        """A supervisor's client of it."""
        client = OneAttempt(base_url=None, token="", dry_run=True, transport=self)
        client.base_url = "http://in-process.invalid./"
        return client


class Apart:
    """What a supervisor does as a separate process: while it is at work, its code sees no supervisor above it."""

    hidden: Any

    def send_msg(self, *args: Any, **kwargs: Any) -> None:
        """Answer, after which the asking side runs on."""
        task_runner.SUPERVISOR_COMMS = self.hidden
        WatchedSubprocess.send_msg(self, *args, **kwargs)  # type: ignore[arg-type]


class TaskSupervisor(Apart, InProcessTestSupervisor):
    """A task's supervisor, with the socket that real ones have."""


class TriggererSupervisor(Apart, TriggerRunnerSupervisor):
    """A triggerer's supervisor."""

    client: Any = None


class Instances:
    """Task instances in Airflow's database.

    :param session: of that database
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, task_id: str = "order", map_index: int = -1, state: str | None = "running") -> Any:
        """Write a task instance, and return it as its task has it."""
        from airflow.models.taskinstance import TaskInstance

        place = {"dag_id": DAG, "run_id": RUN, "task_id": task_id, "map_index": map_index}
        numbers = {"pool": "default_pool", "pool_slots": 1, "try_number": 1, "max_tries": 0}
        row = place | numbers | {"operator": "O", "custom_operator_name": "O", "state": state}
        self.session.execute(insert(TaskInstance.__table__), [row])
        self.session.commit()
        return self.get(task_id, map_index)

    def get(self, task_id: str = "order", map_index: int = -1) -> Any:
        """Return a task instance as its task has it."""
        row = self._row(task_id, map_index)
        place = {"dag_id": DAG, "run_id": RUN, "task_id": task_id, "map_index": map_index}
        ti = task_runner.RuntimeTaskInstance.model_construct(
            id=row.id, try_number=row.try_number, start_date=NOW, end_date=NOW, **place
        )
        self.session.rollback()
        return ti

    def change(self, ti: Any, **values: Any) -> None:
        """Change it in the database."""
        from airflow.models.taskinstance import TaskInstance

        self.session.execute(update(TaskInstance).where(TaskInstance.id == ti.id).values(**values))
        self.session.commit()

    def begin_next_try(self, ti: Any) -> None:
        """Do what Airflow does as it clears or retries a task instance."""
        self._row(ti.task_id, ti.map_index).prepare_db_for_next_try(self.session)
        self.session.commit()

    def _row(self, task_id: str, map_index: int) -> Any:
        from airflow.models.taskinstance import TaskInstance

        found = select(TaskInstance).where(TaskInstance.task_id == task_id, TaskInstance.map_index == map_index)
        return self.session.scalars(found).one()


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's own database, in the home of the tests."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    import_all_models()
    Base.metadata.create_all(settings.engine)
    with create_session() as session:
        run = {"dag_id": DAG, "run_id": RUN, "state": "running", "run_type": "manual", "run_after": NOW}
        session.execute(insert(DagRun.__table__), [run])


@pytest.fixture
def instances(database: None) -> Iterator[Instances]:
    """The task instances of one run, none at first."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(TaskInstance).delete()
        session.commit()
        yield Instances(session)


@pytest.fixture(scope="session")
def running_api() -> Iterator[ExecutionApi]:
    """One API for all tests."""
    api = ExecutionApi()
    yield api
    api.close()


@pytest.fixture
def api(running_api: ExecutionApi, database: None) -> ExecutionApi:
    """The execution API, in order."""
    running_api.instead, running_api.requests = None, 0
    return running_api


@contextmanager
def answering(kind: Callable[..., Any], **about: Any) -> Iterator[socket.socket]:
    """Let a supervisor of this process answer, in a thread, what is sent over a socket."""
    mine, its = socket.socketpair()
    supervisor = kind(pid=os.getpid(), process=psutil.Process(), process_log=LOG, **about)
    supervisor.stdin = its
    decoder = msgspec.msgpack.Decoder(_RequestFrame)

    def read(size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = its.recv(size - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def answer() -> None:
        requests = supervisor.handle_requests(LOG)
        next(requests)
        try:
            while True:
                request = decoder.decode(read(int.from_bytes(read(4), "big")))
                supervisor.hidden = vars(task_runner).pop("SUPERVISOR_COMMS")
                requests.send(request)
        except (EOFError, OSError):
            return

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        its.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        mine.close()
        its.close()


Become = Callable[[Any], Any]


@pytest.fixture
def become_task(api: ExecutionApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Become]:
    """Called with a task instance: makes this process its task's, under a real supervisor, and returns its context."""
    with ExitStack() as stack:

        def become(ti: Any) -> dict[str, Any]:
            mine = stack.enter_context(answering(TaskSupervisor, id=ti.id, client=api.client))
            monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", CommsDecoder(socket=mine), raising=False)
            return {"ti": ti}

        yield become


@asynccontextmanager
async def as_triggerer(api: ExecutionApi) -> AsyncIterator[None]:
    """Make this process a triggerer's that runs triggers, under a real supervisor."""
    TriggererSupervisor.client = api.client
    with answering(TriggererSupervisor, id=1, job=SimpleNamespace(id=1), capacity=1, stdin=None) as mine:
        reader, writer = await asyncio.open_connection(sock=mine)
        comms = TriggerCommsDecoder(async_writer=writer, async_reader=reader, socket=mine)
        if hasattr(comms, "start_reader"):  # 3.2 and later
            await comms.start_reader()
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
            yield
        if hasattr(comms, "start_reader"):
            comms._reader_task.cancel()
        writer.close()


@pytest.fixture
async def triggerer(api: ExecutionApi) -> AsyncIterator[None]:
    """This process is a triggerer's."""
    async with as_triggerer(api):
        yield
