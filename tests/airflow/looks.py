"""What tests look for in Airflow's logs and database, wherever its version has it."""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from cryptography.fernet import Fernet

from dev.airflow_stack import AirflowStack

LEG = "DAG bundles loaded"
"""Each process that works on a task says so in the task's log, first thing."""


def records(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[Any]:
    """Return what is on record of a task instance's orders: in its state store, before Airflow 3.3 in Variables.

    From the database, because the api-server may be stopped.
    """
    with airflow.db() as db:
        if AIRFLOW_V_3_3_PLUS:
            whose = "dag_id = ? AND run_id = ? AND task_id = ? AND map_index = ?"
            query = f"SELECT value FROM task_state_store WHERE {whose}"
            return [json.loads(row["value"]) for row in db.execute(query, (dag_id, run_id, task_id, map_index))]
        told = f"Open StarVideos order of {dag_id} / {run_id} / {task_id} [{map_index}]"
        found = db.execute("SELECT val FROM variable WHERE description = ?", (told,)).fetchall()
    fernet = Fernet(airflow.fernet_key)
    return [json.loads(fernet.decrypt(row["val"].encode())) for row in found]
