"""Where the app's pages are. Imports nothing that costs, as links and the plugin need it in every process."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode, urlsplit

PREFIX = "starvideos"
"""Where the app is mounted, below Airflow's own path."""


def play_path(source: str, ti_key: Any) -> str:
    """Return the path that plays a task instance's video.

    :param source: ``temporary`` or ``saved``
    :param ti_key: names the task instance
    """
    from airflow.configuration import conf

    query = {"run_id": ti_key.run_id, "task_id": ti_key.task_id, "map_index": ti_key.map_index, "source": source}
    root = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{root}/{PREFIX}/dags/{quote(ti_key.dag_id, safe='')}/play?{urlencode(query)}"
