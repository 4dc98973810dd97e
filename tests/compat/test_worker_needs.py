"""What keeps a task on a worker: anything that isn't known to need none, in this Airflow and in later ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.sdk import DAG, Asset, TaskGroup

from airflow_provider_starvideos.compat.worker_needs import (
    NEED_NO_WORKER,
    known_attributes,
    plain_operator,
    worker_need,
)
from airflow_provider_starvideos.decorators.create import StarVideosCreateDecoratedOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

needs_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 every task ends on a worker")
# What Airflow has, and only a worker does or heeds. A new one is either of these, or in ``worker_needs.HARMLESS``.
NEED_A_WORKER = {
    "allow_nested_operators",
    "do_xcom_push",
    "inlets",
    "map_index_template",
    "multiple_outputs",
    "on_execute_callback",
    "on_success_callback",
    "operator_extra_links",  # a worker pushes each as an XCom
    "outlets",
    "overwrite_rtif_after_execution",
    "_post_execute_hook",
    "_pre_execute_hook",
    "render_template_as_native_obj",
    "resources",
    "returns_dag_result",
    "run_as_user",
    "template_ext",
}

Make = Callable[..., Any]


def sensor(**options: Any) -> StarVideosTaskSensor:
    """Return a sensor."""
    return StarVideosTaskSensor(task_id="task", video_id="video_1", **options)


def create(**options: Any) -> StarVideosCreateOperator:
    """Return an operator that orders."""
    return StarVideosCreateOperator(task_id="task", prompt="a red fox", wait_for_completion=True, **options)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Airflow's own operators are inspected once per process, but these tests change them."""
    for clear in (known_attributes.cache_clear, plain_operator.cache_clear):
        clear()
    yield
    for clear in (known_attributes.cache_clear, plain_operator.cache_clear):
        clear()


both = pytest.mark.parametrize("make", [sensor, create])


@pytest.mark.parametrize("is_sensor", [False, True])
def test_every_attribute_of_this_airflow_is_decided_about(is_sensor: bool) -> None:
    """If this fails, Airflow has a new one. Does only a worker heed it? Then add it here, else to ``HARMLESS``."""
    assert known_attributes(is_sensor) - NEED_NO_WORKER - NEED_A_WORKER == set()


def test_before_airflow_3_3_all_need_a_worker() -> None:
    """And each says why."""
    assert (worker_need(sensor()) is None) == AIRFLOW_V_3_3_PLUS


@needs_3_3
@both
def test_plain_ones_need_no_worker(make: Make) -> None:
    """Whatever the scheduler heeds, and what is done for errors: those are handed to a worker."""
    options = {
        "retries": 3,
        "retry_delay": timedelta(1),
        "pool": "videos",
        "queue": "slow",
        "owner": "anna",
        "on_failure_callback": print,
        "doc_md": "# x",
        "trigger_rule": "all_done",
        "max_retry_delay": timedelta(2),
        "execution_timeout": timedelta(3),
    }
    with DAG("x", default_args={"priority_weight": 7}), TaskGroup("group"):
        task = make(**options)
        before = BaseOperator(task_id="before")
        before >> task
    assert worker_need(task) is None
    assert worker_need(task.prepare_for_execution()) is None


@needs_3_3
@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outlets", [Asset("x")]),
        ("inlets", [Asset("x")]),
        ("on_success_callback", print),
        ("on_execute_callback", [print]),
        ("pre_execute", print),
        ("post_execute", print),
        ("do_xcom_push", False),
        ("map_index_template", "{{ 1 }}"),
        ("run_as_user", "nobody"),
        ("resources", {"cpus": 2}),
    ],
)
def test_what_only_a_worker_does_needs_one(name: str, value: Any, make: Make) -> None:
    """As a parameter; the need is named."""
    assert name in str(worker_need(make(**{name: value})))


@needs_3_3
@both
@pytest.mark.parametrize(
    "name",
    ["brand_new", "_brand_new", "execute", "poke", "render_template_fields", "post_execute", "operator_extra_links"],
)
def test_what_is_put_on_an_instance_needs_a_worker(name: str, make: Make) -> None:
    """By a cluster policy, or by the Dag's author: its effect is unknown."""
    task = make()
    object.__setattr__(task, name, print)
    assert worker_need(task) == name


@needs_3_3
@both
def test_a_parameter_of_a_later_airflow_needs_a_worker(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is used, and only there."""
    monkeypatch.setattr(BaseOperator, "on_triumph_callback", (), raising=False)
    plain, task = make(), make()
    task.on_triumph_callback = [print]
    assert worker_need(plain) is None
    assert worker_need(task) == "on_triumph_callback"


@needs_3_3
@both
def test_a_parameter_that_airflow_sets_on_each_operator(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default, on the operator as on Airflow's own, is no need."""
    for is_sensor in (False, True):
        monkeypatch.setitem(vars(plain_operator(is_sensor)), "brand_new", None)
    task, another = make(), make()
    vars(task)["brand_new"] = None
    vars(another)["brand_new"] = 1
    assert worker_need(task) is None
    assert worker_need(another) == "brand_new"


@needs_3_3
@both
@pytest.mark.parametrize("base", [BaseOperator, StarVideosTaskSensor, StarVideosCreateOperator])
def test_a_method_put_into_a_class_needs_a_worker(base: type, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into Airflow's own or into ours, by a plugin say; one of another class is of no interest."""
    monkeypatch.setattr(base, "post_execute", lambda self, context, result=None: None)
    assert (worker_need(make()) is not None) == issubclass(type(make()), base)


@needs_3_3
def test_a_value_that_can_not_be_compared_needs_a_worker() -> None:
    """It isn't the default."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    task = sensor()
    task.run_as_user = Odd()  # type: ignore[assignment]
    assert worker_need(task) == "run_as_user"


@needs_3_3
def test_classes_of_others_need_a_worker() -> None:
    """A user's own, with or without a mixin, and Airflow's: only of ours it is known what a worker does for them."""
    mixed = type("Mixed", (type("Mixin", (), {}), StarVideosTaskSensor), {})
    for kind in (mixed, type("Own", (StarVideosTaskSensor,), {})):
        assert worker_need(kind(task_id="task", video_id="video_1")) == f"the class {kind.__qualname__}"
    decorated = StarVideosCreateDecoratedOperator(task_id="task", python_callable=print, op_args=(), op_kwargs={})
    assert worker_need(decorated) is not None, "what it has ordered is written into the rendered fields, by a worker"


def test_airflows_own_operator_joins_no_dag_of_the_users() -> None:
    """It is made at the first question, perhaps while a Dag is being written."""
    with DAG("x") as dag, TaskGroup("group") as group:
        names = {is_sensor: type(plain_operator(is_sensor)) for is_sensor in (False, True)}
    assert names == {False: BaseOperator, True: BaseSensorOperator}
    assert dag.task_ids == []
    assert not group.children
