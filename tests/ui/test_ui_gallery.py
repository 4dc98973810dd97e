"""What a gallery asks the metadata database for: little, however many videos the run has; and what it makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from airflow_provider_starvideos.ui import queries, videos
from tests.ui.filled import FAILED_EACH, WAITING_EACH, fill, tables

if not AIRFLOW_V_3_1_PLUS:
    pytest.skip("Airflow 3.0 shows no views of plugins", allow_module_level=True)

from airflow_provider_starvideos.ui import routes

DAG, FEW, MANY = "gallery", 50, 1000
MOST_QUERIES = 8
"""For a page of the gallery: the run, its tasks, their XComs, and what is shown of the page's."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Airflow's tables, with runs of few and of many videos, one that has ended and one that goes on."""
    engine = tables(tmp_path_factory.mktemp("database"))
    with Session(engine) as session:
        for count in (FEW, MANY):
            fill(session, DAG, f"ended {count}", count)
            fill(session, DAG, f"going {count}", count, state="running")
        yield session
    engine.dispose()


@pytest.fixture
def asked(database: Session) -> Iterator[list[str]]:
    """All that is asked of the database from now on."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    engine = database.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def gallery(session: Session, run_id: str, status: str | None = None, **page: int) -> dict[str, Any]:
    """Return what the gallery's route answers."""
    return routes.videos(session, DAG, run_id, status=status, **({"offset": 0, "limit": 24} | page))


@pytest.mark.parametrize("state", ["ended", "going"])
def test_the_questions_to_the_database_are_as_many_for_a_thousand_videos(
    database: Session, asked: list[str], state: str
) -> None:
    """None for each row, or each so many rows."""
    numbers = []
    gallery(database, f"{state} {FEW}")  # the Dag is known from now on
    for count in (FEW, MANY):
        asked.clear()
        assert gallery(database, f"{state} {count}")["total"] == count
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] <= MOST_QUERIES


def test_a_tab_and_a_link_ask_as_little(database: Session, asked: list[str]) -> None:
    """They look a video up among all of the run's."""
    assert routes._video(database, DAG, f"ended {MANY}", "save", "77", 0).video_id == "video_77"
    assert len(asked) <= MOST_QUERIES


def test_numbers_are_of_all_and_texts_of_the_page(database: Session) -> None:
    """Of a run that goes on: what is counted, filtered, paged, and told of a video."""
    run = f"going {MANY}"
    told = gallery(database, run)
    failed = MANY // FAILED_EACH
    ordered = len([index for index in range(0, MANY, WAITING_EACH) if index % FAILED_EACH])
    assert told["counts"] == {"saved": MANY - failed - ordered, "ordered": ordered, "failed": failed}
    assert told["states"]["failed"]["billed"] == "billed"
    assert [one["map_index"] for one in told["videos"]] == [number * FAILED_EACH for number in range(24)], "these first"
    last = gallery(database, run, "failed", offset=96)
    assert (last["shown"], [one["map_index"] for one in last["videos"]]) == (failed, [960, 970, 980, 990])
    assert all(one["prompt"].startswith(f"Product {one['map_index']} ") for one in last["videos"])
    waited = gallery(database, run, "ordered")["videos"][0]
    assert (waited["id"], waited["duration"]) == ("video_7", None)
    made = gallery(database, run, "saved")["videos"][0]
    assert (made["id"], made["duration"], made["ratio"], made["preview"]) == ("video_1", 4.0, "16:9", True)


def test_of_a_page_alone_more_is_read_than_its_numbers_need(database: Session) -> None:
    """Rendered fields, lengths, sizes and times: of thousands of tasks they cost the api-server most."""
    run = videos.load(database, DAG, f"ended {MANY}")
    assert run is not None
    waits = [task for video in run.videos for task in video.tasks if task.state == "success"]
    assert not [task for task in waits if task.rendered or task.pushed or set(task.xcoms) & set(queries.DETAIL_KEYS)]
    shown = run.videos[1]
    queries.add_details(database, DAG, f"ended {MANY}", shown.tasks)
    assert (shown.duration, shown.size_bytes, shown.sha256) == (4.0, 1_000_001, f"{1:064x}")
    assert shown.ordered_at is not None
    assert shown.completed_at is not None
    assert not [task for task in run.videos[2].tasks if task.rendered or task.pushed]


def test_the_temporary_url_never_leaves_the_database(database: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a secret for as long as it lives: whether it was pushed is known, and when."""
    seen = []
    plain = queries._plain
    monkeypatch.setattr(queries, "_plain", lambda value: seen.append(value) or plain(value))
    run = videos.load(database, DAG, f"ended {FEW}")
    assert run is not None
    queries.add_details(database, DAG, f"ended {FEW}", run.videos[1].tasks)
    (wait,) = [task for task in run.videos[1].tasks if task.task_id == "wait"]
    assert (wait.xcoms["video_url"], "video_url" in wait.pushed) == (None, True)
    assert seen
    assert "signature" not in str(seen)


def test_a_change_is_seen_at_the_next_request(database: Session) -> None:
    """Nothing of a run is kept, not of one that has ended either: tasks can be cleared, and XComs edited."""
    run = f"ended {FEW}"
    before = gallery(database, run, "saved")["videos"][1]
    assert before["id"] == "video_2"
    here = (XComModel.dag_id == DAG, XComModel.run_id == run, XComModel.map_index == 2)
    database.execute(update(XComModel).where(*here, XComModel.key != "video_url").values(value="video_edited"))
    database.commit()
    assert gallery(database, run, "saved")["videos"][1]["id"] == "video_edited"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"video_1"', "video_1"),
        ('"\\"video_1\\""', "video_1"),  # after an edit
        ('"[1, 2]"', [1, 2]),
        ("4.5", 4.5),
        ("null", None),
        (None, None),
        (' {"a": 1}\n', {"a": 1}),
        ('"true story"', "true story"),
        ('"12 monkeys"', "12 monkeys"),
        ('"\\"half"', '"half'),
        (json.dumps("\ud800 café"), "\ud800 café"),
    ],
)
def test_values_are_read_as_they_were_pushed(text: str | None, value: Any) -> None:
    """The table has JSON; what only looks like JSON inside of it is a text."""
    assert queries._plain(text) == value


def test_a_run_without_tasks_has_no_videos(tmp_path: Path) -> None:
    """A run that isn't there is none; one without tasks has no video."""
    engine = tables(tmp_path)
    with Session(engine) as session:
        assert videos.load(session, DAG, "none") is None
        fill(session, DAG, "empty", 0)
        assert gallery(session, "empty")["total"] == 0
    engine.dispose()
