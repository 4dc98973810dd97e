"""The videos of a run, put together from its tasks; and what is told of them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.record import key_of
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.orders.store import journal_name
from airflow_provider_starvideos.ui import batch_rows, records, serializers, videos
from airflow_provider_starvideos.ui.api_answers import Answer
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.states import PAGE_STATES, TaskState
from airflow_provider_starvideos.ui.videos import Video

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_task(name: str, kind: Kind, state: str | None, index: int = -1, *, rendered: Any = None, **xcoms: Any) -> Task:
    """Return a task; XComs are pushed a second apart."""
    pushed = {key: NOW + timedelta(seconds=n) for n, key in enumerate(xcoms)}
    return Task(name, index, kind, state, NOW, xcoms=xcoms, pushed=pushed, rendered=rendered or {})


def created(state: str = "success", **xcoms: Any) -> Task:
    """Return a task that orders; by default one that has ordered ``video_1``."""
    return a_task("create", Kind.ORDER, state, **({"video_id": "video_1"} | xcoms))


ID = {"video_id": "video_1"}
DONE = {"return_value": "video_1", "video_url": None}


def failing(state: str | None = None, error: str = "why") -> dict[str, Any]:
    """Return the XCom of a failure, as an operator pushes it."""
    return {"failure": {"state": state, "error": error, "try_number": 1}}


def wait(state: str | None, **xcoms: Any) -> Task:
    """Return a task that waits for ``video_1``."""
    return a_task("wait", Kind.WAIT, state, rendered=ID, **xcoms)


def save(state: str | None, **xcoms: Any) -> Task:
    """Return a task that saves ``video_1``."""
    return a_task("save", Kind.SAVE, state, rendered=ID, **xcoms)


SAVED = {"video_id": "video_1", "return_value": "/x"}
NO_ID: dict[str, Any] = {"video_id": None}


@pytest.mark.parametrize(
    ("tasks", "state"),
    [
        ([created("scheduled", **NO_ID)], "open"),
        ([created("running", **NO_ID)], "running"),
        ([created("up_for_retry", **NO_ID)], "no_record"),
        ([created("up_for_retry", **NO_ID, **failing())], "stopped"),
        ([created("failed", **NO_ID)], "no_record"),
        ([created("failed", **NO_ID, **failing())], "stopped"),
        ([created("failed", **NO_ID, **failing("unconfirmed"))], "unconfirmed"),
        ([created("failed", **NO_ID, **failing("unknown"))], "stopped"),  # 404 to an order is no lost video
        ([created("upstream_failed", **NO_ID)], "not_run"),
        ([created("skipped", **NO_ID)], "not_run"),
        ([created("awaiting_input", **NO_ID)], "running"),  # until Airflow has its question
        ([created()], "unwatched"),
        ([created("deferred")], "ordered"),
        ([created(video_url=None)], "completed"),  # it has waited itself
        ([created("failed")], "unwatched"),
        ([created("failed", **failing("timed_out"))], "timed_out"),
        ([created("failed", **failing("failed"))], "failed"),
        ([created(), wait("deferred")], "ordered"),
        ([created(), wait(None)], "ordered"),
        ([created(), wait("success", **DONE)], "completed"),
        ([created(), wait("failed")], "unwatched"),  # why isn't known: the video may be there
        ([created(), wait("failed", **failing("failed"))], "failed"),
        ([created(), wait("failed", **failing("timed_out"))], "timed_out"),
        ([created(), wait("up_for_retry", **failing("timed_out"))], "timed_out"),
        ([created(), wait("running", **failing("timed_out"))], "ordered"),  # of an earlier try
        ([created(), save("success", **SAVED)], "saved"),
        ([created(video_url=None), save("failed")], "not_saved"),
        ([created(video_url=None), save("upstream_failed")], "not_saved"),
        ([created(video_url=None), save("running")], "completed"),
        ([wait("success", **DONE)], "completed"),  # ordered elsewhere
        ([a_task("wait", Kind.WAIT, "failed")], "no_record"),
        ([a_task("wait", Kind.WAIT, None)], "not_started"),  # whether its video was ordered isn't known
        ([a_task("wait", Kind.WAIT, "deferred")], "running"),
    ],
)
def test_the_state_of_a_video(tasks: list[Task], state: str) -> None:
    """All tasks that have to do with a video are one video; none is said to be lost or unbilled for no reason."""
    (video,) = videos._single(tasks)
    assert video.state == state


def answered(status: str) -> Answer:
    """Return an answer of the API."""
    return Answer(0.0, VideoTask("video_1", status, error="<b>no</b>" if status == "failed" else None), None)


@pytest.mark.parametrize(
    ("tasks", "status", "state"),
    [
        ([created(), wait("failed", **failing("timed_out"))], "completed", "completed"),
        ([created(), wait("failed", **failing("timed_out"))], "processing", "timed_out"),
        ([created(), wait("failed")], "completed", "completed"),
        ([created(), wait("failed")], "failed", "failed"),
        ([created(), wait("failed")], "processing", "unwatched"),
        ([created()], "completed", "completed"),
        ([created(), wait("failed"), save("upstream_failed")], "completed", "not_saved"),
    ],
)
def test_where_airflow_doesnt_know_the_api_does(tasks: list[Task], status: str, state: str) -> None:
    """A sensor that timed out hides no video that was completed since."""
    (video,) = videos._single(tasks)
    video.learn(answered(status))
    assert video.state == state


def test_an_answer_of_the_api_changes_no_order_that_is_on_record_as_unconfirmed() -> None:
    """It is about another video: of that order no id is known."""
    video = Video(created("failed", **NO_ID), tasks=[created("failed")], record={"status": "unconfirmed"})
    video.learn(answered("completed"))
    assert serializers.details(video)["words"]["billed"] == "may be billed"


class Kept:
    """A store of a journal, in memory."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def names(self, base: str) -> list[str]:
        """Return those that begin with a text."""
        return [name for name in self.texts if name.startswith(base)]

    def read(self, name: str) -> Any:
        """Return an object."""
        return json.loads(self.texts[name]) if name in self.texts else None

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keep an object."""
        self.texts[name] = json.dumps(value)

    def delete(self, name: str) -> None:
        """Keep nothing."""
        self.texts.pop(name, None)


def recorded(*states: str, error: str | None = None) -> dict[str, str]:
    """Return the Variables of a journal with an order in each of these states, the last being the newest."""
    store, name = Kept(), journal_name("dag", "run", "create", -1)
    for number, state in enumerate(states, start=1):
        journal = Journal(store, name, number, logging.getLogger(__name__))
        order = journal.open(key_of(f"request-{number}"))
        order.become(OrderState(state), error)
        order.sent_at, order.summary = NOW.timestamp(), f"prompt {number}"
        order.video_id = f"video_{number}" if OrderState(state) in (OrderState.ORDERED, OrderState.FAILED) else None
        journal.touch([order])
        journal.commit()
    return store.texts


def test_an_order_of_unknown_outcome_is_said_to_be_one() -> None:
    """With the time at which it was sent, the reason, and what to do, to copy; nothing says that there is no video."""
    task = created("failed", **NO_ID)
    task.journal = recorded("unconfirmed", error="no answer within 60 s")
    (video,) = videos._single([task])
    shown = serializers.details(video)
    assert (shown["status"], shown["words"]["label"], shown["words"]["billed"]) == (
        "unconfirmed", "Unconfirmed", "may be billed",
    )  # fmt: skip
    assert (shown["sent_at"], shown["error"]) == (NOW.isoformat(), "no answer within 60 s")
    variable = journal_name("dag", "run", "create", -1).decision("request-1")
    assert shown["next"][1]["commands"] == [
        f"airflow variables set {variable} '<video id>'",
        f"airflow variables set {variable} 'resubmit'",
    ]
    assert "no video" not in json.dumps(shown).lower()


def test_an_order_in_flight_whose_process_has_ended_has_an_unknown_outcome() -> None:
    """While the process runs, the answer may still come."""
    for of_task, state in (("running", "sending"), ("failed", "unconfirmed"), ("up_for_retry", "unconfirmed")):
        task = created(of_task, **NO_ID)
        task.journal = recorded("sending")
        (video,) = videos._single([task])
        assert video.state == state
        row = Video(task, row=1, tasks=[task], record={"row": 1, "status": "sending"})
        assert row.state == state


def test_a_rows_variable_is_the_one_that_the_batch_has_named() -> None:
    """It comes from all rows of the batch, so the record of one row can't tell it."""
    record = {"row": 2, "status": "unconfirmed", "decision": "starvideos_decision_0123456789ab"}
    task = a_task("batch", Kind.BATCH, "failed")
    (step,) = serializers.details(Video(task, row=2, tasks=[task], record=record))["next"]
    assert step["text"] == "Clear task batch. It doesn't send this row again: its error says how to decide."
    error = "set the Airflow Variable starvideos_decision_ba9876543210"
    named = a_task("batch", Kind.BATCH, "failed", **failing("failed", error))
    commands = serializers.details(Video(named, row=2, tasks=[named], record=record))["next"][1]["commands"]
    assert all("starvideos_decision_ba9876543210" in command for command in commands)


@pytest.mark.parametrize("state", ["rejected", "not_sent", "unknown", "failed"])
def test_an_orders_record_is_trusted_first(state: str) -> None:
    """Also where the task failed, or runs again."""
    for of_task in ("failed", "running", "up_for_retry"):
        task = created(of_task, **NO_ID)
        task.journal = recorded(state)
        (video,) = videos._single([task])
        assert video.state == state


def test_orders_of_earlier_tries_are_shown() -> None:
    """With their ids, and whether they are billed: all tries of a task cost money."""
    task = created("deferred", video_id="video_2")
    task.journal = recorded("failed", "ordered")
    (video,) = videos._single([task])
    videos.add_records(video, records.orders_of(task.journal))
    (earlier,) = serializers.details(video)["earlier"]
    assert (earlier["id"], earlier["words"]["label"], earlier["words"]["billed"]) == ("video_1", "Failed", "billed")


def test_a_journal_that_was_edited_is_none() -> None:
    """Users with the right to edit Variables could write anything there."""
    for texts in ({"starvideos_order_x_1": "{"}, {"starvideos_order_x_1": '{"orders": [5]}'}):
        assert records.orders_of(texts) == []


def test_what_is_cleared_to_wait_again_orders_nothing() -> None:
    """The sensor; never the task that has ordered, which would order again."""
    (video,) = videos._single([created(), wait("failed", **failing("timed_out"))])
    assert [step["text"] for step in serializers.details(video)["next"]] == [
        "Clear task wait to wait again. Nothing is ordered."
    ]
    (video,) = videos._single([created(), wait("failed", **failing("failed"))])
    (step,) = serializers.details(video)["next"]
    assert step["text"] == "Clear task create for a new order. Billed again: yes."
    (video,) = videos._single([created()])
    assert serializers.details(video)["next"] == []


def test_a_row_of_a_batch_is_ordered_again_only_if_its_author_says_so() -> None:
    """A clear alone orders no new video for it."""
    for state in ("failed", "up_for_retry"):
        task = a_task("batch", Kind.BATCH, state)
        row = Video(task, row=2, tasks=[task], record={"row": 2, "status": "failed"})
        (step,) = serializers.details(row)["next"]
        assert "With retry_failed=True the batch's next try orders a new video, billed again" in step["text"]


def test_a_page_is_refreshed_until_all_of_its_tasks_have_ended() -> None:
    """Not only until the video is completed: it is saved afterwards."""
    (video,) = videos._single([created(), wait("success", **DONE), save("running")])
    assert serializers.details(video)["final"] is False
    (video,) = videos._single([created(), wait("success", **DONE), save("success", **SAVED)])
    assert serializers.details(video)["final"] is True


BEFORE = {"wait": ["middle"], "middle": ["create"], "save": ["wait"], "other": ["nothing"]}


def test_a_task_that_doesnt_know_its_video_yet_is_with_the_task_before_it() -> None:
    """A sensor that began in the triggerer, and one that won't run: they show the order's video."""
    for state in (None, "deferred", "upstream_failed"):
        (video,) = videos._single(
            [created(), a_task("wait", Kind.WAIT, state), a_task("save", Kind.SAVE, state)], BEFORE
        )
        assert [task.task_id for task in video.tasks] == ["create", "wait", "save"]
    mapped = [a_task("create", Kind.ORDER, "success", index, video_id=f"video_{index}") for index in (0, 1)]
    found = videos._single([*mapped, a_task("wait", Kind.WAIT, None, 1), a_task("save", Kind.SAVE, None)], BEFORE)
    assert [[task.task_id for task in video.tasks] for video in found] == [
        ["create", "save"],
        ["create", "wait", "save"],
    ]
    assert len(videos._single([created(), a_task("other", Kind.WAIT, None)], BEFORE)) == 2
    run = videos.Run("running", found, [])
    assert videos.find(run, "save", -1, 0) is None  # its tab is a gallery
    assert videos.find(run, "wait", 1, 0) is found[1]


def test_a_task_whose_dag_file_names_the_video_is_about_that() -> None:
    """It has no rendered fields where it begins in the triggerer."""
    task = a_task("wait", Kind.WAIT, "deferred")
    before = videos._add_declared({"wait": {"video_id": "video_9", "downstream_task_ids": ["save"]}}, [task])
    assert (videos._own_id(task), before) == ("video_9", {"save": ["wait"]})
    task = a_task("wait", Kind.WAIT, "deferred")
    videos._add_declared({"wait": {"video_id": "{{ params.id }}"}}, [task])
    assert videos._own_id(task) is None


@pytest.mark.parametrize("value", [None, 5, "", "../v1/x", "a b", {"id": "video_1"}, ["video_1"]])
def test_what_cant_be_an_id_is_none(value: Any) -> None:
    """It would go into the address of a question to the API."""
    (video,) = videos._single([created(video_id=value)])
    assert video.video_id is None


def test_times_and_facts_come_from_where_they_were_pushed() -> None:
    """Ordered when the API had accepted, completed when that was seen; the file's facts from the task that saved it."""
    create = created()
    wait = a_task("wait", Kind.WAIT, "success", actual_duration=4.0, **DONE)
    save = a_task(
        "save", Kind.SAVE, "success", video_id="video_1", return_value="s3://b/v.mp4", size_bytes=7, sha256="ab"
    )
    (video,) = videos._single([save, wait, create])
    assert video.task is create
    assert video.ordered_at == NOW
    assert video.completed_at == NOW + timedelta(seconds=2)
    assert (video.duration, video.size_bytes, video.sha256, video.saved) == (4.0, 7, "ab", ("s3://b/v.mp4", save))


def test_a_file_of_a_try_that_failed_isnt_shown() -> None:
    """It may be half of one."""
    (video,) = videos._single([a_task("save", Kind.SAVE, "failed", video_id="video_1", return_value="/x")])
    assert video.saved is None


def test_a_video_that_is_not_saved_says_so() -> None:
    """It is completed, so the run's failure would be nowhere to be seen in the gallery."""
    for of_save, error in (
        (a_task("save", Kind.SAVE, "failed", 3, rendered=ID), "Task save [3] failed. Its log says why."),
        (save("failed", **failing(error="the disk is full")), "Task save: the disk is full"),
        (save("upstream_failed"), "Not saved: task save didn't run, because a task before it failed."),
        (save("up_for_retry"), None),
    ):
        (video,) = videos._single([created(video_url=None), of_save])
        assert serializers.summary(video)["error"] == serializers.details(video)["error"] == error


def batch(told: Any, state: str | None = "success", **rendered: Any) -> Task:
    """Return a batch with this result: ids, or a manifest's URI."""
    key = "manifest" if isinstance(told, str) else "return_value"
    return a_task("batch", Kind.BATCH, state, rendered=rendered, **{key: told})


def test_a_batch_of_ids_has_a_row_for_each() -> None:
    """None is a row without a video; requests that Airflow has cut short aren't guessed."""
    task = batch(["video_1", None], requests=[{"prompt": "one"}, {"prompt": "two"}])
    first, second = videos._rows(task)
    assert [(one.row, one.video_id, one.state) for one in (first, second)] == [
        (1, "video_1", "completed"),
        (2, None, "no_video"),
    ]
    assert serializers.summary(second)["prompt"] == "two"
    (first, _) = videos._rows(batch(["video_1", None], requests="Truncated. You can change this …"))
    assert serializers.summary(first)["prompt"] is None


@pytest.mark.parametrize(
    ("counts", "states"),
    [
        ({"rows": 2, "completed": 1, "rejected": 1, "amount": "0.76", "amount_unknown": 0}, ["completed", "rejected"]),
        ({"rows": 2, "reused": 1, "failed": 1}, ["reused", "failed"]),
        ({"rows": 4, "completed": 1, "reused": 1, "failed": 1, "unconfirmed": 1}, ["ready", "no_video"]),
        (None, ["completed", "no_video"]),
    ],
)
def test_rows_of_a_batch_of_ids_have_the_state_that_its_counts_leave(counts: Any, states: list[str]) -> None:
    """None is guessed: whether a row was billed depends on it."""
    task = batch(["video_1", None])
    task.xcoms["counts"] = counts
    assert [one.state for one in videos._rows(task)] == states


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest in an allowed folder."""
    batch_rows._manifests.clear()
    monkeypatch.setenv("AIRFLOW__STARVIDEOS__MEDIA_FOLDERS", str(tmp_path))
    lines = [
        {"row": 1, "name": "a", "request": {"prompt": "one", "referenceImages": ["https://x/c.png?sig=1"]},
         "id": "video_1", "status": "saved", "uri": f"file://{tmp_path}/a.mp4", "duration": 3.0},
        {"row": 2, "name": "b", "request": None, "id": None, "status": "rejected", "error": "<b>no</b>"},
        {"row": 3, "id": "video_3", "status": "ordered"},
        {"row": 4, "status": "open"},
        {"row": "five"}, ["six"],
    ]  # fmt: skip
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "\n")
    return path


def test_a_batch_with_a_manifest_tells_each_row(manifest: Path) -> None:
    """Status, error, file, the request by the operator's names, without signatures; what is no row is left out."""
    found = videos._rows(batch(f"file://{manifest}", destination=f"{manifest.parent}/"))
    assert [(one.row, one.state) for one in found] == [
        (1, "saved"), (2, "rejected"), (3, "unwatched"), (4, "open"),
    ]  # fmt: skip
    first = serializers.details(found[0])
    picture = {"kind": "reference image", "url": "https://x/c.png?…", "is_web": False, "is_stored": False}
    assert first["inputs"] == [picture]
    assert (first["name"], first["mode"], first["preview"]) == ("a", "image reference", True)
    assert serializers.details(found[1])["error"] == "<b>no</b>"


@pytest.mark.parametrize("case", ["elsewhere", "not told where", "not allowed", "not there", "no manifest"])
def test_a_manifest_that_may_not_be_read_is_a_problem(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """An edited XCom, no rendered fields, a folder that isn't allowed: the run is shown, and says what is missing."""
    destination: str | None = f"{manifest.parent}/"
    if case == "elsewhere":
        destination = f"{manifest.parent}/other/"
    elif case == "not told where":
        destination = None
    elif case == "not allowed":
        monkeypatch.setenv("AIRFLOW__STARVIDEOS__MEDIA_FOLDERS", "/nowhere")
    elif case == "not there":
        manifest.unlink()
    else:
        manifest.write_text("{")
    with pytest.raises(StarVideosError, match="manifest can't be"):
        videos._rows(batch(f"file://{manifest}", destination=destination))


def test_what_is_kept_of_a_manifest_is_for_those_alone_who_may_read_it(manifest: Path) -> None:
    """A task that names another one's manifest (XComs can be edited) isn't shown it because that one was."""
    uri = f"file://{manifest}"
    assert len(videos._rows(batch(uri, destination=f"{manifest.parent}/"))) == 4
    with pytest.raises(StarVideosError, match="isn't in the task's destination"):
        videos._rows(batch(uri, destination=f"{manifest.parent}/other/"))


def test_a_manifest_of_a_batch_that_hasnt_ended_isnt_kept(manifest: Path) -> None:
    """Its next try writes another one in its place."""
    task = batch(f"file://{manifest}", "running", destination=f"{manifest.parent}/")
    task.ended_at = None
    assert len(videos._rows(task)) == 4
    manifest.write_text('{"row": 1}\n')
    assert len(videos._rows(task)) == 1


STRANGE = [
    {"row": 1, "name": {"a": 1}, "request": {"prompt": ["x"], "referenceImages": {"a": 1}, "first_image": 5}},
    {"row": 2, "id": 7, "status": ["saved"], "error": {"e": 1}, "uri": 9, "duration": "x", "ordered_at": {"a": 1}},
    {"row": 3, "request": "text", "duration": float("nan"), "size_bytes": float("inf"), "completed_at": 12},
    {"row": 4, "name": "half \ud800", "request": {"prompt": "of \udfff a pair"}, "error": "\ud83d", "id": "\ud800"},
    {"row": 5, "uri": "javascript:alert(1)\ud800", "status": "\udfff", "request": {"first_image": "s3://b/\ud800.png"}},
    {"row": True}, {"row": 0}, {"row": -1}, {"row": 10**30}, {"row": 6.0},
]  # fmt: skip


def test_what_a_manifest_says_is_never_an_error(manifest: Path) -> None:
    """Of any type, and with halves of characters, which can't be sent: one such row would take the gallery with it."""
    manifest.write_text("".join(json.dumps(line) + "\n" for line in STRANGE))
    found = videos._rows(batch(f"file://{manifest}", destination=f"{manifest.parent}/"))
    assert [one.row for one in found] == [1, 2, 3, 4, 5]
    run = videos.Run("success", found, ["\ud800"])
    for told in (serializers.overview(run), *map(serializers.summary, found), *map(serializers.details, found)):
        json.dumps(told, ensure_ascii=False).encode()


def test_a_card_has_the_beginning_of_a_text(manifest: Path) -> None:
    """A page of dozens stays small, whatever the prompts; the page of a video has all of it."""
    text = "p" * 1_000_000
    manifest.write_text(json.dumps({"row": 1, "status": "failed", "request": {"prompt": text}, "error": text}))
    (video,) = videos._rows(batch(f"file://{manifest}", destination=f"{manifest.parent}/"))
    assert len(json.dumps(serializers.summary(video))) < 2000
    told = serializers.details(video)
    assert (told["prompt"], told["error"]) == (text, text)


@pytest.mark.parametrize(
    ("state", "status"), [("running", "running"), ("failed", "no_record"), ("skipped", "not_run"), (None, "open")]
)
def test_a_batch_without_rows_is_one(state: str, status: str) -> None:
    """So that a gallery isn't empty while it runs."""
    (video,) = videos._rows(batch(None, state))
    assert (video.row, video.state) == (0, status)


def test_inputs_are_shown_without_signatures() -> None:
    """Signed URLs are secrets; what a template made of a list is a list."""
    rendered = {"prompt": "x", "first_image": "https://h/a.png?X-Amz-Signature=s", "last_image": "s3://b/c.png"}
    told = serializers.details(Video(created(), tasks=[a_task("create", Kind.ORDER, "success", rendered=rendered)]))
    assert [one["url"] for one in told["inputs"]] == ["https://h/a.png?…", "s3://b/c.png"]
    assert told["mode"] == "first/last frame"
    rendered = {"prompt": "x", "reference_images": "['https://h/a.png', 'https://h/b.png']"}
    told = serializers.details(Video(created(), tasks=[a_task("create", Kind.ORDER, "success", rendered=rendered)]))
    assert (len(told["inputs"]), told["mode"]) == (2, "image reference")


def test_the_documentation_has_the_states_that_are_no_orders() -> None:
    """By their labels, with whether they are billed."""
    page = (Path(__file__).parents[2] / "docs" / "ui.md").read_text()
    rows = {
        line.split("|")[1].strip(): line.split("|")[3].strip() for line in page.splitlines() if line.count("|") == 4
    }
    for state in TaskState:
        words = PAGE_STATES[state]
        assert rows[words.label] == words.meaning.billed


def test_every_state_has_words() -> None:
    """Also those that are added to the orders' table."""
    assert set(PAGE_STATES) == {*map(str, OrderState), *map(str, TaskState)}
    for words in PAGE_STATES.values():
        assert words.label
        assert words.meaning.text
