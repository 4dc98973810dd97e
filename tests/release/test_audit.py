"""`make audit`: what it says of each answer, and that it never takes "couldn't ask" for "nothing found"."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.audit import FOUND, NOT_ASKED, UNUSABLE, WELL, audit, pins_of

ROOT = Path(__file__).parents[2]
GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI and could not be audited: ours (0.1)"}
ANSWERS: list[tuple[str, list[Any] | None, int, str]] = [
    ("all are well", [GOOD], WELL, "1 packages looked up; 0 known weaknesses"),
    ("one isn't on PyPI", [GOOD, UNKNOWN], WELL, "1 packages looked up, not ours; 0 known"),
    ("one is weak", [GOOD, BAD], FOUND, "bad 2.0: PYSEC-1, fixed in 2.1"),
    ("a mirror without the service", [UNKNOWN, UNKNOWN], NOT_ASKED, "knows none of 2 packages, so nothing is known"),
    ("no network", None, NOT_ASKED, "couldn't ask its service, so nothing is known: ERROR: no route"),
]


@pytest.mark.parametrize("file", sorted((ROOT / "constraints").glob("*.txt")), ids=lambda file: file.stem)
def test_the_constraints_can_be_audited(file: Path) -> None:
    """Every line is a pin; a name comes twice only where markers say which one applies."""
    pins = pins_of(file)
    names = [pin.name for pin in pins]
    assert len(pins) > 100
    assert not [pin for pin in pins if names.count(pin.name) > 1 and pin.marker is None]


@pytest.mark.parametrize(("packages", "status", "said"), [one[1:] for one in ANSWERS], ids=[one[0] for one in ANSWERS])
def test_each_answer_is_told_apart(
    packages: list[Any] | None, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the exit status, and in words."""
    script = "import sys; sys.exit('ERROR: no route')"
    if packages is not None:
        script = f"print({json.dumps(json.dumps({'dependencies': packages, 'fixes': []}))})"
    file = tmp_path / "pins.txt"
    file.write_text("good==1.0\nbad==2.0  # a comment\n")
    assert audit(file, [sys.executable, "-c", script]) == status
    told = capsys.readouterr()
    assert said in told.out + told.err


@pytest.mark.parametrize("text", ["good>=1.0", "good", "good==1.0,<2", "-e .", "# nothing\n"])
def test_what_isnt_pinned_isnt_audited(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be another version that is looked up."""
    file = tmp_path / "pins.txt"
    file.write_text(text)
    assert audit(file, ["false"]) == UNUSABLE
    assert str(file) in capsys.readouterr().err
