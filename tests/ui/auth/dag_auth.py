"""An auth manager for the UI's tests: its users' passwords are their names, and two of them may not read everything."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

SECRET_DAG = "ui_secret"


class DagAuthManager(SimpleAuthManager):
    """``nora`` may not read the Dag ``ui_secret``; ``xena`` may read every Dag, and no XComs."""

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: Any,
        access_entity: DagAccessEntity | None = None,
        details: Any = None,
    ) -> bool:
        """Answer as Airflow's own auth manager does, but for those two."""
        if user.username == "nora" and details is not None and details.id == SECRET_DAG:
            return False
        if user.username == "xena" and access_entity is DagAccessEntity.XCOM:
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
