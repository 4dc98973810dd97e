"""What the batch's tests share: an emulator under the default connection, and a task instance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.orders import journal, submitter
from airflow_provider_starvideos.storage import saving
from airflow_provider_starvideos.triggers import batch as trigger
from tests.batch.desk import Desk, make_desk

KEY = "sk-key-of-the-batch-tests"


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    """One server for all tests; its videos are done at once, unless a test holds them."""
    with Emulator(key=KEY, seconds=0, references="off") as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A fresh server under the connection ``starvideos_default``."""
    running_emulator.reset()
    connection = {
        "conn_type": "starvideos",
        "host": running_emulator.base_url,
        "password": KEY,
        "extra": {"timeout": 5, "allow_private_downloads": True},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
    yield running_emulator
    running_emulator.clear_faults(release="drop")
    running_emulator.update(seconds=0, max_requests_per_second=None, fail_rate=0)


@pytest.fixture
def desk(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A task instance that has ordered nothing. Its own pauses are short, those of the server are kept."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(retry, "LONGEST_DELAY", 0.1)
    monkeypatch.setattr(retry, "UNKNOWN_DELAY", 0.02)
    monkeypatch.setattr(submitter, "GATHER_SECONDS", 0.02)
    monkeypatch.setattr(journal, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(trigger, "SETTLE_SECONDS", 0.0)
    return make_desk(emulator, monkeypatch)


@pytest.fixture
def quick_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of rendering and fetching: a few bytes. What ``save`` does is tested with the storage."""

    def save(hook: Any, video_id: str, destination: Any, *, if_exists: str, limits: Any, log: Any) -> Any:
        data = f"the video {video_id}".encode()
        task = hook.get_video(video_id)
        with destination.workspace() as part:
            part.write_bytes(data)
            destination.put(part, content_type="video/mp4", overwrite=True)
        return saving.SavedVideo(destination.uri, len(data), hashlib.sha256(data).hexdigest(), "video/mp4", task)

    monkeypatch.setattr(saving, "save", save)
