"""What the storage tests share: a StarVideos server, a connection to it, and a host that answers as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage.fetch import Fetch, FetchedFile, Limits
from airflow_provider_starvideos.storage.guard import Guard
from tests.storage.buckets import S3
from tests.storage.hosts import KEY, LOG, Host, Reply


@pytest.fixture
def host() -> Iterator[Callable[..., Host]]:
    """Starts a host; all end with the test."""
    started: list[Host] = []

    def start(*replies: Reply) -> Host:
        started.append(Host(*replies))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., FetchedFile]:
    """Fetches a URL, private addresses allowed and without pauses; ``fetch.sleeps`` are the pauses."""

    def run(url: str | Callable[[], str], **options: Any) -> FetchedFile:
        fresh_url = url if callable(url) else lambda: url
        guard = options.pop("guard", None) or Guard("https://api.example.com", allow_private=True)
        path, key = options.pop("path", tmp_path / "part"), options.pop("key", "")
        limits = Limits(**options)
        run.sleeps = []  # type: ignore[attr-defined]
        return Fetch(fresh_url, path, guard, LOG, limits=limits, key=key, sleep=run.sleeps.append).run()  # type: ignore[attr-defined]

    return run


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A StarVideos server whose videos are done at once."""
    with Emulator(seconds=0, key=KEY) as running:
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., StarVideosHook]:
    """Makes the connection ``starvideos_default``, and returns a hook that uses it."""

    def make(emulator: Emulator, **extra: Any) -> StarVideosHook:
        connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
        return StarVideosHook()

    return make


@pytest.fixture
def hook(emulator: Emulator, connect: Callable[..., StarVideosHook]) -> StarVideosHook:
    """A hook for the emulator."""
    return connect(emulator)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Removes the pauses between two attempts, and notes how long they would have been."""
    pauses: list[float] = []
    monkeypatch.setattr(Fetch.__init__, "__kwdefaults__", {"limits": Limits(), "key": "", "sleep": pauses.append})
    return pauses


@pytest.fixture
def video_id(emulator: Emulator, hook: StarVideosHook) -> str:
    """A completed video."""
    task = hook.create_video(prompt="a red kite")
    emulator.wait_for("status", id=task.id, status="completed")
    return task.id


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The S3 server, with two empty buckets, ``videos`` and ``inputs``, and an Airflow connection ``aws_default``."""
    return s3_server.ready(monkeypatch, "aws_default", "videos", "inputs")


@pytest.fixture
def dead_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Airflow connection ``aws_dead`` to an S3 server that doesn't listen."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    extra = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "tests", "password": "tests", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEAD", json.dumps(connection))
