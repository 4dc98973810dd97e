"""A metadata database with a run of many videos: mapped tasks that order, wait and save, as Airflow leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPERATORS = {
    "create": "StarVideosCreateOperator",
    "wait": "StarVideosTaskSensor",
    "save": "StarVideosDownloadOperator",
}
FAILED_EACH, WAITING_EACH = 10, 7
"""Of the videos: each tenth has failed at the API; of a run that goes on, each seventh is still waited for."""


def tables(folder: Path) -> Engine:
    """Return a database with Airflow's tables, and nothing in them."""
    import_all_models()
    engine = create_engine(f"sqlite:///{folder / 'airflow.db'}")
    Base.metadata.create_all(engine)
    return engine


def fill(session: Session, dag_id: str, run_id: str, videos: int, *, state: str = "success") -> None:
    """Write a run, with a video a map index.

    :param state: the run's; if ``running``, some of its videos are being made
    """
    session.execute(
        insert(DagRun.__table__),
        [{"dag_id": dag_id, "run_id": run_id, "state": state, "run_type": "manual", "run_after": NOW}],
    )
    run = session.query(DagRun.id).filter_by(dag_id=dag_id, run_id=run_id).scalar()
    place = {"dag_id": dag_id, "run_id": run_id}
    instances, rendered, pushed = [], [], []
    for index in range(videos):
        states = _states(index, state)
        for task_id, operator in OPERATORS.items():
            at = place | {"task_id": task_id, "map_index": index}
            ended = NOW + timedelta(seconds=index) if states[task_id] in ("success", "failed") else None
            instances.append(
                at
                | {"operator": operator, "custom_operator_name": operator, "state": states[task_id]}
                | {"pool": "default_pool", "pool_slots": 1, "try_number": 1, "max_tries": 0, "end_date": ended}
            )
            if states[task_id] in ("success", "failed", "deferred"):
                rendered.append(at | {"rendered_fields": _rendered(task_id, index)})
            for number, (key, value) in enumerate(_xcoms(task_id, states[task_id], index).items()):
                when = NOW + timedelta(seconds=index + number)
                pushed.append(at | {"dag_run_id": run, "key": key, "value": value, "timestamp": when})
    for model, rows in ((TaskInstance, instances), (Rendered, rendered), (XComModel, pushed)):
        if rows:
            session.execute(insert(model.__table__), rows)
    if not session.query(SerializedDagModel.dag_id).filter_by(dag_id=dag_id).first():
        session.execute(insert(SerializedDagModel.__table__), [serialized(dag_id)])
    session.commit()


def serialized(dag_id: str) -> dict[str, Any]:
    """Return a Dag as Airflow serializes it, as far as it is read: which task comes after which."""
    names = list(OPERATORS)
    tasks = [
        {"__type": "operator", "__var": {"task_id": name, "downstream_task_ids": names[number : number + 1]}}
        for number, name in enumerate(names, start=1)
    ]
    times = dict.fromkeys(("created_at", "last_updated"), NOW)
    return {"id": uuid4(), "dag_id": dag_id, "data": {"dag": {"tasks": tasks}}, "dag_hash": "1", **times} | {
        "dag_version_id": uuid4()
    }


def _states(index: int, state: str) -> dict[str, str | None]:
    if index % FAILED_EACH == 0:
        return {"create": "success", "wait": "failed", "save": "upstream_failed"}
    if state == "running" and index % WAITING_EACH == 0:
        return {"create": "success", "wait": "deferred", "save": None}
    return dict.fromkeys(OPERATORS, "success")


def _rendered(task_id: str, index: int) -> dict[str, Any]:
    if task_id == "create":
        return {
            "prompt": f"Product {index} turns on a white table, " + "soft light, slow pan, " * 8,
            "duration": 4,
            "ratio": "16:9",
            "reference_images": [f"s3://bucket/products/{index}.png"],
            "first_image": None,
            "last_image": None,
            "reference_videos": None,
            "model": None,
            "starvideos_conn_id": "starvideos_default",
        }
    fields = {"video_id": f"video_{index}", "starvideos_conn_id": "starvideos_default"}
    return fields | ({"destination": "s3://bucket/videos/", "storage_conn_id": None} if task_id == "save" else {})


def _xcoms(task_id: str, state: str | None, index: int) -> dict[str, Any]:
    video_id = f"video_{index}"
    if state == "failed":
        return {"failure": {"state": "failed", "error": f"product {index} was refused", "try_number": 1}}
    if state != "success":
        return {}
    if task_id == "create":
        return {"video_id": video_id, "return_value": video_id}
    if task_id == "wait":
        url = f"https://cdn.example/{video_id}.mp4?signature=" + "0123456789abcdef" * 16
        return {"video_url": url, "actual_duration": 4.0, "return_value": video_id}
    told = {"video_id": video_id, "size_bytes": 1_000_000 + index, "sha256": f"{index:064x}"}
    return told | {"content_type": "video/mp4", "return_value": f"s3://bucket/videos/{video_id}.mp4"}
