"""The links of tasks that order, wait for, or save a video: "Video" and "Saved file".

The plugin registers them, and Airflow asks for a link in the api-server when a user opens the page of a task. So they
are there for mapped tasks and for tasks that ended in the triggerer, and none is stored. They lead to the plugin's
route, which checks the user; no link holds a key, a signature, or a URL of the API (except on Airflow 3.0, which shows
no plugins: there "Video" is the XCom ``video_url``).
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow.providers.common.compat.sdk import BaseOperator, BaseOperatorLink, conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.ui.plugin import PREFIX

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey
    from sqlalchemy.orm import Session

PACKAGE = "airflow_provider_starvideos"
OPERATORS = {
    "StarVideosCreateOperator": "operators.create",
    "StarVideosCreateDecoratedOperator": "decorators.create",
    "StarVideosDownloadOperator": "operators.download",
    "StarVideosTaskSensor": "sensors.task",
}


class StarVideosLink(BaseOperatorLink):
    """What both links have in common."""

    source = ""

    @property
    def operators(self) -> list[Any]:  # type: ignore[override]
        """The operators whose tasks have the link."""
        return [getattr(import_module(f"{PACKAGE}.{module}"), name) for name, module in OPERATORS.items()]

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the link of a task instance; empty where there is nothing to see yet.

        :param operator: the task, as the api-server has it
        """
        if isinstance(operator, BaseOperator):  # on a worker, by a class of the user's own: it has no database
            return play_path(self.source, ti_key) if AIRFLOW_V_3_1_PLUS else ""
        return _link(self.source, ti_key)


class StarVideosVideoLink(StarVideosLink):
    """To the video, at its temporary URL while that lives, else to the saved file."""

    name = "Video"
    source = "temporary"


class StarVideosSavedFileLink(StarVideosLink):
    """To the file that the run has saved."""

    name = "Saved file"
    source = "saved"


LINKS = (StarVideosVideoLink(), StarVideosSavedFileLink())


def play_path(source: str, ti_key: Any) -> str:
    """Return the path that plays a task instance's video.

    :param source: ``temporary`` or ``saved``
    """
    query = {"run_id": ti_key.run_id, "task_id": ti_key.task_id, "map_index": ti_key.map_index, "source": source}
    root = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{root}/{PREFIX}/dags/{quote(ti_key.dag_id, safe='')}/play?{urlencode(query)}"


def _link(source: str, ti_key: Any) -> str:
    # Imported late: only the api-server has a database.
    from airflow_provider_starvideos.compat.ui_tables import create_session
    from airflow_provider_starvideos.ui.videos import find, load

    with create_session() as session:
        if not AIRFLOW_V_3_1_PLUS:
            return _pushed_url(session, ti_key) if source == "temporary" else ""
        run = load(session, ti_key.dag_id, ti_key.run_id)
    video = find(run, ti_key.task_id, ti_key.map_index, 0) if run else None
    if video is None or not (video.saved if source == "saved" else video.is_completed):
        return ""
    return play_path(source, ti_key)


def _pushed_url(session: Session, ti_key: Any) -> str:
    from sqlalchemy import select

    from airflow_provider_starvideos.api.validation import is_http_url
    from airflow_provider_starvideos.compat.ui_tables import XComModel

    names = ("dag_id", "run_id", "task_id", "map_index")
    here = [getattr(XComModel, name) == getattr(ti_key, name) for name in names]
    value = session.scalar(select(XComModel.value).where(*here, XComModel.key == "video_url"))
    try:
        url = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        url = value
    return str(url) if is_http_url(url) else ""
