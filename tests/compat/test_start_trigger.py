"""Airflow starts tasks in the triggerer from what is computed here, when it serializes a Dag."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.jobs import triggerer_job_runner
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.sdk import DAG, BaseOperator, task_group
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_starvideos.compat import start_trigger
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

needs_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 every task starts on a worker")


class Operator(BaseOperator):
    """Says each time that it is read whether it starts in the triggerer."""

    wanted = False
    start_trigger_args: Any = start_trigger.Computed(
        lambda operator: StartTriggerArgs("a.B", "done", {"x": "{{ y }}"}) if operator.wanted else None, None
    )
    start_from_trigger: Any = start_trigger.Computed(lambda operator: operator.wanted, False)


@needs_3_3
@pytest.mark.parametrize("wanted", [True, False])
def test_airflow_reads_what_is_computed_last(wanted: bool) -> None:
    """As it serializes the Dag, after whatever was set on the task meanwhile."""
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("x") as dag:
        task = Operator(task_id="task")
    task.wanted = wanted
    found = DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_dict["task"]
    assert found.start_from_trigger is wanted
    assert bool(found.start_trigger_args) is wanted
    if wanted:
        assert (found.start_trigger_args.trigger_cls, found.start_trigger_args.next_method) == ("a.B", "done")


def test_the_class_has_its_own_values() -> None:
    """Which Airflow takes for mapped tasks."""
    assert Operator.start_from_trigger is False
    assert Operator.start_trigger_args is None


def test_an_output_is_an_xcom() -> None:
    """Of the task and key that it names; what is no plain output, or comes from a mapped task, is none."""

    def order(**options: Any) -> StarVideosCreateOperator:
        return StarVideosCreateOperator(prompt="x", **options)

    grouped = []

    @task_group
    def group(prompt: str) -> None:
        grouped.append(StarVideosCreateOperator(task_id="inner", prompt=prompt))

    with DAG("x"):
        create = order(task_id="create")
        many = StarVideosCreateOperator.partial(task_id="many").expand(prompt=["a"])
        group.expand(prompt=["a"])
    assert start_trigger.xcom_of(create.output) == ["create", "return_value"]
    assert start_trigger.xcom_of(create.output["video_url"]) == ["create", "video_url"]
    for other in (many.output, grouped[0].output, create.output.map(str), "video_1", None, create):
        assert start_trigger.xcom_of(other) is None
    assert start_trigger.is_mapped(many)
    assert start_trigger.is_mapped(grouped[0])
    assert not start_trigger.is_mapped(create)


@needs_3_3
def test_a_trigger_is_told_when_its_deferral_ends() -> None:
    """By this name: the triggerer sets it on the trigger. With or without a time zone, it is UTC."""
    assert "trigger_instance.timeout_after = workload.timeout_after" in inspect.getsource(triggerer_job_runner)
    for zone in (UTC, None):
        trigger = SimpleNamespace(timeout_after=datetime(2026, 1, 1, tzinfo=zone))
        assert start_trigger.deferral_ends_at(trigger) == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_a_trigger_that_is_not_told_has_no_end() -> None:
    """Before Airflow 3.3, and where a deferral has no timeout."""
    assert start_trigger.deferral_ends_at(SimpleNamespace()) is None
    assert start_trigger.deferral_ends_at(SimpleNamespace(timeout_after=None)) is None


@pytest.mark.parametrize(
    ("template", "can"),
    [
        ("video_1", True),
        ("{{ params.x }}", True),
        ("{{ ti.xcom_pull('a') }}", False),
        ("{{ ti.xcom_pull('a', map_indexes=-1) }}", True),
    ],
)
def test_templates_that_a_triggerer_renders(template: str, can: bool) -> None:
    """The third would hang: Airflow asks its triggerer for something that it never answers."""
    assert start_trigger.can_be_rendered(template) is can
