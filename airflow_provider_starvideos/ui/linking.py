"""Where the links of a task instance lead."""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_provider_starvideos.api.validation import is_http_url
from airflow_provider_starvideos.compat.ui_tables import XComModel, create_session
from airflow_provider_starvideos.ui.paths import play_path
from airflow_provider_starvideos.ui.videos import Status, find, load


def link_to(source: str, ti_key: Any) -> str:
    """Return the path of the plugin's route that plays a task's video; empty where there is none.

    :param source: ``temporary`` or ``saved``
    :param ti_key: names the task instance
    """
    with create_session() as session:
        if not AIRFLOW_V_3_1_PLUS:
            return _pushed_url(session, ti_key) if source == "temporary" else ""
        run = load(session, ti_key.dag_id, ti_key.run_id)
    video = find(run, ti_key.task_id, ti_key.map_index, 0) if run else None
    if video is None or (not video.saved if source == "saved" else video.status is not Status.COMPLETED):
        return ""
    return play_path(source, ti_key)


def _pushed_url(session: Session, ti_key: Any) -> str:
    value = session.scalar(
        select(XComModel.value).where(
            XComModel.dag_id == ti_key.dag_id,
            XComModel.run_id == ti_key.run_id,
            XComModel.task_id == ti_key.task_id,
            XComModel.map_index == ti_key.map_index,
            XComModel.key == "video_url",
        )
    )
    try:
        url = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        url = value
    return str(url) if is_http_url(url) else ""
