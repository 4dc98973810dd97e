"""Airflow's tables have what the pages about videos read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from airflow_provider_starvideos.compat import ui_tables
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from tests.ui.filled import fill, serialized, tables

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


def test_an_argument_is_read_as_the_dag_has_it(tmp_path: Path) -> None:
    """Of a plain task and of a mapped one; of others there is none."""
    with DAG("x") as dag:
        plain = StarVideosTaskSensor(task_id="plain", video_id="video_1", starvideos_conn_id="mine")
        plain >> StarVideosTaskSensor.partial(task_id="mapped", starvideos_conn_id="ours").expand(video_id=["a"])
    assert isinstance(vars(SerializedDagModel)["data"], property)
    engine = tables(tmp_path)
    stored = SerializedDagModel.__table__.insert().values(**serialized("x") | {"data": Serialization.to_dict(dag)})
    with Session(engine) as session:
        session.execute(stored)
        read = {one: ui_tables.declared(session, "x", one, "starvideos_conn_id") for one in ("plain", "mapped", "no")}
        assert read == {"plain": "mine", "mapped": "ours", "no": None}
        assert ui_tables.declared_tasks(session, "x")["plain"]["downstream_task_ids"] == ["mapped"]
        assert ui_tables.declared(session, "other", "plain", "starvideos_conn_id") is None
    engine.dispose()


def test_what_is_known_of_a_task_that_waits(tmp_path: Path) -> None:
    """Its trigger's deadline and interval, and that it waits for a person, where it does."""
    engine = tables(tmp_path)
    with Session(engine) as session:
        fill(session, "x", "r", 1, state="running")
        trigger = Trigger("a.Trigger", {"end_time": 5.0, "poll_interval": 30})
        session.add(trigger)
        session.flush()
        task = session.query(TaskInstance).filter_by(task_id="wait").one()
        task.trigger_id, task.state = trigger.id, "deferred"
        session.flush()
        found = ui_tables.times_of(session, "x", "r", "wait", 0)
        assert (found["end_time"], found["poll_interval"], found["max_tries"]) == (5.0, 30, 0)
        assert ui_tables.times_of(session, "x", "r", "nothing", 0) == {}
        assert ui_tables.asking(session, "x", "r") == set()
        if ui_tables.HITLDetail is not None:
            question = {"options": ["Approve"], "subject": "Order?", "params": {}, "created_at": task.updated_at}
            session.add(ui_tables.HITLDetail(ti_id=task.id, **question))
            session.flush()
            assert ui_tables.asking(session, "x", "r") == {("wait", 0)}
    engine.dispose()
