"""The command: what is there, what is damaged, what is pruned. Nothing is deleted without --delete."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.library.__main__ import main
from airflow_provider_starvideos.library.entry import document_of
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.library import Library
from tests.library.conftest import LOG, Add, name, put_entry

DAY = 24 * 3600


def ago(days: float) -> str:
    """Return a moment as documents have it."""
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def run(command: str, library: Library, *options: str) -> int:
    """Run a command on a library."""
    conn_id = ["--conn-id", "aws_library"] if library.folder.uri.startswith("s3:") else []
    return main([command, library.folder.uri, *conn_id, *options])


def left(library: Library) -> list[int]:
    """Return the numbers of the entries that are there."""
    found = library.look_up([name(number) for number in range(20)])
    assert found.damaged == {}
    return sorted(int(one[-2:]) for one in found.entries)


def test_ls(library: Library, add: Add, capsys: pytest.CaptureFixture[str]) -> None:
    """A line an entry, or the documents; what they have cost."""
    entries = [add(number, request={"prompt": "A\nfox. " * 20}, variant="b" if number else None) for number in range(3)]
    assert run("ls", library) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 entries, 21 bytes, 2.28 billed"
    assert [line.split()[0] for line in lines[:3]] == [entry.name for entry in entries]
    assert "'A fox. A fox." in lines[0]
    assert "variant 'b'" in lines[1]
    assert run("ls", library, "--json") == 0
    texts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["video_id"] for one in texts] == [entry.video_id for entry in entries]


def test_verify(library: Library, add: Add, capsys: pytest.CaptureFixture[str]) -> None:
    """Each damage by its name; other bytes of the same number only where all are read."""
    entries = [add(number) for number in range(4)]
    assert run("verify", library) == 0
    assert capsys.readouterr().out == "4 entries are whole, 0 damaged; 0 videos without an entry\n"
    library.folder.write(entries[0].file, b"a cideo")
    assert run("verify", library) == 0
    assert run("verify", library, "--sha256") == 1
    assert f"{entries[0].name}  its video has another sha256" in capsys.readouterr().out
    library.folder.delete(entries[1].file)
    library.folder.delete(document_of(entries[2].name))
    assert run("verify", library) == 1
    told = capsys.readouterr().out
    assert f"{entries[1].name}  its video {entries[1].file} is missing" in told
    assert f"{entries[2].file}  no entry names it (7 bytes)" in told
    assert "2 entries are whole, 1 damaged; 1 videos without an entry" in told


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], range(10)),
        (["--older-than", "5d"], range(5)),
        (["--older-than", "120h"], range(5)),
        (["--keep-latest", "3"], range(3)),
        (["--keep-latest", "0"], []),
        (["--max-size", "28"], range(4)),
        (["--max-size", "1G"], range(10)),
        (["--keep-latest", "8", "--older-than", "2w", "--max-size", "2k"], range(8)),
    ],
)
def test_prune(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], kept: Any) -> None:
    """By age, by number, by size, the oldest first; the first time it only says so."""
    library = Library(Folder(f"{tmp_path}/"), LOG)
    for number in range(10):
        put_entry(library, number, saved_at=ago(number + 0.5))
    assert run("prune", library, *options) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"Would delete {10 - len(kept)} of 10 entries")
    assert left(library) == list(range(10))
    assert run("prune", library, *options, "--delete") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"Deleted {10 - len(kept)} of 10 entries")
    assert left(library) == list(kept)
    assert sum(len([*library.folder.files(part)]) for part in "0123456789") == 2 * len(kept)


def test_what_is_loose_is_pruned_after_a_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not before: a run may be about to write its document. Claims of the dead as well, and nothing else."""
    library = Library(Folder(f"{tmp_path}/"), LOG)
    old, new = f"1/{name(1)}-video_1.mp4", f"1/{name(1)}-video_2.mp4"
    others = ["1/notes.txt", "notes.mp4", "others/video_3.mp4", "1/holiday.mp4"]
    claims = {"1": time.time() - 2 * DAY, "2": time.time() - DAY / 2}
    for file in (old, new, *others):
        library.folder.write(file, b"a video")
        os.utime(tmp_path / file, (1, 1) if file != new else None)
    for number, until in claims.items():
        library.folder.write(f"claims/{name(1)}.{number}.json", json.dumps({"until": until}).encode())
    assert run("prune", library, "--delete") == 0
    assert "and 1 videos without one, 7 bytes" in capsys.readouterr().out
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert files == {new, *others, f"claims/{name(1)}.2.json"}


@pytest.mark.parametrize("document", ['{"format": 2}', "{", " " * 70_000])
def test_the_video_of_a_document_that_can_not_be_read_stays(tmp_path: Path, document: str) -> None:
    """It may be of a later version, which has paid for it."""
    library = Library(Folder(f"{tmp_path}/"), LOG)
    entry = put_entry(library, 1)
    library.folder.write(document_of(entry.name), document.encode())
    os.utime(tmp_path / entry.file, (1, 1))
    assert run("prune", library, "--older-than", "1d", "--delete") == 0
    assert (tmp_path / entry.file).exists()


@pytest.mark.parametrize("options", [["--older-than", "90"], ["--max-size", "many"], ["--keep-latest", "-1"]])
def test_what_can_not_be_meant(tmp_path: Path, options: list[str]) -> None:
    """Refused, before anything is deleted."""
    with pytest.raises(SystemExit):
        main(["prune", f"{tmp_path}/", *options, "--delete"])


def test_no_library(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says what is wrong."""
    assert main(["ls", "nowhere://shop/"]) == 2
    assert "library: must be in a storage" in capsys.readouterr().err
