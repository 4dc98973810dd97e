"""Stand-ins for the server, and the check as a function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.check.__main__ import main
from tests.check.standin import KEY, StandIn


@pytest.fixture
def start() -> Iterator[Callable[..., StandIn]]:
    """Start stand-ins; they end with the test."""
    with ExitStack() as stack:

        def start_one(changes: dict[str, Any] | None = None) -> StandIn:
            standin = StandIn(changes or {})
            stack.callback(standin.close)
            return standin

        yield start_one


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Check a server; return the exit status and the JSON report."""

    def run(base_url: str, *argv: str, key: str = KEY) -> tuple[int, dict[str, Any]]:
        monkeypatch.setenv("STARVIDEOS_API_URL", base_url)
        monkeypatch.setenv("STARVIDEOS_API_KEY", key)
        path = tmp_path / "report.json"
        status = main([*argv, "--json", str(path)])
        return status, json.loads(path.read_text("utf-8")) if path.exists() else {}

    return run
