"""What operators and sensors do alike with a wait: its times, its log lines, its XComs."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.api.polling import (
    BACKSTOP_SECONDS,
    DEFAULT_POLL_INTERVAL,
    DEFAULT_TIMEOUT,
)
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.arguments import positive_seconds
from airflow_provider_starvideos.deferral import backstop, push_result
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers.results import completed_line

NOW = 1_700_000_000
URL = "https://files.example/v.mp4?signature=SECRET"
COMPLETED = VideoTask("video_1", TaskStatus.COMPLETED, video_url=URL)


class Operator:
    """As much of an operator as is used."""

    starvideos_conn_id = "studio"
    log = logging.getLogger("test")


class TaskInstance:
    """As much of a task instance as is used."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run", "order", -1, 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def test_the_default_interval_is_as_the_vendor_recommends() -> None:
    """30 to 60 seconds; and an hour, where a generation takes minutes."""
    assert 30 <= DEFAULT_POLL_INTERVAL <= 60
    assert DEFAULT_TIMEOUT == 3600


def test_a_completed_video_is_one_line_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is known of it, and not the signed URL."""
    monkeypatch.setattr("airflow_provider_starvideos.triggers.results.time.time", lambda: NOW + 90)
    assert completed_line(COMPLETED) == "StarVideos video video_1 is completed."
    known = replace(COMPLETED, actual_duration=5.0, created=NOW)
    assert completed_line(known) == "StarVideos video video_1 is completed, 5 s long, 90 s after its order."
    billed = replace(COMPLETED, amount=Decimal("0.760"))
    assert completed_line(billed) == "StarVideos video video_1 is completed. Billed: 0.760."
    ahead = replace(COMPLETED, created=NOW + 500)  # by the API's clock
    assert completed_line(ahead) == "StarVideos video video_1 is completed, 0 s after its order."
    assert completed_line(replace(known, created=NOW + 500)).endswith(", 0 s after its order.")


def test_a_result_is_pushed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """All XComs, always, so that no task waits for one that never comes. An amount is text, and exact."""
    caplog.set_level(logging.INFO)
    ti = TaskInstance()
    task = replace(COMPLETED, actual_duration=5.0, amount=Decimal("0.76"))
    push_result(Operator(), {"ti": ti}, task)  # type: ignore[typeddict-item]
    assert ti.xcoms == {"video_url": URL, "actual_duration": 5.0, "amount": "0.76"}
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "SECRET" not in caplog.text


def test_a_completed_video_without_a_url_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """It is completed all the same; the API may give the URL later. Airflow 3.0 can't keep the None."""
    caplog.set_level(logging.INFO)
    ti = TaskInstance()
    push_result(Operator(), {"ti": ti}, replace(COMPLETED, video_url=None))  # type: ignore[typeddict-item]
    assert ti.xcoms == (dict.fromkeys(("video_url", "actual_duration", "amount")) if AIRFLOW_V_3_1_PLUS else {})
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


@pytest.mark.parametrize(
    ("value", "seconds"), [(5, 5.0), (0.5, 0.5), (timedelta(minutes=2), 120.0), (timedelta(days=30), 2_592_000.0)]
)
def test_times_are_seconds_or_timedeltas(value: Any, seconds: float) -> None:
    """As in Airflow's own operators."""
    assert positive_seconds("timeout", value) == seconds


@pytest.mark.parametrize(
    "value", [0, -1, -0.5, timedelta(0), timedelta(seconds=-5), math.nan, math.inf, "5", None, True, [5]]
)
def test_what_is_no_positive_time_is_refused_when_the_dag_is_parsed(value: Any) -> None:
    """With name and value."""
    with pytest.raises(ValueError, match=r"poll_interval must be a positive number of seconds, or a timedelta \(got "):
        positive_seconds("poll_interval", value)


def test_an_order_that_is_answered_as_completed_is_looked_at_for_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to an order has no URL, even where it says "completed": that comes with a query."""
    bare = replace(COMPLETED, video_url=None)
    monkeypatch.setattr(StarVideosHook, "get_conn", lambda self: Endpoint("http://127.0.0.1/api", "key"))
    monkeypatch.setattr(StarVideosHook, "submit", lambda self, request, endpoint: bare)
    monkeypatch.setattr(StarVideosHook, "wait_for_video", lambda self, video_id, **options: COMPLETED)
    operator = StarVideosCreateOperator(
        task_id="create", prompt="x", durable=False, wait_for_completion=True, deferrable=False
    )
    ti: Any = TaskInstance()
    assert operator.execute({"ti": ti}) == "video_1"
    assert ti.xcoms["video_url"] == URL


@pytest.mark.parametrize("seconds", [-10_000.0, -0.5, 0.0, 3600.0])
def test_c4_a_deferral_always_has_time_ahead(seconds: float) -> None:
    """Also where saving took longer than the last deadline."""
    assert backstop(seconds) == timedelta(seconds=max(0.0, seconds) + BACKSTOP_SECONDS)


OPERATORS: dict[str, Callable[..., Any]] = {
    "create": partial(StarVideosCreateOperator, prompt="x"),
    "download": partial(StarVideosDownloadOperator, video_id="video_1", destination="/tmp/"),
    "batch": partial(StarVideosBatchOperator, requests=["x"]),
    "sensor": partial(StarVideosTaskSensor, video_id="video_1"),
}
VARIABLE = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize(("configured", "expected"), [(None, True), ("True", True), ("False", False), ("0", False)])
def test_c17_default_deferrable_decides_where_nothing_is_given(
    make: Callable[..., Any], configured: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """True where nothing is set, although Airflow ships False. A Dag's author has the last word."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if configured is not None:
        monkeypatch.setenv(VARIABLE, configured)
    assert make(task_id="task").deferrable is expected
    assert make(task_id="task", deferrable=None).deferrable is expected
    assert make(task_id="task", deferrable=True).deferrable is True
    assert make(task_id="task", deferrable=False).deferrable is False
