"""An order on record whose task succeeds in the triggerer: its next try knows of it, by an XCom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.triggers.base import TaskSuccessEvent

from airflow_provider_starvideos.decorators.create import StarVideosCreateDecoratedOperator
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosRecordError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.ledger.success import DELIVERED
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.triggers import events
from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger

WAIT = {"task_id": "order", "wait_for_completion": True}
LEFT = ["return_value", "video_id", "video_url", DELIVERED]
"""The XComs of a try that has ended in the triggerer."""


class TaskInstance:
    """As much of a task instance as is used."""

    dag_id, run_id, task_id, try_number = "dag", "run", "order", 1

    def __init__(self, xcoms_of_last_try: list[str] | None, map_index: int = -1) -> None:
        self.map_index = map_index
        if xcoms_of_last_try is not None:
            self._ti_context_from_server = SimpleNamespace(xcom_keys_to_clear=xcoms_of_last_try)

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep nothing."""


class States(dict[str, Any]):
    """As ``context["task_state_store"]``."""

    set = dict.__setitem__
    delete = dict.__delitem__


def create(**options: Any) -> StarVideosCreateOperator:
    """Return an operator that orders and waits."""
    return StarVideosCreateOperator(prompt="a red fox", **WAIT, **options)


def decorated(**options: Any) -> StarVideosCreateOperator:
    """Return the same of a function."""
    return StarVideosCreateDecoratedOperator(
        python_callable=lambda: "a red fox", op_args=(), op_kwargs={}, **WAIT, **options
    )


def begin(
    operator: StarVideosCreateOperator, states: States, xcoms_of_last_try: list[str] | None, map_index: int = -1
) -> Any:
    """Run a try until it waits, as Airflow does, and return its trigger."""
    with pytest.raises(TaskDeferred) as deferred:
        run(operator, states, xcoms_of_last_try, map_index)
    return deferred.value.trigger


def run(
    operator: StarVideosCreateOperator, states: States, xcoms_of_last_try: list[str] | None, map_index: int = -1
) -> None:
    """Run a try as Airflow does."""
    context: Any = {"ti": TaskInstance(xcoms_of_last_try, map_index), "task_state_store": states}
    operator.render_template_fields(context)
    operator.pre_execute(context)
    operator.execute(context)


@pytest.mark.parametrize("make", [create, decorated])
def test_cleared_after_a_delivery_it_orders_a_new_video(make: Any, emulator: Emulator) -> None:
    """Though the old one is on record."""
    states = States()
    first = begin(make(), states, [])
    second = begin(make(), states, LEFT)
    assert first.video_id != second.video_id
    assert emulator.billed.videos == 2


@pytest.mark.parametrize("left", [[], ["return_value", "video_id", "video_url"], None])
def test_without_a_delivery_it_takes_its_video_up(left: list[str] | None, emulator: Emulator) -> None:
    """Other XComs tell nothing: a worker pushes them before Airflow has recorded the success."""
    states = States()
    assert begin(create(), states, []).video_id == begin(create(), states, left).video_id
    assert emulator.billed.videos == 1


@pytest.mark.parametrize(("index", "told", "billed"), [(-1, 3, 1), (3, 3, 2), (2, 3, 1), (3, -1, 1)])
def test_each_index_knows_of_its_own_delivery(index: int, told: int, billed: int, emulator: Emulator) -> None:
    """A task instance that isn't mapped is told what those of all indexes have left, and at each of its tries."""
    left = begin(create(), States(), [], told).success_xcom
    billed += emulator.billed.videos
    states = States()
    begin(create(), states, [], index)
    begin(create(), states, [left], index)
    assert emulator.billed.videos == billed


def test_fields_that_are_rendered_again_take_no_record_away(emulator: Emulator) -> None:
    """By code of the user's, say, once the new video is ordered: it is on record as ever."""
    states = States()
    begin(create(), states, [])
    operator = create()
    second = begin(operator, states, LEFT)
    operator.render_template_fields({"ti": TaskInstance(LEFT), "task_state_store": states})  # type: ignore[typeddict-item, typeddict-unknown-key]
    assert begin(create(), states, []).video_id == second.video_id
    assert emulator.billed.videos == 2


def ill(**_: Any) -> str:
    """Fail, as a function or a macro of the user's."""
    raise RuntimeError("no idea")


class Hooked(StarVideosCreateOperator):
    """As a user might extend it."""

    def pre_execute(self, context: Any) -> None:
        """Do something else."""
        ill()


@pytest.mark.parametrize(
    "operator",
    [
        StarVideosCreateDecoratedOperator(python_callable=ill, op_args=(), op_kwargs={}, **WAIT),
        StarVideosCreateOperator(prompt="{{ 1 / 0 }}", **WAIT),
        Hooked(prompt="a red fox", **WAIT),
    ],
    ids=["function", "template", "subclass"],
)
def test_before_anything_else_can_fail(operator: StarVideosCreateOperator, emulator: Emulator) -> None:
    """The try that is told of the delivery may fail, of its template say: the next one isn't told any more."""
    states = States()
    first = begin(create(), states, [])
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        run(operator, states, LEFT)
    assert begin(create(), states, []).video_id != first.video_id


def test_an_order_without_record_keeps_no_older_one(emulator: Emulator) -> None:
    """``durable`` turned off for one try and on again: what was delivered before that doesn't come back."""
    states = States()
    tries = [(True, []), (False, LEFT), (True, LEFT[:3])]
    videos = {begin(create(durable=durable), states, left).video_id for durable, left in tries}
    assert len(videos) == emulator.billed.videos == 3


def test_fields_are_rendered_without_a_task_instance() -> None:
    """As a user's test does it."""
    operator = StarVideosCreateOperator(task_id="order", prompt="{{ animal }}")
    operator.render_template_fields({"animal": "fox"})  # type: ignore[typeddict-unknown-key]
    assert operator.prompt == "fox"


def test_a_record_that_can_not_be_deleted_is_told(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is ordered."""

    def refuse(self: States, key: str) -> None:
        raise OSError("no store")

    states = States()
    begin(create(), states, [])
    monkeypatch.setattr(States, "delete", refuse)
    with pytest.raises(StarVideosRecordError, match=r"OSError: no store\).*for a new one clear the task after that"):
        run(create(), states, LEFT)
    assert emulator.billed.videos == 1


@pytest.mark.parametrize(
    ("options", "left", "ends", "xcom"),
    [
        ({}, [], AIRFLOW_V_3_3_PLUS, DELIVERED),
        ({"durable": False}, [], AIRFLOW_V_3_3_PLUS, None),
        ({"durable": False}, None, AIRFLOW_V_3_3_PLUS, None),
        ({}, None, False, DELIVERED),
        ({"on_success_callback": print}, [], False, DELIVERED),
    ],
    ids=["on record", "without", "without, untold", "untold", "callback"],
)
def test_it_ends_in_the_triggerer_where_its_next_try_will_know(
    options: Any, left: list[str] | None, ends: bool, xcom: str | None, emulator: Emulator
) -> None:
    """An Airflow that doesn't tell a try what the last one left has it end on a worker, which deletes the record."""
    trigger = begin(create(**options), States(), left)
    assert (trigger.end_task, trigger.success_xcom) == (ends, xcom)


@pytest.mark.parametrize("durable", [True, False])
def test_the_delivery_is_told_with_the_success(durable: bool, emulator: Emulator) -> None:
    """In one event, which Airflow writes in one transaction; also by a trigger that was stored meanwhile."""
    trigger = begin(create(durable=durable), States(), [])
    stored = StarVideosTaskTrigger(**trigger.serialize()[1])
    event = stored._success()
    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms == ({DELIVERED: True} if durable else None)


@pytest.mark.parametrize("way", ["ordered", "resumed", "blocking"])
def test_on_a_worker_the_record_goes_after_the_success(way: str, emulator: Emulator) -> None:
    """By a callback, which Airflow calls then."""
    states = States()
    context: Any = {"ti": TaskInstance([]), "task_state_store": states}
    operator = create(deferrable=way != "blocking", poll_interval=0.05)
    operator.wait_for_completion = way != "ordered"
    if way == "resumed":
        video_id = begin(operator, states, []).video_id
        assert not operator.on_success_callback
        emulator.finish(video_id)
        operator.execute_complete(context, events.of_video(StarVideosHook().get_video(video_id)))
    else:
        emulator.update(seconds=0.1)
        operator.execute(context)
    assert states
    context["ti"].get_task_states = lambda **wanted: {"run": {"order": "success"}}
    (forget,) = operator.on_success_callback
    forget(context)
    assert not states
