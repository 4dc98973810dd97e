"""The pages of the UI, as a browser opens them by themselves: Airflow's page around them takes seconds to load."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from tests.ui.conftest import RUN, Site


def open_video(
    page: Page, site: Site, dag_id: str, task_id: str, map_index: Any = "{MAP_INDEX}", run_id: str = RUN
) -> None:
    """Open what is in the tab of a task."""
    asked = urlencode({"run_id": run_id, "task_id": task_id, "map_index": map_index})
    page.goto(f"{site.url}/starvideos/dags/{dag_id}/video?{asked}")


def open_gallery(page: Page, site: Site, dag_id: str, **query: Any) -> None:
    """Open what is in the tab of a run."""
    page.goto(f"{site.url}/starvideos/dags/{dag_id}/gallery?{urlencode({'run_id': RUN, **query})}")
