"""Which tasks start and end in the triggerer, and which need a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.sdk import DAG, Asset, task_group

from airflow_provider_starvideos.api.polling import BACKSTOP_SECONDS
from airflow_provider_starvideos.compat import start_trigger, worker_needs
from airflow_provider_starvideos.compat.worker_needs import may_end_in_triggerer
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

needs_3_3 = pytest.mark.skipif(
    not AIRFLOW_V_3_3_PLUS,
    reason="before Airflow 3.3 all of it is done on a worker; test_before_airflow_3_3_everything_… shows that",
)


def sensor(video_id: Any = "video_1", **options: Any) -> StarVideosTaskSensor:
    """Return a sensor."""
    return StarVideosTaskSensor(task_id="wait", video_id=video_id, **options)


def serialized(dag: DAG) -> dict[str, Any]:
    """Return a Dag's tasks as the scheduler has them."""
    from airflow.serialization.serialized_objects import DagSerialization  # Airflow 3.2+

    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_dict


def nothing(*_: Any) -> None:
    """Do nothing, as a callback."""


WANTS_A_WORKER: list[dict[str, Any]] = [
    {"outlets": [Asset("x")]},
    {"on_success_callback": nothing},
    {"on_execute_callback": [nothing]},
    {"pre_execute": nothing},
    {"post_execute": nothing},
    {"do_xcom_push": False},
]


@needs_3_3
def test_a_plain_sensor_ends_in_the_triggerer() -> None:
    """Nothing is lost by it."""
    assert may_end_in_triggerer(sensor())


@pytest.mark.parametrize("options", WANTS_A_WORKER, ids=lambda options: next(iter(options)))
def test_what_only_a_worker_does_keeps_the_worker(options: dict[str, Any]) -> None:
    """Such a task neither ends nor starts in the triggerer, or what the user asked for would be left out."""
    assert not may_end_in_triggerer(sensor(**options))
    assert not sensor(**options).start_from_trigger


@needs_3_3
@pytest.mark.parametrize("members", [{}, {"ui_color": "#ffffff"}, {"poke": nothing}], ids=["", "colour", "method"])
def test_a_class_of_the_users_own_keeps_the_worker(members: dict[str, Any]) -> None:
    """In the triggerer nothing of it would be called, and its methods aren't known here."""
    own = type("Own", (StarVideosTaskSensor,), members)(task_id="wait", video_id="video_1")
    assert not may_end_in_triggerer(own)
    assert not own.start_from_trigger


@needs_3_3
def test_the_result_of_a_dag_keeps_the_worker() -> None:
    """Airflow looks for it among the XComs that a worker has flagged as such."""
    with DAG("x") as dag:
        result = sensor()
        dag.add_result(result.output)
    assert not may_end_in_triggerer(result)
    assert not result.start_from_trigger


@needs_3_3
def test_what_is_mapped_over_keeps_the_worker() -> None:
    """One id can't be, and only a worker says so. Those of a mapped task can."""
    with DAG("x"):
        one = sensor()
        StarVideosTaskSensor.partial(task_id="each").expand(video_id=one.output)
    assert not may_end_in_triggerer(one)
    assert not one.start_from_trigger
    assert may_end_in_triggerer(one, 0)


def test_before_airflow_3_3_everything_ends_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no way yet to push XComs from a trigger, nor to render its arguments: a sensor starts there, too."""
    monkeypatch.setattr(worker_needs, "AIRFLOW_V_3_3_PLUS", False)
    monkeypatch.setattr(start_trigger, "AIRFLOW_V_3_3_PLUS", False)
    assert not may_end_in_triggerer(sensor())
    assert not sensor().start_from_trigger
    assert not sensor("{{ params.video_id }}", start_from_trigger=True).start_from_trigger


@needs_3_3
def test_an_id_and_another_tasks_output_start_in_the_triggerer() -> None:
    """Of an output, the trigger gets the XCom's name; the dependency stays drawn."""
    with DAG("x"):
        create = StarVideosCreateOperator(task_id="create", prompt="x")
        wait = sensor(create.output, poke_interval=7, timeout=100)
    assert wait.start_from_trigger
    assert wait.start_trigger_args.trigger_kwargs == {
        "video_id": "",
        "xcom": ["create", "return_value"],
        "starvideos_conn_id": "starvideos_default",
        "poll_interval": 7,
        "timeout": 100,
        "starts_task": True,
        "end_task": True,
        "silent_fail": False,
    }
    assert wait.start_trigger_args.timeout.total_seconds() > 100
    assert wait.upstream_task_ids == {"create"}
    assert sensor("video_1").start_trigger_args.trigger_kwargs["video_id"] == "video_1"


@pytest.mark.parametrize(
    "options",
    [
        {"start_from_trigger": False},
        {"deferrable": False},
        {"video_id": "{{ my_macro() }}"},
        {"starvideos_conn_id": "{{ var.value.conn }}"},
        {"pool": "videos"},
        {"max_active_tis_per_dag": 3},
        {"max_active_tis_per_dagrun": 3},
    ],
    ids=["not wanted", "not deferrable", "template", "templated connection", "pool", "limit", "limit a run"],
)
def test_these_start_on_a_worker(options: dict[str, Any]) -> None:
    """A macro of the Dag's own renders to nothing in the triggerer; and Airflow bounds only what starts on a worker."""
    wait = sensor(**options)
    assert not wait.start_from_trigger
    assert wait.start_trigger_args is None


@needs_3_3
def test_a_template_starts_in_the_triggerer_if_asked_for() -> None:
    """The author knows that it can be rendered there."""
    assert sensor("{{ params.video_id }}", start_from_trigger=True).start_from_trigger


@needs_3_3
def test_a_template_that_the_triggerer_can_not_render_starts_on_a_worker() -> None:
    """Without ``map_indexes``, Airflow's triggerer asks its supervisor for something that is never answered."""
    assert not sensor("{{ ti.xcom_pull('create') }}", start_from_trigger=True).start_from_trigger
    assert sensor("{{ ti.xcom_pull('create', map_indexes=-1) }}", start_from_trigger=True).start_from_trigger


@needs_3_3
def test_with_an_xcom_backend_ids_are_read_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may block the loop of every trigger; and only a worker deletes through it what an earlier try has pushed."""
    with DAG("x"):
        create = StarVideosCreateOperator(task_id="create", prompt="x")
        waits = [sensor(create.output), StarVideosTaskSensor(task_id="other", video_id="video_1")]
    assert all(wait.start_from_trigger for wait in waits)
    monkeypatch.setenv("AIRFLOW__CORE__XCOM_BACKEND", "mine.XCom")
    assert not any(wait.start_from_trigger for wait in waits)


@needs_3_3
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on_success_callback", [nothing]),
        ("outlets", [Asset("x")]),
        ("start_from_trigger", False),
        ("deferrable", False),
        ("video_id", "{{ my_macro() }}"),
    ],
)
def test_what_is_set_on_a_finished_sensor_counts_too(name: str, value: Any) -> None:
    """By the Dag's author, or by a cluster's ``task_policy``: nothing of it is left out."""
    with DAG("x") as dag:
        wait = sensor()
        setattr(wait, name, value)
    assert not serialized(dag)["wait"].start_from_trigger


@needs_3_3
def test_times_that_are_set_on_a_finished_sensor_count_too() -> None:
    """A policy may have all sensors poll less often, and end sooner."""
    with DAG("x") as dag:
        wait = sensor()
        wait.poke_interval, wait.timeout = 55.0, 66.0
    kwargs = serialized(dag)["wait"].start_trigger_args.trigger_kwargs["__var"]
    assert (kwargs["poll_interval"], kwargs["timeout"]) == (55.0, 66.0)


@needs_3_3
@pytest.mark.parametrize(("seconds", "starts"), [(50, False), (60, False), (60 + BACKSTOP_SECONDS, True)])
def test_an_execution_timeout_does_not_end_a_wait(seconds: float, starts: bool) -> None:
    """It is for the moments on a worker. Of a task that starts in the triggerer, Airflow has it end the whole wait."""
    wait = sensor(timeout=60, execution_timeout=timedelta(seconds=seconds))
    assert wait.start_from_trigger == starts


def test_mapped_sensors_start_on_a_worker() -> None:
    """Airflow takes a mapped task's trigger arguments from the class, where there are none."""
    with DAG("x"):
        many = StarVideosCreateOperator.partial(task_id="create").expand(prompt=["a", "b"])
        mapped = StarVideosTaskSensor.partial(task_id="wait").expand(video_id=many.output)
        of_many = StarVideosTaskSensor(task_id="of_many", video_id=many.output)
    assert not mapped.start_from_trigger
    assert of_many.start_trigger_args is None


def test_a_sensor_in_a_mapped_group_starts_on_a_worker() -> None:
    """Its map index isn't known where the template is rendered."""
    found = []

    @task_group
    def group(prompt: str) -> None:
        create = StarVideosCreateOperator(task_id="create", prompt=prompt)
        found.append(sensor(create.output))

    with DAG("x"):
        group.expand(prompt=["a", "b"])
        of_all = sensor(found[0].output)
    assert found[0].start_trigger_args is None
    assert of_all.start_trigger_args is None, "its id would be many"
