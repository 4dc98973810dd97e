"""Order and wait on a real Airflow: every kind of wait, good and bad ends, and a triggerer that dies in between."""

from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import VIDEO_SECONDS


@pytest.fixture(scope="module")
def waits(airflow: AirflowStack, emulator: Emulator) -> str:
    """A finished run of the Dag "waits"."""
    return airflow.finished_run("waits")


@pytest.fixture(scope="module")
def failing(airflow: AirflowStack, emulator: Emulator) -> str:
    """A finished run of the Dag "failing_waits"."""
    return airflow.finished_run("failing_waits", state="failed")


def test_the_id_and_the_results_flow_downstream(airflow: AirflowStack, emulator: Emulator, waits: str) -> None:
    """create → wait → use: the id is the return value of both, and the wait's XComs tell URL and length."""
    video_id = airflow.xcom("waits", waits, "create")
    order = emulator.order(video_id)
    assert (order.request["prompt"], order.request["duration"]) == (f"waits {waits}", 4)
    assert "ratio" not in order.request, "an empty text is not given"
    used = airflow.xcom("waits", waits, "use")
    assert (used["video_id"], used["seconds"]) == (video_id, 4.0)
    assert used["url"].startswith(emulator.url)
    assert airflow.xcom("waits", waits, "create", "video_id") == video_id


# The other waits in the triggerer are those of test_endings.py.
WAITS = ("deferred", "poked", "rescheduled", "create_deferred", "create_blocking")


@pytest.mark.parametrize("task_id", WAITS)
def test_every_kind_of_wait_ends_with_the_video(
    airflow: AirflowStack, emulator: Emulator, waits: str, task_id: str
) -> None:
    """Every kind of wait ends at the first try with the id, the URL and the length."""
    ti = airflow.task("waits", waits, task_id)
    assert ti is not None
    assert (ti["state"], ti["try_number"]) == ("success", 1)
    video_id = airflow.xcom("waits", waits, task_id)
    assert emulator.order(video_id).status == "completed"
    assert video_id in airflow.xcom("waits", waits, task_id, "video_url")
    assert airflow.xcom("waits", waits, task_id, "actual_duration") == emulator.order(video_id).billed_seconds


def test_the_log_tells_the_story(airflow: AirflowStack, emulator: Emulator, waits: str) -> None:
    """Ordered (id, mode, key facts), waiting until when, completed; never the key, nor the result's signature."""
    log = airflow.log("waits", waits, "create_deferred")
    video_id = airflow.xcom("waits", waits, "create_deferred")
    assert f"Ordered StarVideos video {video_id}: text to video, prompt 'one'." in log
    assert f"Waiting for StarVideos video {video_id} until 20" in log
    assert f"StarVideos video {video_id} is completed, 3 s long, " in log
    assert emulator.key not in log
    assert "signature" not in log


def test_mapped_tasks_each_have_their_video(airflow: AirflowStack, emulator: Emulator) -> None:
    """create.expand(prompt=[…]) and wait.expand(video_id=create.output): three prompts, three videos, in order."""
    run_id = airflow.finished_run("mapped_waits")
    ids = [airflow.xcom("mapped_waits", run_id, "wait", map_index=index) for index in range(3)]
    assert [emulator.order(video_id).request["prompt"] for video_id in ids] == ["a", "b", "c"]


@pytest.mark.parametrize(("task_id", "state"), [("poked", "failed"), ("soft_poked", "skipped")])
def test_a_failed_video_ends_the_sensor_at_once(airflow: AirflowStack, failing: str, task_id: str, state: str) -> None:
    """It fails with the API's own words and burns no retry; with soft_fail it is skipped."""
    ti = airflow.task("failing_waits", failing, task_id)
    assert ti is not None
    assert (ti["state"], ti["try_number"]) == (state, 1)
    assert "the prompt was refused" in airflow.log("failing_waits", failing, task_id)


@pytest.mark.parametrize(
    ("task_id", "said"),
    [
        ("unknown", ["the API doesn't know this video", "video_starvideos_1"]),
        ("bad_id", ["video_id: must be a StarVideos id", "../v1/starvideos/videos"]),
        ("bad_request", ["3 problems", "duration: must be", "got '16'", "ratio: must be", "last_image: must be given"]),
        ("no_connection", ["There is no Airflow connection 'nobody'"]),
    ],
)
def test_bad_input_fails_at_once_and_says_why(
    airflow: AirflowStack, emulator: Emulator, failing: str, task_id: str, said: list[str]
) -> None:
    """One try, one clear error, and nothing sent that costs money."""
    ti = airflow.task("failing_waits", failing, task_id)
    assert ti is not None
    assert (ti["state"], ti["try_number"]) == ("failed", 1)
    log = airflow.log("failing_waits", failing, task_id)
    assert not [text for text in said if text not in log]
    assert not [order for order in emulator.orders if order.request["prompt"] == "x"]


def test_a_wait_outlives_its_triggerer(airflow: AirflowStack, emulator: Emulator) -> None:
    """A triggerer killed in the middle of waits, and back: the waits go on, and deadlines still hold."""
    emulator.update(seconds="hold")
    try:
        airflow.wait_for_dag("long_waits")
        run_id = airflow.trigger("long_waits")
        airflow.wait_for_task("long_waits", run_id, "wait", {"deferred"})
        with airflow.db() as db:
            rows = [tuple(row) for row in db.execute("SELECT classpath, kwargs FROM trigger")]
        assert [row for row in rows if "StarVideosTaskTrigger" in row[0]]
        assert emulator.key not in str(rows), "a trigger's row holds no key"
        airflow.kill("triggerer")
        airflow.start("triggerer")
        airflow.wait_for_task("long_waits", run_id, "late", {"failed"})
        airflow.wait_for_task("long_waits", run_id, "late_soft", {"skipped"})
        emulator.finish(airflow.xcom("long_waits", run_id, "create"))
        airflow.expect_end("long_waits", run_id, "failed")
    finally:
        emulator.update(seconds=VIDEO_SECONDS)
    states = {ti["task_id"]: (ti["state"], ti["try_number"]) for ti in airflow.task_instances("long_waits", run_id)}
    assert states["wait"] == ("success", 1)
    assert states["late"] == ("failed", 1), "a sensor's timeout isn't retried"
    assert states["late_soft"] == ("skipped", 1)


def test_metrics_tell_of_orders_and_waits(
    airflow: AirflowStack, emulator: Emulator, metrics: Any, waits: str, failing: str
) -> None:
    """Airflow's StatsD gets them from workers and from the triggerer, tagged, and without the key."""
    wanted = {
        "ordered": "connection=starvideos_default,mode=text",
        "completed": "connection=starvideos_default",
        "seconds": "connection=starvideos_default",
        "failed": "connection=starvideos_default",
        "polls": "connection=starvideos_default",
    }
    for name, tags in wanted.items():
        lines = wait_until(lambda name=name: metrics.named(name), f"the metric {name}")
        assert any(f",{tags}:" in line for line in lines), lines
    assert emulator.key not in "".join(metrics.lines)
