"""The pages over a filled database, without an Airflow around them: every state of a video in one run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.taskinstance import TaskInstance
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel
from fastapi import FastAPI
from sqlalchemy import insert
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from airflow_provider_starvideos.compat.ui_security import READS_DAG
from airflow_provider_starvideos.orders.store import journal_name
from airflow_provider_starvideos.ui.routes import build_app

DAG, RUN = "ui_states", "run+1:00"
NOW = datetime.now(UTC).replace(microsecond=0)
BATCH, CREATE, SENSOR = "StarVideosBatchOperator", "StarVideosCreateOperator", "StarVideosTaskSensor"
DOWNLOAD = "StarVideosDownloadOperator"
ROWS: tuple[dict[str, Any], ...] = (
    {"state": "completed", "video_id": "video_b1", "duration": 5.0, "prompt": "A lamp on a desk", "name": "lamp"},
    {"state": "failed", "video_id": "video_b2", "error": "the prompt was refused", "prompt": "A cat in a hat"},
    {"state": "unconfirmed", "error": "no answer within 60 s", "prompt": "A mug", "name": "mug"},
    {"state": "rejected", "error": "422: the ratio isn't known", "prompt": "A boat"},
    {"state": "timed_out", "video_id": "video_b5", "prompt": "سفينة في البحر"},
    {"state": "reused", "video_id": "video_b6", "reused_from": "s3://library/abc.mp4", "prompt": "A kite"},
    {"state": "not_sent", "error": "the picture can't be read", "prompt": "A poster"},
)


def failing(state: str | None, error: str) -> dict[str, Any]:
    """Return the XCom of a failure."""
    return {"failure": {"state": state, "error": error, "try_number": 2}}


TASKS: tuple[tuple[str, str, str | None, dict[str, Any], dict[str, Any]], ...] = (
    ("lost", CREATE, "failed", {"prompt": "A red kite over the sea, slow pan", "ratio": "16:9"},
     failing("unconfirmed", "Order outcome unknown: no answer within 60 s\nBilled: perhaps once.")),
    ("bad", CREATE, "failed", {"prompt": "x" * 400, "ratio": "7:5"},
     failing(None, "ratio must be one of 1:1, 9:16, 16:9")),
    ("killed", CREATE, "up_for_retry", {"prompt": "A tree"}, {}),
    ("waits", CREATE, "deferred", {"prompt": "A long wait"}, {"video_id": "video_w"}),
    ("slow", CREATE, "success", {"prompt": "A slow video", "ratio": "1:1"},
     {"video_id": "video_s", "return_value": "video_s",
      "spending": {"orders": 2, "seconds_ordered": 10, "amount": "1.52", "amount_unknown": 0}}),
    ("slow_wait", SENSOR, "failed", {"video_id": "video_s"}, failing("timed_out", "The video wasn't ready in time.")),
    ("done", CREATE, "success", {"prompt": "A done video", "ratio": "16:9"}, {"video_id": "video_d", "video_url": "x"}),
    ("done_save", DOWNLOAD, "upstream_failed", {"video_id": "video_d"}, {}),
    ("later", CREATE, None, {}, {}),
    ("asking", BATCH, "awaiting_input", {"starvideos_conn_id": "starvideos_default"}, {}),
    ("asks", CREATE, "awaiting_input", {"prompt": "A costly video"}, {}),
    ("batch", BATCH, "failed", {"starvideos_conn_id": "starvideos_default"},
     failing(None, "4 of 7 rows have no video.")),
)  # fmt: skip


def fill_states(session: Session) -> None:
    """Write one run with a video in each state that is hard to tell."""
    session.execute(
        insert(DagRun.__table__),
        [{"dag_id": DAG, "run_id": RUN, "state": "failed", "run_type": "manual", "run_after": NOW}],
    )
    run = session.query(DagRun.id).filter_by(dag_id=DAG, run_id=RUN).scalar()
    for task_id, operator, state, rendered, xcoms in TASKS:
        at = {"dag_id": DAG, "run_id": RUN, "task_id": task_id, "map_index": -1}
        times = {"start_date": NOW - timedelta(minutes=9), "end_date": None if state == "deferred" else NOW}
        pool = {"pool": "default_pool", "pool_slots": 1, "try_number": 2 if state else 0, "max_tries": 2}
        operators = {"operator": operator, "custom_operator_name": operator, "state": state}
        session.execute(insert(TaskInstance.__table__), [at | times | pool | operators])
        if rendered:
            session.execute(insert(Rendered.__table__), [at | {"rendered_fields": rendered}])
        for key, value in xcoms.items():
            pushed = {"dag_run_id": run, "key": key, "value": value, "timestamp": NOW}
            session.execute(insert(XComModel.__table__), [at | pushed])
    question = {"options": ["Approve", "Reject"], "subject": "Order?", "params": {}, "created_at": NOW}
    for task in session.query(TaskInstance).filter_by(state="awaiting_input"):
        session.add(HITLDetail(ti_id=task.id, **question))
    _journal(session, "asking", [{"state": "open", "row": 1, "orders": 0, "prompt": "A costly row"}], 2)
    _journal(session, "lost", [{"state": "unconfirmed", "error": "no answer within 60 s", "seconds": 5}])
    _journal(session, "batch", [one | {"row": number, "seconds": 5} for number, one in enumerate(ROWS, start=1)], 8)
    session.commit()


def _journal(session: Session, task_id: str, orders: list[dict[str, Any]], rows: int | None = None) -> None:
    name = journal_name(DAG, RUN, task_id, -1)
    sent = (NOW - timedelta(minutes=8)).timestamp()
    records = [{"key": f"k{number}.1", "sent_at": sent, "orders": 1} | one for number, one in enumerate(orders)]
    page = {"version": 1, "size": 48, "orders": records} | ({} if rows is None else {"rows": rows})
    session.add(Variable(key=name.page(2), val=json.dumps(page)))  # encrypted, where Airflow has a key


@contextmanager
def served(engine: Engine) -> Iterator[str]:
    """Serve the app over a database, to all; its address is what a browser opens."""
    app: Any = build_app()
    inner = app._app
    inner.dependency_overrides |= {one.dependency: lambda: None for one in READS_DAG} | {get_user: lambda: None}

    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    inner.dependency_overrides[_get_session] = session
    outer = FastAPI()
    outer.mount("/starvideos", app)
    server = uvicorn.Server(uvicorn.Config(outer, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/starvideos"
    finally:
        server.should_exit = True
        thread.join(30)
