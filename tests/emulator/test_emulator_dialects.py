"""The emulator in other dialects: the provider reads each as the documented one (CASES B8, B13, C5, C6)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.emulator.dialects import DIALECTS
from airflow_provider_starvideos.emulator.settings import SettingsError
from airflow_provider_starvideos.exceptions import StarVideosAuthenticationError, StarVideosNotFoundError
from tests.contract.conftest import AioClient, SyncClient

PAIRS = [*DIALECTS, *(",".join(pair) for pair in itertools.combinations(DIALECTS, 2)), ",".join(DIALECTS)]
ERRORS_LEFT = ("detail", "plain")  # with one of these an error isn't the API's own JSON any more
REQUEST = build_request(prompt="a red fox", duration=4)


@pytest.fixture(params=[SyncClient, AioClient], ids=["sync", "aio"])
def run(request: pytest.FixtureRequest) -> Any:
    """Drive a call with each of the two clients."""
    client = request.param()
    yield client.run
    client.close()


def test_without_a_dialect_it_is_as_documented(client: Any) -> None:
    """No amount, no envelope."""
    client.emulator.update(dialect="", price_per_second=None)
    assert list(client.finished()) == [
        "id", "object", "created", "model", "status", "error", "video_url", "actualDuration"
    ]  # fmt: skip


def test_every_dialect_is_read(start: Callable[..., Any], run: Any) -> None:
    """Each, each two, and all: the order is accepted once, and its id, status, URL and amount are found."""
    emulator: Emulator = start(seconds="hold", price_per_second=0.25).emulator
    endpoint = Endpoint(emulator.base_url, emulator.key, max_retries=0)
    for number, names in enumerate(PAIRS, 1):
        emulator.update(dialect=names)
        task = run(calls.create(endpoint, REQUEST))
        assert emulator.billed.videos == number, names
        assert task.id == emulator.orders[-1].id, names
        assert not task.is_completed, names
        emulator.finish(task.id)
        done = run(calls.query(endpoint, task.id))
        assert done.is_completed, names
        assert done.video_url.startswith(f"{emulator.url}/files/{task.id}"), names
        assert done.amount == Decimal("1.0"), names
        emulator.finish(task.id, "failed", "flagged")
        failed = run(calls.query(endpoint, task.id))
        assert failed.is_failed, names
        assert failed.error == "flagged", names


@pytest.mark.parametrize("names", ["", *DIALECTS])
def test_errors_in_every_dialect(names: str, start: Callable[..., Any], run: Any) -> None:
    """A wrong key and an unknown video are errors in the server's words; nothing is billed."""
    emulator: Emulator = start(dialect=names).emulator
    endpoint = Endpoint(emulator.base_url, emulator.key, max_retries=0)
    with pytest.raises(StarVideosAuthenticationError, match=r"It said: .*Invalid or missing API key"):
        run(calls.create(Endpoint(emulator.base_url, "wrong", max_retries=0), REQUEST))
    with pytest.raises(StarVideosNotFoundError, match=r"It said: .*No video") as caught:
        run(calls.poll(endpoint, "video_1"))
    assert caught.value.from_api is (names not in ERRORS_LEFT)
    assert emulator.billed.videos == 0


def test_a_dialect_that_does_not_exist_is_refused() -> None:
    """The message names those that do."""
    for wrong in ("latin", "list,latin", 5, ["latin"]):
        with pytest.raises(SettingsError, match="words, fail_reason"):
            Emulator(dialect=wrong)  # type: ignore[arg-type]


def test_dialects_are_settings(client: Any) -> None:
    """By the control API, too."""
    shown = client.control("PATCH", "/settings", {"dialect": "list", "price_per_second": 0.5}).json()
    assert (shown["dialect"], shown["price_per_second"]) == (["list"], 0.5)
    document = client.create().json()
    assert list(document) == ["code", "message", "data"]
    assert len(document["data"]) == 1
