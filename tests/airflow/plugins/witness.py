"""An Airflow plugin with a listener, and an XCom backend; both note what they see in the file that WITNESS names."""

import json
import os
import sys
from pathlib import Path

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.bases.xcom import BaseXCom


def note(**seen):
    """Append a line: short ones are written whole, by however many processes."""
    with Path(os.environ["WITNESS"]).open("a") as file:
        file.write(json.dumps(seen) + "\n")


@hookimpl
def on_task_instance_running(previous_state, task_instance):
    """Note that a worker run of a task begins."""
    note(event="running", task_id=task_instance.task_id)


@hookimpl
def on_task_instance_success(previous_state, task_instance):
    """Note that a task has succeeded."""
    note(event="success", task_id=task_instance.task_id)


class Witness(AirflowPlugin):
    """The listener, for Airflow."""

    name = "witness"
    listeners = [sys.modules[__name__]] if os.environ.get("WITNESS_LISTENS") else []


class WitnessXCom(BaseXCom):
    """Keeps values wrapped, so that one that went past it shows."""

    @staticmethod
    def serialize_value(value, *, key=None, task_id=None, dag_id=None, run_id=None, map_index=None):
        """Wrap a value."""
        note(event="xcom", task_id=task_id, key=key, value=value)
        return BaseXCom.serialize_value({"wrapped": value})

    @staticmethod
    def deserialize_value(result):
        """Unwrap a value."""
        return BaseXCom.deserialize_value(result)["wrapped"]
