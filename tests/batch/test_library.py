"""Batches with a library: what was made before isn't ordered, whatever comes between; what isn't there is, once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.storage import saving
from tests.batch.desk import Desk, prompts

ROWS = [{"prompt": f"fox {number}.", "name": f"fox-{number}"} for number in range(1, 11)]


@pytest.fixture(autouse=True)
def save(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of rendering and fetching: a few bytes. What ``save`` does is tested with the storage."""

    def save(hook: Any, video_id: str, destination: Any, *, if_exists: str, limits: Any, log: Any) -> Any:
        data = f"the video {video_id}".encode()
        task = hook.get_video(video_id)
        with destination.workspace() as part:
            part.write_bytes(data)
            destination.put(part, content_type="video/mp4", overwrite=True)
        return saving.SavedVideo(destination.uri, len(data), hashlib.sha256(data).hexdigest(), "video/mp4", task)

    monkeypatch.setattr(saving, "save", save)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The library's folder."""
    return tmp_path / "library"


@pytest.fixture
def new_run(desk: Desk) -> Callable[[], Desk]:
    """Makes another run of the Dag."""
    runs: list[Desk] = []

    def make() -> Desk:
        runs.append(Desk(desk.emulator, desk.variables))
        runs[-1].ti.run_id = f"run {len(runs)}"
        return runs[-1]

    return make


def files(folder: Path, kind: str) -> list[Path]:
    """Return the library's files of a kind."""
    return sorted(folder.glob(f"?/*.{kind}"))


def manifest(uri: str) -> list[dict[str, Any]]:
    """Return a manifest's lines."""
    return [json.loads(line) for line in Path(uri.removeprefix("file://")).read_text().splitlines()]


def run(desk: Desk, rows: Any, library: Path, **options: Any) -> Any:
    """Run a batch to its end."""
    return desk.run(rows, **{"library": f"{library}/", "timeout": 60, **options})


def test_only_what_has_changed(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten products, one of them changed: one order, and all ten files at each run's destination."""
    caplog.set_level("INFO")
    first, second = new_run(), new_run()
    run(first, ROWS, library, destination=f"{tmp_path}/1/")
    assert first.ti.xcoms["counts"] == {"rows": 10, "saved": 10}
    assert first.billed == 10
    changed = [*ROWS[:9], {"prompt": "A fox that has changed.", "name": "fox-10"}]
    lines = manifest(run(second, changed, library, destination=f"{tmp_path}/2/"))
    assert second.billed == 11
    assert second.ti.xcoms["counts"] == {"rows": 10, "reused": 9, "saved": 1}
    assert "1 new, 9 reused" in caplog.text
    for line in lines:
        file = Path(line["uri"].removeprefix("file://"))
        assert file.parent == tmp_path / "2"
        assert len(file.read_bytes()) == line["size_bytes"]
        assert (line["status"] == "reused") == bool(line["reused_from"]) == (line["row"] < 10)
    assert [line["id"] for line in lines[:9]] == [line["id"] for line in manifest(first.ti.xcoms["manifest"])[:9]]
    assert len(files(library, "json")) == len(files(library, "mp4")) == 11
    assert list((library / "claims").iterdir()) == []


def test_without_a_destination(new_run: Callable[[], Desk], library: Path) -> None:
    """Videos stay in the library: a first run that makes them says where they are, and so does one that reuses them."""
    first, second = new_run(), new_run()
    ids = run(first, ROWS, library)
    assert run(second, ROWS, library) == ids
    assert second.billed == 10
    assert first.ti.xcoms["uris"] == second.ti.xcoms["uris"]
    assert [Path(uri.removeprefix("file://")) for uri in sorted(first.ti.xcoms["uris"])] == files(library, "mp4")


@pytest.mark.parametrize("deferrable", [True, False])
def test_two_at_once(new_run: Callable[[], Desk], library: Path, tmp_path: Path, deferrable: bool) -> None:
    """Over the same 50 rows: 50 orders, and both have all of their files."""
    first, second = new_run(), new_run()
    rows = prompts(50)
    wrong: list[BaseException] = []

    def work(desk: Desk) -> None:
        try:
            run(desk, rows, library, destination=f"{tmp_path}/{desk.ti.run_id}/", deferrable=deferrable)
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(desk,)) for desk in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(map(str, wrong)) == []
    assert first.billed_prompts() == Counter(row["prompt"] for row in rows)
    counts = first.ti.xcoms["counts"], second.ti.xcoms["counts"]
    assert sum(one.get("saved", 0) for one in counts) == sum(one.get("reused", 0) for one in counts) == 50
    for desk in (first, second):
        assert len(list((tmp_path / desk.ti.run_id).glob("*.mp4"))) == 50
    assert list((library / "claims").iterdir()) == []
