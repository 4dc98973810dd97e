"""StarVideosDownloadOperator: what it returns, pushes and logs, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.lineage.entities import File
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.sdk import DAG, Asset, AssetAlias

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosNotReadyError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.triggers import events
from tests.storage.buckets import S3
from tests.storage.hosts import left_in


class FakeTI:
    """Notes the XComs."""

    dag_id, task_id, run_id, map_index = "dag", "save", "run", -1
    try_number = 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class StrictEvents:
    """Has events for assets only, as Airflow does."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.extras: list[dict[str, Any]] = []

    def __getitem__(self, asset: Any) -> Any:
        self.asked.append(asset)
        self.extras.append({})
        return type("Event", (), {"extra": self.extras[-1]})()


class Events:
    """Makes an event for each outlet that is asked for; as in Airflow 3.0, an asset can't be a dict's key."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}

    def __getitem__(self, asset: Asset) -> Any:
        return self.by_name.setdefault(asset.name, type("Event", (), {"extra": {}})())


@pytest.fixture
def context() -> dict[str, Any]:
    """As much of a context as an operator asks for."""
    return {"ti": FakeTI(), "outlet_events": Events()}


def operator(video_id: str, destination: Path | str, **options: Any) -> StarVideosDownloadOperator:
    """Return the operator, as in a Dag."""
    return StarVideosDownloadOperator(task_id="save", video_id=video_id, destination=str(destination), **options)


@pytest.mark.usefixtures("hook")
def test_what_it_returns_and_pushes(video_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    """The URI; and as XComs what the file is, for a row in a table."""
    uri = operator(video_id, f"{tmp_path}/").execute(context)
    assert uri == f"file://{tmp_path}/{video_id}.mp4"
    xcoms = context["ti"].xcoms
    size = (tmp_path / f"{video_id}.mp4").stat().st_size
    assert (xcoms["video_id"], xcoms["size_bytes"], xcoms["content_type"]) == (video_id, size, "video/mp4")
    assert len(xcoms["sha256"]) == 64


@pytest.mark.usefixtures("hook")
def test_what_the_asset_event_carries(video_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    """All that a Dag which the event starts may want to know of the file, and where it comes from."""
    outlet = Asset("videos")
    operator(video_id, tmp_path / "a.mp4", outlets=[outlet]).execute(context)
    extra = context["outlet_events"][outlet].extra
    assert extra == {
        **{key: context["ti"].xcoms[key] for key in ("video_id", "size_bytes", "sha256", "content_type")},
        "uri": f"file://{tmp_path}/a.mp4",
        "duration": 3.0,
        "model": "starvideos_o3",
        "source": {"dag_id": "dag", "task_id": "save", "run_id": "run"},
    }


@pytest.mark.usefixtures("hook")
def test_c9_outlets_that_are_no_assets(video_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    """They are left alone: lineage's files, aliases, text, whatever. Other assets have their events."""
    asset, by_name = Asset("videos"), Asset.ref(name="others")
    outlets = [File(url="/data/a.mp4"), "text", {"a": 1}, None, AssetAlias("alias"), asset, by_name]
    task = operator(video_id, tmp_path / "a.mp4", outlets=outlets)
    context["outlet_events"] = strict = StrictEvents()
    task.execute(context)
    assert strict.asked == [asset, by_name]
    assert all(event["video_id"] == video_id for event in strict.extras)


@pytest.mark.usefixtures("hook")
def test_c9_an_event_that_can_not_be_described(
    video_id: str, tmp_path: Path, context: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is saved, so the task succeeds, and says so."""
    del context["outlet_events"]
    operator(video_id, tmp_path / "a.mp4", outlets=[Asset("videos")]).execute(context)
    assert "doesn't describe the saved file" in capsys.readouterr().out


class State(dict[str, Any]):
    """As much of Airflow's task state store as a task asks for; values cross JSON."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


@pytest.mark.usefixtures("hook")
@pytest.mark.parametrize("if_exists", ["overwrite", "skip", "error"])
@pytest.mark.parametrize("where", ["{}/a.mp4", "s3://aws_default@videos/"])
def test_c9_a_failure_after_saving_costs_no_download(
    emulator: Emulator, s3: S3, video_id: str, tmp_path: Path, context: dict[str, Any], if_exists: str, where: str
) -> None:
    """The next try finds what this very task has saved, and returns the same of it, without a request to the API."""
    context["task_state_store"] = State()
    xcoms, push = {}, context["ti"].xcom_push

    def fail(key: str, value: Any) -> None:
        xcoms[key] = value
        if key == "content_type":
            raise RuntimeError("the api-server is down")

    context["ti"].xcom_push = fail
    with pytest.raises(RuntimeError):
        operator(video_id, where.format(tmp_path), if_exists=if_exists).execute(context)
    context["ti"].xcom_push = push
    before = {name: emulator.requests[name] for name in ("download", "query")}
    uri = operator(video_id, where.format(tmp_path), if_exists=if_exists).execute(context)
    assert {name: emulator.requests[name] for name in ("download", "query")} == before
    assert context["ti"].xcoms == xcoms
    assert uri == f"file://{tmp_path}/a.mp4" or uri.endswith(f"@videos/{video_id}.mp4")


@pytest.mark.usefixtures("hook")
@pytest.mark.parametrize("change", ["another file", "no file", "a clear", "another place", "a broken note"])
def test_c9_it_is_downloaded_where_that_file_is_not_there(
    emulator: Emulator, video_id: str, tmp_path: Path, context: dict[str, Any], change: str
) -> None:
    """Changed, deleted, elsewhere, or wanted again, because the task was cleared."""
    state = context["task_state_store"] = State()
    place, target = tmp_path / "a.mp4", tmp_path / "a.mp4"
    operator(video_id, place).execute(context)
    if change == "another file":
        place.write_bytes(place.read_bytes()[:-1] + b"x")
    elif change == "no file":
        place.unlink()
    elif change == "a clear":
        context["ti"].max_tries = 1
    elif change == "another place":
        target = tmp_path / "b.mp4"
    else:
        state["starvideos_saved"] = {"uri": 1}
    operator(video_id, target).execute(context)
    assert emulator.requests["download"] == 2
    assert target.stat().st_size == context["ti"].xcoms["size_bytes"]


@pytest.mark.usefixtures("hook")
def test_a_note_that_can_not_be_kept(video_id: str, tmp_path: Path, context: dict[str, Any], capsys: Any) -> None:
    """That's no reason to fail."""
    context["task_state_store"] = object()
    operator(video_id, tmp_path / "a.mp4").execute(context)
    assert "can't be kept" in capsys.readouterr().out


def test_a_folder_that_can_not_be_written_is_found_before_the_wait(
    emulator: Emulator, hook: StarVideosHook, tmp_path: Path, context: dict[str, Any]
) -> None:
    """And before the transfer."""
    emulator.update(seconds="hold")
    video_id = hook.create_video(prompt="x").id
    (tmp_path / "file").touch()
    for deferrable in (True, False):
        task = operator(video_id, tmp_path / "file" / "a.mp4", wait_for_completion=True, deferrable=deferrable)
        with pytest.raises(StarVideosDownloadError, match="can't be written"):
            task.execute(context)


def test_an_unfinished_video(emulator: Emulator, hook: StarVideosHook, tmp_path: Path, context: dict[str, Any]) -> None:
    """Without wait_for_completion a transient error; with it a deferral, or a wait on the worker."""
    emulator.update(seconds="hold")
    video_id = hook.create_video(prompt="x").id
    with pytest.raises(StarVideosNotReadyError):
        operator(video_id, f"{tmp_path}/").execute(context)
    waiting = {"wait_for_completion": True, "poll_interval": 0.1}
    with pytest.raises(TaskDeferred) as deferred:
        operator(video_id, f"{tmp_path}/", **waiting).execute(context)
    assert deferred.value.method_name == "execute_complete"
    assert emulator.key not in str(deferred.value.trigger.serialize())
    emulator.finish(video_id)
    operator(video_id, f"{tmp_path}/", deferrable=False, **waiting).execute(context)
    assert left_in(tmp_path) == [f"{video_id}.mp4"]


def test_after_the_wait(hook: StarVideosHook, video_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    """The trigger's event leads to the file, by a URL that is fresh, not by the event's."""
    event = {**events.of_video(hook.get_video(video_id)), "video_url": "http://127.0.0.1:9/old"}
    operator(video_id, tmp_path / "a.mp4").execute_complete(context, event)
    assert left_in(tmp_path) == ["a.mp4"]


@pytest.mark.usefixtures("hook")
def test_a_video_that_is_there_is_not_waited_for(video_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    """No deferral costs a minute where there is nothing to wait for."""
    operator(video_id, tmp_path / "a.mp4", wait_for_completion=True).execute(context)
    assert left_in(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("options", [{}, {"wait_for_completion": True}, {"wait_for_completion": True, "deferrable": 0}])
def test_a_failed_video(
    emulator: Emulator, hook: StarVideosHook, tmp_path: Path, context: dict[str, Any], options: dict[str, Any]
) -> None:
    """It stays failed, so no retry is spent on it; the error has the API's reason."""
    video_id = hook.create_video(prompt="[fail: refused] x").id
    emulator.wait_for("status", id=video_id, status="failed")
    with pytest.raises(AirflowFailException, match="refused"):
        operator(video_id, f"{tmp_path}/", **options).execute(context)


def test_which_errors_are_retried(
    emulator: Emulator, hook: StarVideosHook, video_id: str, tmp_path: Path, context: dict[str, Any], no_pauses: Any
) -> None:
    """A permanent error fails at once; a broken transfer is left to the task's retries."""
    (tmp_path / "a.mp4").write_bytes(b"x")
    for options in (
        {"if_exists": "error"},
        {"max_bytes": 1000},
        {"video_id": "../x"},
        {"destination": "gs://b/"},
        {"destination": str(tmp_path)},
    ):
        with pytest.raises(AirflowFailException):
            operator(**{"video_id": video_id, "destination": tmp_path / "a.mp4", **options}).execute(context)  # type: ignore[arg-type]
    emulator.add_fault(on="download", kind="truncate", at=100)
    with pytest.raises(StarVideosDownloadError):
        operator(video_id, tmp_path / "a.mp4").execute(context)
    assert (tmp_path / "a.mp4").read_bytes() == b"x"


@pytest.mark.usefixtures("no_pauses")
def test_c7_verify_false(emulator: Emulator, video_id: str, tmp_path: Path, context: dict[str, Any]) -> None:
    """What isn't a video is refused with how it begins; with verify=False it is saved."""
    emulator.add_fault(on="download", kind="html")
    with pytest.raises(StarVideosDownloadError, match="It begins with '<"):
        operator(video_id, tmp_path / "a.mp4").execute(context)
    assert left_in(tmp_path) == []
    operator(video_id, tmp_path / "a.mp4", verify=False).execute(context)
    assert (tmp_path / "a.mp4").read_bytes().lstrip().startswith(b"<")


def test_a_wrong_if_exists() -> None:
    """Seen when the Dag is parsed."""
    with pytest.raises(ValueError, match="if_exists must be one of"):
        operator("video_1", "/x", if_exists="ask")
    for size in (0, -1, 1.5, "1000", True):
        with pytest.raises(ValueError, match="max_bytes must be a whole number from 1 to"):
            operator("video_1", "/x", max_bytes=size)


def test_it_can_be_mapped() -> None:
    """Over the ids that other tasks return, or over pairs of id and destination."""
    with DAG("mapped"):
        create = StarVideosCreateOperator.partial(task_id="create").expand(prompt=["a", "b"])
        StarVideosDownloadOperator.partial(task_id="save", destination="s3://bucket/").expand(video_id=create.output)


def test_openlineage_of_a_download(
    hook: StarVideosHook, video_id: str, tmp_path: Path, context: dict[str, Any]
) -> None:
    """From the video at the API to the file, with its size; nothing, if nothing was saved."""
    task = operator(video_id, tmp_path / "a.mp4")
    assert task.get_openlineage_facets_on_complete(None).outputs == []
    task.execute(context)
    lineage = task.get_openlineage_facets_on_complete(None)
    assert [(one.namespace, one.name) for one in lineage.inputs] == [("starvideos", video_id)]
    (file,) = lineage.outputs
    assert (file.namespace, file.name) == ("file", f"{tmp_path}/a.mp4")
    assert file.outputFacets["outputStatistics"].size == context["ti"].xcoms["size_bytes"]


def test_openlineage_of_an_order(emulator: Emulator, hook: StarVideosHook, context: dict[str, Any]) -> None:
    """From the inputs, without a connection's name or a query, to the video at the API."""
    task = StarVideosCreateOperator(
        task_id="create",
        prompt="x",
        reference_images=["s3://my_conn@bucket/a/b.png", "https://me:pw@example.com/c.png?signature=secret"],
        reference_videos=[emulator.sample("waves-5s.mp4")],
        durable=False,
    )
    task._video_id = "video_1"
    lineage = task.get_openlineage_facets_on_complete(None)
    assert [(one.namespace, one.name) for one in lineage.inputs] == [
        ("s3://bucket", "a/b.png"),
        ("https://example.com", "/c.png"),
        (emulator.url, "/samples/waves-5s.mp4"),
    ]
    assert [(one.namespace, one.name) for one in lineage.outputs] == [("starvideos", "video_1")]
