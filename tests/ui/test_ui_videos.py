"""The videos of a run, put together from its tasks; and what is told of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.ui import rows, telling, videos
from airflow_provider_starvideos.ui.facts import Kind, Task
from airflow_provider_starvideos.ui.videos import Status, Video

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


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ([created(video_id=None, state="scheduled")], Status.PENDING),
        ([created(video_id=None, state="running")], Status.PENDING),
        ([created(video_id=None, state="up_for_retry")], Status.PENDING),
        ([created(video_id=None, state="failed")], Status.FAILED),
        ([created(video_id=None, state="upstream_failed")], Status.NONE),
        ([created(video_id=None, state="skipped")], Status.NONE),
        ([created()], Status.MAKING),
        ([created(state="deferred")], Status.MAKING),
        ([created(video_url=None)], Status.COMPLETED),  # it has waited itself
        ([created(state="failed")], Status.FAILED),
        ([created(), a_task("wait", Kind.WAIT, "deferred", rendered=ID)], Status.MAKING),
        ([created(), a_task("wait", Kind.WAIT, "success", **DONE)], Status.COMPLETED),
        ([created(), a_task("wait", Kind.WAIT, "failed", rendered=ID)], Status.FAILED),
        ([created(), a_task("save", Kind.SAVE, "success", video_id="video_1", return_value="/x")], Status.COMPLETED),
        ([created(video_url=None), a_task("save", Kind.SAVE, "failed", rendered=ID)], Status.COMPLETED),
        ([a_task("wait", Kind.WAIT, "success", **DONE)], Status.COMPLETED),  # ordered elsewhere
        ([a_task("wait", Kind.WAIT, "failed")], Status.FAILED),
    ],
)
def test_where_a_video_stands(tasks: list[Task], status: Status) -> None:
    """All tasks that have to do with a video are one video."""
    (video,) = videos._single(tasks)
    assert video.status is status


def test_a_wait_that_knows_no_video_yet_is_none() -> None:
    """It will be the video of the task before it."""
    assert videos._single([a_task("wait", Kind.WAIT, "deferred"), a_task("save", Kind.SAVE, None)]) == []


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
    save = a_task("save", Kind.SAVE, "failed", 3, rendered=ID)
    (video,) = videos._single([created(video_url=None), save])
    assert telling.summary(video)["error"] == "The video isn't saved: task save [3] failed. Its log says why."
    assert telling.details(video, None)["error"] == telling.summary(video)["error"]
    save.state = "up_for_retry"
    assert telling.summary(video)["error"] is None


def batch(told: Any, state: str = "success", **rendered: Any) -> Task:
    """Return a batch that has told this."""
    key = "manifest" if isinstance(told, str) else "return_value"
    return a_task("batch", Kind.BATCH, state, rendered=rendered, **{key: told})


def test_a_batch_of_ids_has_a_row_for_each() -> None:
    """None is a row without a video; requests that Airflow has cut short aren't guessed."""
    task = batch(["video_1", None], requests=[{"prompt": "one"}, {"prompt": "two"}])
    first, second = videos._rows(task)
    assert [(one.row, one.video_id, one.status) for one in (first, second)] == [
        (1, "video_1", Status.COMPLETED),
        (2, None, Status.FAILED),
    ]
    assert telling.summary(second)["prompt"] == "two"
    (first, _) = videos._rows(batch(["video_1", None], requests="Truncated. You can change this …"))
    assert telling.summary(first)["prompt"] is None


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest in an allowed folder."""
    rows._manifests.clear()
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
    assert [(one.row, one.status) for one in found] == [
        (1, Status.COMPLETED), (2, Status.FAILED), (3, Status.MAKING), (4, Status.PENDING),
    ]  # fmt: skip
    first = telling.details(found[0], None)
    picture = {"kind": "reference image", "url": "https://x/c.png?…", "is_web": False, "is_stored": False}
    assert first["inputs"] == [picture]
    assert (first["name"], first["mode"], first["preview"]) == ("a", "image reference", True)
    assert telling.details(found[1], None)["error"] == "<b>no</b>"


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
    with pytest.raises(StarVideosError, match="isn't in the folder"):
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
    for told in (telling.overview(run), *map(telling.summary, found), *(telling.details(one, None) for one in found)):
        json.dumps(told, ensure_ascii=False).encode()


def test_a_card_has_the_beginning_of_a_text(manifest: Path) -> None:
    """A page of dozens stays small, whatever the prompts; the page of a video has all of it."""
    text = "p" * 1_000_000
    manifest.write_text(json.dumps({"row": 1, "status": "failed", "request": {"prompt": text}, "error": text}))
    (video,) = videos._rows(batch(f"file://{manifest}", destination=f"{manifest.parent}/"))
    assert len(json.dumps(telling.summary(video))) < 2000
    told = telling.details(video, None)
    assert (told["prompt"], told["error"]) == (text, text)


@pytest.mark.parametrize(
    ("state", "status"), [("running", Status.PENDING), ("failed", Status.FAILED), ("skipped", Status.NONE)]
)
def test_a_batch_that_has_told_nothing_is_one(state: str, status: Status) -> None:
    """So that a gallery isn't empty while it runs."""
    (video,) = videos._rows(batch(None, state))
    assert (video.row, video.status) == (0, status)


def test_inputs_are_shown_without_signatures() -> None:
    """Signed URLs are secrets; what a template made of a list is a list."""
    rendered = {"prompt": "x", "first_image": "https://h/a.png?X-Amz-Signature=s", "last_image": "s3://b/c.png"}
    told = telling.details(Video(created(), tasks=[a_task("create", Kind.ORDER, "success", rendered=rendered)]), None)
    assert [one["url"] for one in told["inputs"]] == ["https://h/a.png?…", "s3://b/c.png"]
    assert told["mode"] == "first/last frame"
    rendered = {"prompt": "x", "reference_images": "['https://h/a.png', 'https://h/b.png']"}
    told = telling.details(Video(created(), tasks=[a_task("create", Kind.ORDER, "success", rendered=rendered)]), None)
    assert (len(told["inputs"]), told["mode"]) == (2, "image reference")
