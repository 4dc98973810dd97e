"""Where videos go: errors come before anything is paid for, and a saved video is never lost."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_starvideos.batch import manifest, saver
from tests.batch.desk import Desk, prompts


def told(desk: Desk, rows: Any, **kwargs: Any) -> str:
    """Run a try that must fail, and return what is said."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        desk.run(rows, **kwargs)
    return f"{type(caught.value).__name__}: {caught.value}"


def lines(folder: Path) -> list[dict[str, Any]]:
    """Read the manifest."""
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def is_as_told(line: dict[str, Any]) -> bool:
    """The file at a row's URI is the one in the manifest."""
    data = Path(line["uri"].removeprefix("file://")).read_bytes()
    return hashlib.sha256(data).hexdigest() == line["sha256"]


@pytest.mark.parametrize("destination", ["s4://bucket/", "/\0/", "{}/file/", "{}/taken/"])
def test_a_place_that_cannot_take_files(desk: Desk, tmp_path: Path, destination: str) -> None:
    """No such storage, no such path, a file where the folder should be, a folder where the manifest should be."""
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "manifest.jsonl").mkdir(parents=True)
    assert "destination: " in told(desk, prompts(3), destination=destination.format(tmp_path))
    assert desk.emulator.requests["create"] == 0


@pytest.mark.parametrize("given", [Path, "file://localhost{}/".format, "~{}/".format, ObjectStoragePath])
def test_c14_as_people_write_them(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    """A path object is a folder, also where its name has a dot; ``~`` is the home directory."""
    monkeypatch.setenv("HOME", "/")
    folder = tmp_path / "v1.5"
    uri = desk.run(prompts(2), destination=given(str(folder)))
    assert uri == f"file://{folder}/manifest.jsonl"
    assert all(map(is_as_told, lines(folder)))


def test_files_that_must_stay(desk: Desk, tmp_path: Path) -> None:
    """All of them are named before any video is ordered; a retry finds its own ones in order."""
    for name in ("b", "c"):
        (tmp_path / f"{name}.mp4").write_text("mine")
    rows = [{"prompt": f"fox {name}.", "name": name} for name in "abc"]
    error = told(desk, rows, destination=f"{tmp_path}/", if_exists="error")
    assert "row 2: name" in error
    assert "row 3: name" in error
    assert "row 1" not in error
    assert desk.emulator.requests["create"] == 0


def test_a_kill_between_saving_and_the_record(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch's own files aren't taken for those that must stay."""
    rows = [{"prompt": f"fox {name}.", "name": name} for name in "abc"]
    given: dict[str, Any] = {"destination": f"{tmp_path}/", "if_exists": "error"}
    with monkeypatch.context() as patch:
        patch.setattr(saver.Saving, "_took", lambda *_: None)  # saved, and not on record
        told(desk, rows, **given)
    assert desk.variables.states() == {"completed": 3}
    assert len(list(tmp_path.glob("*.mp4"))) == 3
    desk.next_try()
    desk.run(rows, **given)
    assert [line["status"] for line in lines(tmp_path)] == ["saved"] * 3
    assert all(map(is_as_told, lines(tmp_path)))
    assert desk.billed == 3


def test_names_that_change_between_tries(desk: Desk, tmp_path: Path) -> None:
    """Each video is where its row says now, and none overwrites another."""
    told(desk, [{"prompt": "fox.", "name": "x"}, {"prompt": "[fail] hen."}], destination=f"{tmp_path}/")
    desk.next_try()
    desk.run([{"prompt": "fox.", "name": "y"}, {"prompt": "owl.", "name": "x"}], destination=f"{tmp_path}/")
    assert [Path(line["uri"]).name for line in lines(tmp_path)] == ["y.mp4", "x.mp4"]
    assert all(map(is_as_told, lines(tmp_path)))
    assert desk.billed_prompts() == {"fox.": 1, "[fail] hen.": 1, "owl.": 1}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("odd")])
def test_rows_are_told_of_also_without_a_manifest(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What fails last doesn't hide what matters: a row that may have been paid for, and how to go on."""

    def write(path: Path, facts: Any) -> None:
        raise error

    monkeypatch.setattr(manifest, "WRITERS", {"jsonl": write, "parquet": write})
    desk.emulator.add_fault(on="create", kind="reset", when="after", match="fox 2.")
    text = told(desk, prompts(3), destination=f"{tmp_path}/")
    assert text.startswith("AirflowFailException: 1 of 3 rows have no video as asked for: 1 unconfirmed")
    assert "starvideos_decision_" in text
    assert "manifest" in text
    assert str(error) in text


def test_a_manifest_that_cannot_be_written(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all rows are well, the task's retries write it; nothing is ordered or saved again."""

    def write(path: Path, facts: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "WRITERS", {"jsonl": write, "parquet": write})
        assert told(desk, prompts(2), destination=f"{tmp_path}/").startswith("StarVideosDownloadError: ")
    desk.next_try()
    desk.run(prompts(2), destination=f"{tmp_path}/")
    assert [line["status"] for line in lines(tmp_path)] == ["saved", "saved"]
    assert (desk.billed, desk.emulator.requests["download"]) == (2, 2)
