"""What a task that starts without a worker must not miss of what a worker would do: on a real Airflow."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.api.polling import BACKSTOP_SECONDS
from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_api import path
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import LEG, VIDEO_SECONDS, wait_until_settled
from tests.airflow.people import ENDED

pytestmark = pytest.mark.timeout(600)
SENSORS = ("started", "on_a_worker", "finished_later")


def xcom_keys(airflow: AirflowStack, run_id: str, task_id: str) -> set[str]:
    """Return the keys of a task's XComs."""
    query = "SELECT key FROM xcom WHERE dag_id = 'tries' AND run_id = ? AND task_id = ?"
    with airflow.db() as db:
        return {row["key"] for row in db.execute(query, (run_id, task_id))}


@pytest.fixture(scope="module")
def tried(airflow: AirflowStack, emulator: Emulator) -> str:
    """A run of the Dag "tries" that has succeeded."""
    return airflow.finished_run("tries")


def test_a_callback_that_is_set_on_a_finished_sensor_is_called(airflow: AirflowStack, tried: str) -> None:
    """As a cluster's policy sets it, or a loop over the Dag's tasks: the sensor needs a worker then."""
    assert "called back" in airflow.log("tries", tried, "finished_later")


def test_nothing_is_left_of_an_earlier_try(airflow: AirflowStack, emulator: Emulator, tried: str) -> None:
    """Cleared after it had succeeded, and now the video fails: no XCom tells of the earlier video, while it waits or
    after it, wherever it started. A task downstream with ``trigger_rule="all_done"`` would take that one."""
    result = {"return_value", "video_url", "actual_duration", "amount"}
    assert all(xcom_keys(airflow, tried, name) == result for name in SENSORS)
    emulator.update(seconds="hold")
    wait_until_settled(airflow, "tries", tried, "create")
    try:
        airflow.clear("tries", tried, ["create", *SENSORS])
        for name in SENSORS:
            airflow.wait_for_task("tries", tried, name, {"deferred"})
            wait_until(lambda name=name: not xcom_keys(airflow, tried, name) or None, f"no XComs of {name}")
        emulator.finish(airflow.xcom("tries", tried, "create"), "failed", "the prompt was refused")
        airflow.expect_end("tries", tried, "failed")
    finally:
        emulator.update(seconds=VIDEO_SECONDS)
    for name in SENSORS:
        assert (airflow.task("tries", tried, name) or {})["state"] == "failed"
        assert xcom_keys(airflow, tried, name) == {"failure"}


def test_an_order_that_waits_is_cleared(airflow: AirflowStack, emulator: Emulator) -> None:
    """While it waits, or marked as failed meanwhile: the video is resumed. After its success, which it has in the
    triggerer from Airflow 3.3 on: a new video, each time."""
    airflow.wait_for_dag("ordered_tries")
    emulator.update(seconds="hold")
    run_id = airflow.trigger("ordered_tries")

    def videos() -> list[Any]:
        return [order for order in emulator.orders if order.prompt == f"ordered {run_id}"]

    def task() -> Any:
        return airflow.task("ordered_tries", run_id, "create")

    def waits(number: int, after: int = 0) -> int:
        """Wait until a try after the try ``after`` waits for the video of that number. Return that try."""

        def asked() -> int | None:
            ti = task()
            if not ti or ti["try_number"] <= after:
                return None
            assert ti["state"] not in ENDED, f"try {ti['try_number']} is {ti['state']} with {len(videos())} videos"
            is_polled = len(videos()) == number and videos()[-1].queries > 0
            return int(ti["try_number"]) if ti["state"] == "deferred" and is_polled else None

        return airflow.wait("ordered_tries", run_id, asked, f"a try after {after} to wait for video {number}")

    def cleared(number: int) -> int:
        """Clear the task, and wait until it waits again, for the video of that number. Return that try."""
        last = task()["try_number"]
        airflow.clear("ordered_tries", run_id, ["create"])
        return waits(number, after=last)

    def end() -> Any:
        emulator.finish(videos()[-1].id)
        airflow.expect_end("ordered_tries", run_id)
        wait_until_settled(airflow, "ordered_tries", run_id, "create")
        return airflow.xcom("ordered_tries", run_id, "create")

    try:
        waits(1)
        cleared(1)
        airflow.mark("ordered_tries", run_id, "create", "failed")
        airflow.wait_for_run("ordered_tries", run_id)
        cleared(1)
        assert end() == videos()[0].id, "resumed"
        for number in (2, 3):
            last = cleared(number)
            assert end() == videos()[number - 1].id, "a new one"
    finally:
        emulator.update(seconds=VIDEO_SECONDS)
    logs = [airflow.log("ordered_tries", run_id, "create", one) for one in range(last, task()["try_number"] + 1)]
    assert "".join(logs).count(LEG) == (1 if AIRFLOW_V_3_3_PLUS else 2)
    assert [order.queries > 0 for order in videos()] == [True] * 3


def test_a_restarted_triggerer_keeps_to_deadlines_and_to_what_dags_want_now(
    airflow: AirflowStack, emulator: Emulator
) -> None:
    """A deadline that has passed meanwhile gets its last poll, and no new wait. A Dag that has got a callback
    meanwhile, so that its sensor would not start in the triggerer any more, has its video, and the callback is called.
    """
    emulator.update(seconds="hold")
    try:
        runs: dict[str, Any] = {}
        for dag_id in ("changed_tries", "late_tries"):
            token = airflow.wait_for_dag(dag_id)["file_token"]
            runs[dag_id] = airflow.trigger(dag_id)
        videos = {}
        for dag_id, run_id in runs.items():
            airflow.wait_for_task(dag_id, run_id, "wait", {"deferred"})
            videos[dag_id] = airflow.xcom(dag_id, run_id, "create")
            wait_until(lambda dag_id=dag_id: emulator.order(videos[dag_id]).queries or None, "the first poll")
        airflow.kill("triggerer")
        (airflow.home / "tries_are_changed").touch()
        airflow.api.request("PUT", path("parseDagFile", token))
        with airflow.db() as db:

            def is_changed() -> bool | None:
                versions = "SELECT count(*) AS n FROM dag_version WHERE dag_id = 'changed_tries'"
                return db.execute(versions).fetchone()["n"] > 1 or None

            wait_until(is_changed, "the changed Dag")
            query = "SELECT trigger_timeout FROM task_instance WHERE dag_id = 'late_tries' AND task_id = 'wait'"
            (timeout,) = db.execute(query).fetchone()
        deadline = datetime.fromisoformat(str(timeout)).replace(tzinfo=UTC).timestamp() - BACKSTOP_SECONDS
        wait_until(lambda: time.time() > deadline or None, "the deadline", 60)
        looks = emulator.order(videos["late_tries"]).queries
        airflow.start("triggerer")
        airflow.expect_end("late_tries", runs["late_tries"], "failed")
        assert emulator.order(videos["late_tries"]).queries == looks + 1
        emulator.finish(videos["changed_tries"])
        airflow.expect_end("changed_tries", runs["changed_tries"])
    finally:
        emulator.update(seconds=VIDEO_SECONDS)
    assert airflow.xcom("changed_tries", runs["changed_tries"], "wait") == videos["changed_tries"]
    assert "called back" in airflow.log("changed_tries", runs["changed_tries"], "wait")
    assert "wasn't ready at the deadline" in airflow.log("late_tries", runs["late_tries"], "wait")
