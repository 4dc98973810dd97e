"""Applies Airflow's own access rules to every route, because Airflow doesn't protect the apps of plugins.

Relies on ``airflow.api_fastapi``: ``get_user``, ``requires_access_dag`` and ``SessionDep`` of its routes, and the auth
manager's ``is_authorized_dag`` and ``get_authorized_dag_ids`` (3.0 to 3.3; ``DagDetails.team_name`` in 3.1+). Without
one of them the app can't be built. Then all pages answer 500 and show nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import Depends

__all__ = ["LOGGED_IN", "READS_DAG", "SessionDep", "User", "fully_readable", "readable_dags"]

ENTITIES = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)  # a user must read all of them
LOGGED_IN = [Depends(get_user)]  # for a route that shows nothing of any Dag
READS_DAG = [Depends(requires_access_dag("GET", entity)) for entity in ENTITIES]  # for routes with {dag_id}
User = GetUserDep


def readable_dags(user: Any) -> set[str]:
    """Return the Dags that a user may read, by the rule for Dags alone."""
    return set(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


def fully_readable(user: Any, dag_ids: Iterable[str]) -> set[str]:
    """Return those Dags whose ``ENTITIES`` a user may all read."""
    manager = get_auth_manager()
    return {
        dag_id
        for dag_id in set(dag_ids)
        if all(
            manager.is_authorized_dag(method="GET", access_entity=entity, details=_details(dag_id), user=user)
            for entity in ENTITIES
        )
    }


def _details(dag_id: str) -> DagDetails:
    if "team_name" in DagDetails.__dataclass_fields__:  # Airflow 3.1+
        return DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return DagDetails(id=dag_id)
