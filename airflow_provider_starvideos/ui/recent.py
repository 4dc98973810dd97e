"""The latest runs that have to do with videos, of the Dags that a user may read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_provider_starvideos.compat.ui_security import fully_readable, readable_dags
from airflow_provider_starvideos.compat.ui_tables import DagRun, TaskInstance
from airflow_provider_starvideos.ui.queries import ours
from airflow_provider_starvideos.ui.serializers import counts, words
from airflow_provider_starvideos.ui.videos import load

PAGE = 12
STEP = 100
MAX_SEARCHED = 1000  # runs, newest first, in one request: where videos are rare, the next page goes on from there


def recent_runs(
    session: Session, user: Any, before: int | None, *, dag_id: str | None = None, state: str | None = None
) -> dict[str, Any]:
    """Return a page of runs with their videos' numbers.

    :param before: where the page before has ended; None: from the newest on
    """
    dags = readable_dags(user)
    dags = dags & {dag_id} if dag_id else dags
    found: list[Any] = []
    searched = 0
    end: int | None = before
    while len(found) < PAGE and searched < MAX_SEARCHED and dags:
        runs = _runs(session, dags, end, state)
        searched += len(runs)
        with_videos = _with_videos(session, runs)
        allowed = fully_readable(user, {run.dag_id for run in with_videos})
        for run in runs:
            end = run.id
            if run in with_videos and run.dag_id in allowed:
                found.append(run)
                if len(found) == PAGE:
                    break
        if len(runs) < STEP:
            end = end if len(found) == PAGE else None
            break
    return {"runs": [_run(session, run) for run in found], "before": end if dags else None}


def _runs(session: Session, dags: set[str], before: int | None, state: str | None) -> list[Any]:
    query = select(DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after)
    query = query.where(DagRun.dag_id.in_(dags)).order_by(DagRun.id.desc()).limit(STEP)
    query = query.where(DagRun.state == state) if state else query
    return list(session.execute(query.where(DagRun.id < before) if before is not None else query))


def _with_videos(session: Session, runs: list[Any]) -> set[Any]:
    query = select(TaskInstance.dag_id, TaskInstance.run_id).distinct()
    query = query.where(
        TaskInstance.dag_id.in_({run.dag_id for run in runs}),
        TaskInstance.run_id.in_({run.run_id for run in runs}),
        ours(),
    )
    found = {(dag_id, run_id) for dag_id, run_id in session.execute(query)}
    return {run for run in runs if (run.dag_id, run.run_id) in found}


def _run(session: Session, run: Any) -> dict[str, Any]:
    loaded = load(session, run.dag_id, run.run_id)
    counted = counts(loaded.videos) if loaded else {}
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": str(run.state),
        "when": run.run_after.isoformat() if run.run_after else None,
        "counts": counted,
        "states": words(counted),
        "total": len(loaded.videos) if loaded else 0,
    }
