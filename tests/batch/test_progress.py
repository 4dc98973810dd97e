"""What the UI shows of a batch before its end: every row, from the journal, which isn't changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.ui import batch_rows, serializers, videos
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.videos import Run
from tests.batch.desk import Desk, prompts


def task_of(desk: Desk, requests: Any = None, **xcoms: Any) -> Task:
    """Return the batch's task as the api-server finds it."""
    journal = desk.variables.journals
    return Task(
        "batch", -1, Kind.BATCH, "deferred", None, xcoms=xcoms, rendered={"requests": requests}, journal=journal
    )


def test_every_row_is_told_before_the_end(desk: Desk) -> None:
    """The ordered ones with id and time, the others too; what was ordered, where Airflow still has it."""
    desk.emulator.update(seconds="hold")
    given = [*prompts(59), "a prompt alone"]
    desk.first_leg(given, max_in_flight=50)
    before = dict(desk.variables.texts)
    found = videos._rows(task_of(desk, given))
    assert [one.row for one in found] == list(range(1, 61))
    assert [one.state for one in found] == ["ordered"] * 50 + ["open"] * 10
    ids = {order.prompt: order.id for order in desk.emulator.orders}
    assert [one.video_id for one in found[:50]] == [ids[f"fox {number}."] for number in range(1, 51)]
    assert serializers.details(found[0])["sent_at"]
    assert [serializers.summary(found[index])["prompt"] for index in (0, 58, 59)] == [
        "fox 1.",
        "fox 59.",
        "a prompt alone",
    ]
    (batch,) = serializers.overview(Run("running", found, [], [found[0].task]))["batches"]
    assert batch["counts"] == {"ordered": 50, "open": 10}
    assert desk.variables.texts == before


def test_a_retry_with_other_rows_tells_of_those(desk: Desk) -> None:
    """By their new numbers; a video that isn't asked for any more is no row."""
    desk.emulator.update(seconds="hold")
    desk.first_leg(prompts(3))
    ids = [order.video_id for order in desk.variables.orders()]
    desk.next_try()
    desk.first_leg([prompts(3)[2], {"prompt": "a new fox"}, prompts(3)[0]])
    first, second, third = videos._rows(task_of(desk))
    assert (first.video_id, third.video_id) == (ids[2], ids[0])
    assert second.video_id not in ids
    assert {order.video_id: order.row for order in desk.variables.orders()} == {
        ids[0]: 3,
        ids[1]: None,  # else there would be two of its old number, and it might be the one that is shown
        ids[2]: 1,
        second.video_id: 2,
    }


def test_of_rows_that_failed_it_says_why(desk: Desk) -> None:
    """Also of a batch that has failed, and writes no manifest: its record stays."""
    with pytest.raises(Exception, match="2 of 3"):
        desk.run([*prompts(1), {"prompt": "[fail: no cats] 2"}, {"prompt": "[fail: no dogs] 3"}])
    one, two, three = videos._rows(task_of(desk))
    assert [each.state for each in (one, two, three)] == ["completed", "failed", "failed"]
    assert [serializers.summary(each)["error"] for each in (two, three)] == ["no cats", "no dogs"]


def test_what_the_task_has_pushed_comes_first(desk: Desk) -> None:
    """The record goes when the success is on Airflow's."""
    desk.emulator.update(seconds="hold")
    desk.first_leg(prompts(3))
    assert len(batch_rows.rows_of(task_of(desk, return_value=["video_1"]))) == 1


@pytest.mark.parametrize(
    "change",
    [
        None,
        "{",
        "[]",
        '"kept elsewhere"',
        '{"orders": []}',
        {"size": "many"},
        {"orders": [{"key": 5}]},
        {"rows": None},
        {"rows": "many"},
        {"rows": 10**9},
        {"rows": -1},
        {"orders": [{"key": "a", "row": []}]},
        {"orders": [{"key": "a", "row": 1, "video_id": "v", "sent_at": "yesterday"}]},
        {"orders": [{"key": "a", "row": 1, "video_id": "v", "sent_at": 1e300}]},
    ],
)
def test_a_record_that_cant_be_read_is_no_error(desk: Desk, change: Any) -> None:
    """Of another version, elsewhere, edited, or too long: the batch is shown as before it ordered anything."""
    desk.emulator.update(seconds="hold")
    desk.first_leg(prompts(3))
    task = task_of(desk)
    ((name, page),) = task.journal.items()
    if isinstance(change, dict):
        task.journal[name] = json.dumps(json.loads(page) | change)
    else:
        task.journal = {} if change is None else {name: change}
    (only,) = videos._rows(task)
    assert (only.row, only.state) == (0, "running")
