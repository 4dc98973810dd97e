"""A slow API or store may hold a few threads of the api-server, and no connection of its database."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.ui import api_answers, batch_rows, limiter, queries, videos
from airflow_provider_starvideos.ui.api_answers import Answer
from airflow_provider_starvideos.ui.limiter import BusyError, Limiter
from airflow_provider_starvideos.ui.videos import Video
from tests.ui.test_ui_videos import a_task, batch, created

PATIENCE = 60


class Crowd:
    """Many who do the same at once.

    :param act: what each does; what it returns, or raises, is found in ``ended``
    """

    def __init__(self, act: Callable[[int], Any], count: int) -> None:
        self.ended: queue.Queue[Any] = queue.Queue()
        self._threads = [threading.Thread(target=self._run, args=(act, number)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, act: Callable[[int], Any], number: int) -> None:
        try:
            self.ended.put(act(number))
        except Exception as error:  # noqa: BLE001  it is looked at by the test
            self.ended.put(error)

    def next(self, count: int) -> list[Any]:
        """Return how so many of them end."""
        return [self.ended.get(timeout=PATIENCE) for _ in range(count)]

    def others(self, count: int) -> list[Any]:
        """Return how the last ones end."""
        found = self.next(count)
        for thread in self._threads:
            thread.join(PATIENCE)
        return found


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """An API that hangs until the event, and a gate with three places."""
    api_answers._answers.clear()
    answers = threading.Event()

    def asked(conn_id: str, video_id: str) -> Answer:
        assert answers.wait(PATIENCE)
        return Answer(time.monotonic(), None, "answered")

    monkeypatch.setattr(api_answers, "_asked", asked)
    monkeypatch.setattr(api_answers, "_limiter", Limiter(at_once=2, waiting=1, seconds=PATIENCE))
    return answers


def test_an_api_that_hangs_holds_a_few_threads(hanging: threading.Event) -> None:
    """All others are told at once, while it still hangs: Airflow's own routes need the threads."""
    crowd = Crowd(lambda number: api_answers.ask("starvideos_default", f"video_{number}"), 10)
    assert {answer.error for answer in crowd.next(7)} == {api_answers.TOO_MANY}
    assert crowd.ended.empty()
    hanging.set()
    assert {answer.error for answer in crowd.others(3)} == {"answered"}


def test_who_waited_for_the_same_question_has_its_answer(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It isn't asked again as soon as there is a place."""
    monkeypatch.setattr(api_answers, "_limiter", Limiter(at_once=1, waiting=5, seconds=PATIENCE))
    asked: list[str] = []
    before = api_answers._asked
    monkeypatch.setattr(
        api_answers, "_asked", lambda conn_id, video_id: (asked.append(video_id), before(conn_id, video_id))[1]
    )
    crowd = Crowd(lambda number: api_answers.ask("starvideos_default", "video_1"), 6)
    hanging.set()
    assert {answer.error for answer in crowd.others(6)} == {"answered"}
    assert asked == ["video_1"]


def test_a_store_that_hangs_holds_a_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """For manifests; the gallery says so, and shows the rest of the run."""
    batch_rows._manifests.clear()
    monkeypatch.setattr(batch_rows, "STORES", Limiter(at_once=2, waiting=1, seconds=PATIENCE))
    answers = threading.Event()
    monkeypatch.setattr(batch_rows, "_content", lambda task, uri: answers.wait(PATIENCE) and b"")
    crowd = Crowd(lambda number: batch_rows.rows_of(batch(f"s3://b/{number}.jsonl", destination="s3://b/")), 10)
    told = crowd.next(7)
    assert crowd.ended.empty()
    answers.set()
    assert all("too many" in str(error) for error in told)
    assert crowd.others(3) == [[], [], []]


def test_who_waits_too_long_is_told() -> None:
    """A place that doesn't get free isn't waited for without an end; the gate is whole afterwards."""
    narrow = Limiter(at_once=1, waiting=1, seconds=0.01)
    with narrow.slot(), pytest.raises(BusyError), narrow.slot():
        pytest.fail("there is one place")
    with narrow.slot():
        pass


def test_airflow_has_most_of_its_threads() -> None:
    """Of the forty that the framework has for all routes of a process."""
    for one in (api_answers._limiter, limiter.STORES):
        assert one.most <= 8


class Session:
    """A connection of the database, as far as it matters here."""

    held = False

    def close(self) -> None:
        """Give it back."""
        self.held = False


@pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 shows no views of plugins")
@pytest.mark.parametrize("state", ["deferred", "failed"])
def test_no_connection_of_the_database_is_held_meanwhile(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen questions that hang would take all that the api-server has."""
    from airflow_provider_starvideos.ui import routes

    session = Session()
    task = created(state)
    found = Video(task, video_id="video_1", tasks=[task])

    def look(*_: Any) -> Any:
        session.held = True
        return found

    def ask(*_: Any, **__: Any) -> Answer:
        assert not session.held
        return Answer(0.0, None, "asked")

    monkeypatch.setattr(routes, "_video", look)
    monkeypatch.setattr(routes.queries, "add_times", lambda *_: None)
    monkeypatch.setattr(routes, "conn_id_of", look)
    monkeypatch.setattr(routes, "ask", ask)
    assert routes.video(session, "dag", "run", "task")["api_problem"] == "asked"  # type: ignore[arg-type]


def test_nor_while_a_manifest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie in a bucket."""
    session = Session()
    told = [batch("s3://b/manifest.jsonl", destination="s3://b/"), a_task("create", videos.Kind.ORDER, None)]

    def tasks_of(*_: Any) -> Any:
        session.held = True
        return told

    def rows_of(_: Any) -> list[dict[str, Any]]:
        assert not session.held
        return [{"row": 1}]

    monkeypatch.setattr(
        videos,
        "queries",
        SimpleNamespace(
            URL_KEY=queries.URL_KEY,
            run_state=lambda *_: "running",
            tasks_of=tasks_of,
            add_rendered=lambda *_: None,
            add_journals=lambda *_: None,
        ),
    )
    monkeypatch.setattr(videos, "rows_of", rows_of)
    run = videos.load(session, "dag", "run")  # type: ignore[arg-type]
    assert run is not None
    assert len(run.videos) == 2
