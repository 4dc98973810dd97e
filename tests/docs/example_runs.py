"""Runs of the examples that the documentation shows; run by test_your_tests.py in a separate pytest."""

import json
from pathlib import Path

import pytest

from airflow_provider_starvideos.emulator import Emulator
from example_dags import functions, postcard


def test_the_tutorials_pipeline(starvideos_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run: one order, one postcard."""
    monkeypatch.setattr(postcard, "FOLDER", f"{tmp_path}/")
    assert postcard.postcard().test().state == "success"
    assert starvideos_emulator.billed.videos == 1
    assert [file.suffix for file in tmp_path.iterdir()] == [".mp4"]


def test_orders_made_by_functions(starvideos_emulator: Emulator, tmp_path: Path) -> None:
    """What the functions return is ordered: one, one, and a batch of three with its files and manifest."""
    assert functions.functions().test(run_conf={"destination": f"{tmp_path}/"}).state == "success"
    prompts = sorted(order.prompt for order in starvideos_emulator.orders)
    kites = [f"A {colour} kite in a light breeze" for colour in ("blue", "green", "red")]
    assert prompts == [
        *kites[:2],
        "A kite, seen from below, in a light breeze",
        kites[2],
        "A red kite in a light breeze, slow pan",
    ]
    manifest = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in manifest] == ["saved"] * 3
    assert {file.name for file in tmp_path.glob("*.mp4")} == {"red.mp4", "green.mp4", "blue.mp4"}
