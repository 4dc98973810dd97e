"""However a wait ends, in the triggerer or on a worker, the task ends alike: state, XComs, log. On a real Airflow."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack
from tests.airflow.looks import LEG, VIDEO_SECONDS, left_its_worker, wait_until_settled

SENSOR_WAYS = ("started", "ended", "resumed")
CREATE_WAYS = ("create_ended", "create_unrecorded", "create_resumed")
WAITING = ("completed", "bare", "failed", "soft_failed")  # those that wait until the test says how their video ends


class Outcome(NamedTuple):
    """How every way must end.

    :param state: the task instance's
    :param said: what the log says
    :param xcoms: key → type of the JSON value, except those of a create itself; Airflow 3.0 keeps no None
    """

    state: str
    said: tuple[str, ...]
    xcoms: dict[str, str]


DONE = r"StarVideos video (\S+) is completed, 3 s long, \d+ s after its order\."
COMPLETED = {"return_value": "str", "video_url": "str", "actual_duration": "number", "amount": "str"}
OUTCOMES = {
    "completed": Outcome("success", (DONE,), COMPLETED),
    "bare": Outcome(
        "success",
        (r"StarVideos video (\S+) is completed\.", r"The API gave no URL for the completed video \S+\."),
        {"return_value": "str", "video_url": "NoneType", "actual_duration": "NoneType", "amount": "NoneType"},
    ),
    "failed": Outcome("failed", (r"StarVideos video \S+ failed: the prompt was refused",), {}),
    "timed_out": Outcome("failed", (r"StarVideos video \S+ wasn't ready at the deadline",), {}),
    "unknown": Outcome("failed", (r"the API doesn't know this video",), {}),
    "soft_failed": Outcome("skipped", (r"StarVideos video \S+ failed: the prompt was refused",), {}),
    "soft_timed_out": Outcome("skipped", (r"StarVideos video \S+ wasn't ready at the deadline",), {}),
    "soft_unknown": Outcome("skipped", (r"the API doesn't know this video",), {}),
}
CASES = [(way, outcome) for outcome in OUTCOMES for way in SENSOR_WAYS]
CASES += [(way, outcome) for outcome in ("completed", "bare", "failed", "timed_out") for way in CREATE_WAYS]


def end_videos(emulator: Emulator, run_id: str) -> None:
    """End every video as the first word of its prompt says; the slow ones stay."""
    for order in emulator.orders:
        what, _, of_run = order.prompt.partition(" ")
        if of_run != run_id or what == "slow":
            continue
        if what == "bare":
            answer = {"id": order.id, "object": "video", "status": "completed"}
            emulator.add_fault(on="query", kind="status", status=200, body=answer, match=order.id)
        elif what == "bad":
            emulator.finish(order.id, "failed", "the prompt was refused")
        else:
            emulator.finish(order.id)


@pytest.fixture(scope="module")
def endings(airflow: AirflowStack, emulator: Emulator) -> str:
    """A finished run of the Dag "endings", whose videos ended when all of its tasks were deferred."""
    emulator.update(seconds="hold")
    try:
        airflow.wait_for_dag("endings")
        run_id = airflow.trigger("endings")
        waiting = {f"{way}_{outcome}" for way, outcome in CASES if outcome in WAITING}

        def all_wait() -> bool | None:
            found = {ti["task_id"]: ti["state"] for ti in airflow.task_instances("endings", run_id)}
            ended = [name for name in waiting if found[name] in ("success", "failed", "skipped", "upstream_failed")]
            assert not ended, f"{ended} ended before their videos\n{airflow.summary('endings', run_id)}"
            deferred = all(found[name] == "deferred" for name in waiting)
            return (deferred and all(left_its_worker(airflow, "endings", run_id, name) for name in waiting)) or None

        airflow.wait("endings", run_id, all_wait, "all waits to be deferred")
        end_videos(emulator, run_id)
        airflow.expect_end("endings", run_id, "failed")
    finally:
        emulator.clear_faults()
        emulator.update(seconds=VIDEO_SECONDS)
    return run_id


def xcoms_of(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
    """Return a task's XComs as they are in the database, whatever Airflow's API makes of them."""
    query = "SELECT key, value FROM xcom WHERE dag_id = ? AND run_id = ? AND task_id = ?"
    with airflow.db() as db:
        rows = db.execute(query, (dag_id, run_id, task_id)).fetchall()
    # SQLite keeps JSON's numbers as numbers, and everything else as text.
    return {row["key"]: json.loads(row["value"]) if isinstance(row["value"], str) else row["value"] for row in rows}


def json_type(value: Any) -> str:
    """Name the JSON type of a value."""
    return "number" if isinstance(value, int | float) else type(value).__name__


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("way", "outcome"), CASES)
def test_a_task_ends_alike_whichever_way(
    airflow: AirflowStack, emulator: Emulator, endings: str, way: str, outcome: str
) -> None:
    """At its first try, with the same state, the same XComs of the same JSON types, and the same words in its log."""
    expected, task_id = OUTCOMES[outcome], f"{way}_{outcome}"
    ti = airflow.task("endings", endings, task_id)
    assert ti is not None
    assert (ti["state"], ti["try_number"]) == (expected.state, 1)
    xcoms = xcoms_of(airflow, "endings", endings, task_id)
    own_id = xcoms.pop("video_id", None)
    failure, spending = xcoms.pop("failure", None), xcoms.pop("spending", None)
    assert (failure is None) == (expected.state == "success")
    assert (own_id is not None) == (spending is not None) == way.startswith("create")
    if spending:
        amount = "0.75" if outcome == "completed" else None
        assert (spending["orders"], spending["seconds_ordered"], spending["amount"]) == (1, 3, amount)
        assert spending["videos"] == (expected.state == "success")
    if expected.state == "success":
        wait_until_settled(airflow, "endings", endings, task_id)
    types = {key: kind for key, kind in expected.xcoms.items() if AIRFLOW_V_3_1_PLUS or kind != "NoneType"}
    assert {key: json_type(value) for key, value in xcoms.items()} == types
    log = airflow.log("endings", endings, task_id)
    assert [words for words in expected.said if not re.search(words, log)] == []
    if expected.state != "success":
        return
    video_id = own_id or airflow.xcom("endings", endings, "order_done" if outcome == "completed" else "order_bare")
    assert xcoms["return_value"] == video_id
    assert re.findall(expected.said[0], log) == [video_id], "said once, of this video"
    if outcome == "completed":
        assert xcoms["video_url"].startswith(f"{emulator.url}/")
        assert video_id in xcoms["video_url"]
        assert airflow.xcom("endings", endings, task_id, "actual_duration") == xcoms["actual_duration"] == 3.0
        assert xcoms["amount"] == "0.75"


# Before Airflow 3.3 nothing starts or ends in the triggerer.
LEGS = {"started": 0, "ended": 1, "resumed": 2, "create_ended": 1, "create_unrecorded": 1, "create_resumed": 2}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", LEGS)
def test_a_wait_needs_no_more_worker_than_it_must(airflow: AirflowStack, endings: str, way: str) -> None:
    """None where nothing of the task wants one; one where it has to start there; two with a callback."""
    legs = LEGS[way] if AIRFLOW_V_3_3_PLUS else 2
    assert airflow.log("endings", endings, f"{way}_completed").count(LEG) == legs


ODD_IDS = {
    "none": "got None",
    "no_such_key": "nobody_pushes_it|got None",
    "record": "got .*'id': .*video_1",
    "number": "got 12345",
    "skipped": "got None",
    "undefined": "'nobody_knows_it' is undefined",
    "undefined_attribute": "'nobody_knows' is undefined",
    "broken_template": "can't be rendered.*TemplateSyntaxError",
    "none_as_text": "got None",
}


@pytest.fixture(scope="module")
def odd_ids(airflow: AirflowStack, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A finished run of the Dag "odd_ids", and the folder that its downloads went to."""
    folder = tmp_path_factory.mktemp("saved")
    return airflow.finished_run("odd_ids", {"folder": str(folder)}, state="failed"), folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["triggerer", "worker"])
@pytest.mark.parametrize("name", ODD_IDS)
def test_what_is_no_id_fails_for_good_and_is_named(
    airflow: AirflowStack, odd_ids: tuple[str, Path], name: str, way: str
) -> None:
    """At once, without a retry, wherever it was rendered; the error says that it is ``video_id``, and what it was."""
    ti = airflow.task("odd_ids", odd_ids[0], f"{way}_{name}")
    assert ti is not None
    assert (ti["state"], ti["try_number"]) == ("failed", 1)
    log = airflow.log("odd_ids", odd_ids[0], f"{way}_{name}")
    errors = [line for line in log.split("AirflowFailException: ")[1:] if re.search(r"\bvideo_id: ", line)]
    assert errors, log
    assert re.search(ODD_IDS[name], errors[-1])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("task_id", ["wait", "save"])
def test_a_mapped_task_without_a_video_is_skipped(
    airflow: AirflowStack, odd_ids: tuple[str, Path], task_id: str
) -> None:
    """``expand(video_id=…)`` over ``[id, None]``: the one ends well, the other is skipped and says why."""
    run_id, folder = odd_ids
    tis = [airflow.task("odd_ids", run_id, task_id, index) for index in (0, 1)]
    assert [ti and (ti["state"], ti["try_number"]) for ti in tis] == [("success", 1), ("skipped", 1)]
    assert "there is no video for this mapped task" in airflow.log("odd_ids", run_id, task_id, map_index=1)
    assert airflow.xcom("odd_ids", run_id, "wait", map_index=0) == airflow.xcom("odd_ids", run_id, "order")
    assert airflow.xcom("odd_ids", run_id, "count") == len(list(folder.iterdir())) == 1, "downstream sees the one"
