"""Airflow's tables have what the pages about videos read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS
from airflow.sdk import DAG

from airflow_provider_starvideos.compat import ui_tables
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

if AIRFLOW_V_3_2_PLUS:
    from airflow.serialization.serialized_objects import DagSerialization as Serialization
else:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization


@pytest.mark.parametrize("model", ui_tables.COLUMNS, ids=lambda model: model.__name__)
def test_the_columns_are_there(model: Any) -> None:
    """By these names."""
    assert set(ui_tables.COLUMNS[model]) <= set(model.__table__.columns.keys())


def test_a_variable_has_a_key_and_a_value() -> None:
    """The value is read through the model, which decrypts it."""
    assert ui_tables.Variable(key="a", val="b").val == "b"


def test_an_argument_is_read_as_the_dag_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a plain task and of a mapped one; of others there is none."""
    with DAG("x") as dag:
        StarVideosTaskSensor(task_id="plain", video_id="video_1", starvideos_conn_id="mine")
        StarVideosTaskSensor.partial(task_id="mapped", starvideos_conn_id="ours").expand(video_id=["a"])
    assert isinstance(vars(SerializedDagModel)["data"], property)
    found = SimpleNamespace(data=Serialization.to_dict(dag))
    monkeypatch.setattr(SerializedDagModel, "get", lambda dag_id, session: found if dag_id == "x" else None)
    session: Any = None
    read = {task: ui_tables.declared(session, "x", task, "starvideos_conn_id") for task in ("plain", "mapped", "no")}
    assert read == {"plain": "mine", "mapped": "ours", "no": None}
    assert ui_tables.declared(session, "other", "plain", "starvideos_conn_id") is None
