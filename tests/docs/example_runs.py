"""Runs of the examples that the documentation shows; run by test_your_tests.py in a separate pytest."""

import json
from pathlib import Path

import pytest

from airflow_provider_starvideos.emulator import Emulator
from example_dags import functions, nightly_catalogue, postcard


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


def test_the_second_night_costs_nothing(
    starvideos_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four products: four orders in the first night, none in the second, one where one of them has changed."""
    monkeypatch.setattr(nightly_catalogue, "FOLDER", f"{tmp_path}/")
    monkeypatch.setattr(nightly_catalogue, "INPUTS", starvideos_emulator.base_url.rpartition("/")[0] + "/samples")
    products = tmp_path / "catalogue.csv"
    products.write_text(Path(nightly_catalogue.PRODUCTS).read_text())
    billed = []
    for night in range(3):
        if night == 2:
            products.write_text(products.read_text().replace("stiff breeze", "light breeze"))
        run = nightly_catalogue.nightly_catalogue().test(run_conf={"products": str(products)})
        assert run.state == "success"
        billed.append(starvideos_emulator.billed.videos)
    assert billed == [4, 4, 5]
    assert sorted(len(list(folder.glob("*.mp4"))) for folder in (tmp_path / "nightly").iterdir()) == [4, 4, 4]
