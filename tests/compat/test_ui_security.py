"""Airflow's rules about who may see what can be asked as the pages do; tests/ui asks them with users."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager

from airflow_provider_starvideos.compat import ui_security


class Manager:
    """An auth manager that lets a user see runs and tasks of ``open``, and also XComs of ``all``."""

    def is_authorized_dag(self, *, method: str, user: str, access_entity: Any, details: Any) -> bool:
        """Answer as Airflow's."""
        assert (method, user) == ("GET", "anna")
        return details.id == "all" or (details.id == "open" and access_entity is not ui_security.ENTITIES[-1])

    def get_authorized_dag_ids(self, *, user: str, method: str) -> set[str]:
        """Answer as Airflow's."""
        return {"all", "open"}


def test_airflows_auth_manager_is_asked_like_this() -> None:
    """By these names."""
    asked = inspect.signature(BaseAuthManager.is_authorized_dag).parameters
    assert {"method", "user", "access_entity", "details"} <= set(asked)
    assert {"user", "method"} <= set(inspect.signature(BaseAuthManager.get_authorized_dag_ids).parameters)


def test_a_dag_is_readable_only_with_all_that_is_shown_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entity that a user may not read hides the Dag."""
    monkeypatch.setattr(ui_security, "get_auth_manager", Manager)
    if "team_name" in ui_security.DagDetails.__dataclass_fields__:
        monkeypatch.setattr(ui_security.DagModel, "get_team_name", lambda dag_id: None)
    assert ui_security.readable_dags("anna") == {"all", "open"}
    assert ui_security.fully_readable("anna", ["all", "open", "other"]) == {"all"}


def test_each_route_of_a_dag_asks_for_all_entities() -> None:
    """Runs, task instances and XComs."""
    assert len(ui_security.READS_DAG) == len(ui_security.ENTITIES) == 3
    assert [entity.name for entity in ui_security.ENTITIES] == ["RUN", "TASK_INSTANCE", "XCOM"]
