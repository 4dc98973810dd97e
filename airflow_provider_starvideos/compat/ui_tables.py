"""The tables of Airflow's metadata database that the pages about videos read. They write nothing.

Relies on the models below and on the columns in ``COLUMNS`` (3.0 to 3.3). Without one of them the pages answer 500.
Tasks, waits and files don't depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy.orm import Session

__all__ = [
    "DagRun",
    "RenderedTaskInstanceFields",
    "TaskInstance",
    "Variable",
    "XComModel",
    "create_session",
    "declared",
]

TASK = ("dag_id", "run_id", "task_id", "map_index")
COLUMNS: Mapping[Any, tuple[str, ...]] = {  # that are read; of ``Variable`` only ``key`` and ``val`` are
    DagRun: ("id", "dag_id", "run_id", "state", "run_after"),
    TaskInstance: (*TASK, "operator", "custom_operator_name", "state", "end_date"),
    RenderedTaskInstanceFields: (*TASK, "rendered_fields"),
    XComModel: (*TASK, "key", "value", "timestamp"),
}


def declared(session: Session, dag_id: str, task_id: str, name: str) -> Any:
    """Return an argument of a task as the Dag's file has it, for a task without rendered fields.

    Relies on the form of a serialized Dag (3.0 to 3.3). If that has changed, None.

    :return: None: there is no such Dag, task or argument
    """
    dag = SerializedDagModel.get(dag_id, session=session)
    if dag is None or not dag.data:
        return None
    for task in dag.data.get("dag", {}).get("tasks", ()):
        arguments = task.get("__var", task)
        if arguments.get("task_id") == task_id:
            return arguments.get(name, arguments.get("partial_kwargs", {}).get(name))
    return None
