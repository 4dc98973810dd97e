"""What Airflow loads in every process, so it imports nothing: the app is built at its first request, links when asked.

Registered through the entry point ``airflow.plugins``: plugins named in a provider's info are loaded only where
``[core] lazy_discover_providers`` is off.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

PREFIX = "starvideos"  # where the app is mounted, below Airflow's own path


class LazyApp:
    """An ASGI app that is built when it is first called."""

    def __init__(self) -> None:
        self._app: Callable[..., Awaitable[None]] | None = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on to the app."""
        with self._lock:
            if self._app is None:
                from airflow_provider_starvideos.ui.routes import build_app

                self._app = build_app()
        await self._app(scope, receive, send)


def _view(name: str, destination: str, url_route: str, href: str) -> dict[str, str]:
    # A relative href: it follows the page's <base>, so it holds behind a reverse proxy's path, too.
    return {
        "name": name,
        "href": f"{PREFIX}/{href}",
        "destination": destination,
        "url_route": url_route,
        "icon": f"{PREFIX}/static/icon.svg",
        "icon_dark_mode": f"{PREFIX}/static/icon-dark.svg",
    }


# Airflow 3.0 shows no views of plugins, and its browsers send no cookie that names the user.
APPS = [{"app": LazyApp(), "url_prefix": f"/{PREFIX}", "name": "StarVideos"}] if AIRFLOW_V_3_1_PLUS else []
OF_A_TASK = "run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
VIEWS = [
    _view("Video", "task_instance", "starvideos-video", f"dags/{{DAG_ID}}/video?{OF_A_TASK}"),
    _view("Videos", "dag_run", "starvideos-run", "dags/{DAG_ID}/gallery?run_id={RUN_ID}"),
    _view("StarVideos", "nav", "starvideos", "") | {"category": "browse"},
]


class StarVideosPlugin(AirflowPlugin):
    """The app, its places in Airflow's UI, and the links of tasks."""

    name = "starvideos"
    fastapi_apps = APPS
    external_views = VIEWS if AIRFLOW_V_3_1_PLUS else []

    @property
    def operator_extra_links(self) -> list[Any]:  # type: ignore[override]
        """The links of create, sensor and download tasks."""
        from airflow_provider_starvideos.ui.links import LINKS

        return list(LINKS)
