"""Saving and the manifest: whole files, several at once; an error stops no other row; every row is in the manifest."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.batch import saver
from airflow_provider_starvideos.exceptions import StarVideosBatchError
from airflow_provider_starvideos.storage import fetch
from airflow_provider_starvideos.storage import saving as single
from tests.batch.desk import Desk, prompts


def manifest(uri: str) -> list[dict[str, Any]]:
    """Read a manifest."""
    lines = Path(uri.removeprefix("file://")).read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Instead of rendering and fetching: a few bytes. What ``save`` does is tested with the storage."""
    noted: dict[str, Any] = {"most": 0, "now": 0, "ids": [], "fail": {}}
    lock, all_there = threading.Lock(), threading.Barrier(4)

    def save(hook: Any, video_id: str, destination: Any, *, if_exists: str, limits: Any, log: Any) -> Any:
        with lock:
            noted["now"] += 1
            noted["most"] = max(noted["most"], noted["now"])
            noted["ids"].append(video_id)
        try:
            if noted.get("wait"):
                all_there.wait(5)
            if error := noted["fail"].pop(video_id, None):
                raise error
            with destination.workspace() as part:
                part.write_bytes(video_id.encode())
                destination.put(part, content_type="video/mp4", overwrite=True)
        finally:
            with lock:
                noted["now"] -= 1
        task = hook.get_video(video_id)
        return single.SavedVideo(
            destination.uri, len(video_id), hashlib.sha256(video_id.encode()).hexdigest(), "", task
        )

    monkeypatch.setattr(single, "save", save)
    return noted


def test_c7_verify_false(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With verify=False the batch saves what came, too."""
    monkeypatch.setattr(fetch.Fetch.__init__, "__kwdefaults__", {"limits": None, "key": "", "sleep": lambda _: None})
    desk.emulator.add_fault(on="download", kind="html")
    with pytest.raises(StarVideosBatchError, match="It begins with '<"):
        desk.run(prompts(1), destination=f"{tmp_path}/")
    desk.next_try()
    (line,) = manifest(desk.run(prompts(1), destination=f"{tmp_path}/", verify=False))
    assert (line["status"], Path(line["uri"].removeprefix("file://")).read_bytes()[:1]) == ("saved", b"<")


def test_real_videos_and_the_manifest(desk: Desk, tmp_path: Path) -> None:
    """Whole MP4s under the rows' names; each row of the manifest names its file, its request and its times."""
    rows = [{"prompt": "fox 1.", "name": "one"}, {"prompt": "fox 2.", "duration": 4}, {"prompt": "[fail: no] fox 3."}]
    uri = desk.run(rows, destination=f"{tmp_path}/videos/", max_failures=1)
    assert uri == f"file://{tmp_path}/videos/manifest.jsonl"
    assert desk.ti.xcoms["manifest"] == uri
    lines = manifest(uri)
    orders = {order.prompt: order for order in desk.emulator.orders}
    assert [line["row"] for line in lines] == [1, 2, 3]
    assert [line["status"] for line in lines] == ["saved", "saved", "failed"]
    assert [line["name"] for line in lines] == ["one", None, None]
    for line, given in zip(lines, rows, strict=True):
        assert line["id"] == orders[str(given["prompt"])].id
        assert line["request"] == orders[str(given["prompt"])].request
        assert datetime.fromisoformat(line["ordered_at"]) <= datetime.fromisoformat(line["completed_at"])
    assert lines[0]["uri"].endswith("/videos/one.mp4")
    assert lines[1]["uri"].endswith(f"/videos/{lines[1]['id']}.mp4")
    assert lines[1]["duration"] == 4.0
    for line in lines[:2]:
        data = Path(line["uri"].removeprefix("file://")).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (line["size_bytes"], line["sha256"])
        assert data[4:8] == b"ftyp"
    assert "no" in lines[2]["error"]
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {
        "one.mp4",
        f"{lines[1]['id']}.mp4",
        "manifest.jsonl",
        "manifest.parquet",
    }


def test_parquet_tells_the_same(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """Column by column, with types: times are times."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    uri = desk.run([*prompts(3), {"prompt": "[fail] ü"}], destination=f"{tmp_path}/", max_failures=1)
    table = parquet.read_table(uri.removeprefix("file://").replace(".jsonl", ".parquet"))
    assert str(table.schema.field("ordered_at").type) == "timestamp[ms, tz=UTC]"
    rows = table.to_pylist()
    for row, line in zip(rows, manifest(uri), strict=True):
        assert row["request"] == json.dumps(line["request"], ensure_ascii=False)
        for name in ("ordered_at", "completed_at"):
            assert row[name] == datetime.fromisoformat(line[name])
        for name in ("row", "name", "id", "status", "error", "uri", "duration", "size_bytes", "sha256"):
            assert row[name] == line[name]


def test_no_signature_is_in_it(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """Neither an input's nor a result's: both give access without a key."""
    image = "https://b.s3.amazonaws.com/a.png?X-Amz-Signature=abc&X-Amz-Credential=k"
    uri = desk.run([{"prompt": "p", "reference_images": [image]}], destination=f"{tmp_path}/")
    text = Path(uri.removeprefix("file://")).read_text()
    assert "https://b.s3.amazonaws.com/a.png" in text
    assert "X-Amz" not in text
    assert "video_url" not in text


def test_bounded_and_concurrent(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """As many at once as allowed; each video once."""
    saved["wait"] = True
    desk.run(prompts(12), destination=f"{tmp_path}/", max_save_concurrency=4)
    assert saved["most"] == 4
    assert len(saved["ids"]) == len(set(saved["ids"])) == 12


@pytest.mark.parametrize("error", [StarVideosBatchError("away"), OSError("no space left on device"), ValueError("odd")])
def test_a_row_that_cannot_be_saved_stops_no_other(
    desk: Desk, tmp_path: Path, saved: dict[str, Any], error: Exception
) -> None:
    """It is in the manifest, though the task fails; the next try saves that one only, and orders nothing."""
    desk.emulator.update(seconds="hold")
    deferred = desk.first_leg(prompts(6), destination=f"{tmp_path}/")
    ids = [order.id for order in desk.emulator.orders]
    for video_id in ids:
        desk.emulator.finish(video_id)
    saved["fail"] = {ids[2]: error}
    with pytest.raises(StarVideosBatchError, match=r"Row .: completed, but not saved") as caught:
        desk.resume(deferred)
    assert not caught.value.permanent
    lines = manifest(desk.ti.xcoms["manifest"])
    assert sorted(line["status"] for line in lines) == ["not_saved", *["saved"] * 5]
    assert str(error) in next(line["error"] for line in lines if line["id"] == ids[2])
    desk.next_try()
    uri = desk.run(prompts(6), destination=f"{tmp_path}/")
    assert {line["status"] for line in manifest(uri)} == {"saved"}
    assert saved["ids"].count(ids[2]) == 2
    assert len(saved["ids"]) == 7
    assert desk.billed == 6


def test_what_a_retry_cannot_mend(desk: Desk, tmp_path: Path) -> None:
    """A file that must stay: the task fails for good, the videos stay, and a person who clears it pays nothing."""
    rows = [{"prompt": "fox 1.", "name": "one"}]
    deferred = desk.first_leg(rows, destination=f"{tmp_path}/", if_exists="error")
    (tmp_path / "one.mp4").write_text("mine")  # before that it would have been an error, and nothing ordered
    with pytest.raises(Exception, match="Row 1: completed, but can't be saved") as caught:
        desk.resume(deferred)
    assert type(caught.value).__name__ == "AirflowFailException"
    (tmp_path / "one.mp4").unlink()
    desk.next_try()
    desk.run(rows, destination=f"{tmp_path}/", if_exists="error")
    assert desk.billed == 1


def test_a_stop_while_it_saves(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """Nothing further is begun; what is saved is on record; the task's retries save the rest."""
    saving_begins: Any = saver.Saving._begin

    def begin(self: Any, *args: Any) -> None:
        saving_begins(self, *args)
        if len(saved["ids"]) >= 3:
            desk.operator.on_kill()  # type: ignore[union-attr]

    saver.Saving._begin = begin  # type: ignore[method-assign]
    try:
        with pytest.raises(StarVideosBatchError) as caught:
            desk.run(prompts(20), destination=f"{tmp_path}/", max_save_concurrency=2)
    finally:
        saver.Saving._begin = saving_begins  # type: ignore[method-assign]
    assert not caught.value.permanent
    states = desk.variables.states()
    assert 3 <= states["saved"] < 20
    assert states["saved"] + states["completed"] == 20
    desk.next_try()
    desk.run(prompts(20), destination=f"{tmp_path}/")
    assert len(saved["ids"]) == 20
    assert desk.billed == 20


@pytest.mark.usefixtures("impatient")
def test_the_manifest_is_there_when_the_wait_fails(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """The key was refused in mid-wait: the manifest still shows how far every row came."""
    desk.emulator.update(seconds="hold")
    deferred = desk.first_leg(prompts(4), destination=f"{tmp_path}/")
    desk.emulator.finish(desk.emulator.orders[0].id)
    desk.emulator.add_fault(on="query", kind="status", status=401, skip=16)
    with pytest.raises(Exception, match="the API refused the key"):
        desk.resume(deferred)
    assert [line["status"] for line in manifest(f"{tmp_path}/manifest.jsonl")].count("ordered") == 3


@pytest.mark.parametrize("destination", ["/tmp/videos", "s3://bucket/videos", " ", 7])
def test_a_destination_that_is_no_folder(desk: Desk, destination: Any) -> None:
    """The error comes before anything is ordered."""
    with pytest.raises(Exception, match="destination: must be a folder"):
        desk.run(prompts(2), destination=destination)
    assert desk.emulator.requests["create"] == 0


def test_saving_begins_while_others_are_made(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """After save_interval: results' addresses work for a day only."""
    desk.emulator.update(seconds="hold")
    deferred = desk.first_leg(prompts(4), destination=f"{tmp_path}/", save_interval=0.2)
    desk.emulator.finish(desk.emulator.orders[0].id)
    event = desk.event_of(deferred)
    assert len(event["ends"]) == 3
    desk.operator = desk.make()
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        desk.operator.execute_complete(desk.context, event)
    assert type(caught.value).__name__ == "TaskDeferred"
    assert desk.variables.states() == {"saved": 1, "ordered": 3}


def test_what_returns_is_small(desk: Desk, tmp_path: Path, saved: dict[str, Any]) -> None:
    """With a destination a URI and a few counts, however many rows there are."""
    uri = desk.run(prompts(200), destination=f"{tmp_path}/", max_save_concurrency=16)
    assert len(json.dumps([uri, desk.ti.xcoms])) < 600
    assert desk.ti.xcoms["counts"] == {"rows": 200, "saved": 200}
