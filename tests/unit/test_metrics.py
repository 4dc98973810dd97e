"""Metrics: what is sent to Airflow's stats, under which names and tags."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Stats

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api.models import GenerationMode
from airflow_provider_starvideos.exceptions import StarVideosVideoFailedError
from airflow_provider_starvideos.failures import operator_failures


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """What Airflow's stats get."""
    found: list[tuple[Any, ...]] = []

    def note(name: str, value: Any, tags: Any) -> None:
        found.append((name, value, tags))

    monkeypatch.setattr(Stats, "incr", staticmethod(note))
    monkeypatch.setattr(Stats, "timing", staticmethod(note))
    yield found
    assert all(name in metrics.METRICS for name, _, _ in found)


def test_an_order_is_counted_by_connection_and_mode(sent: list[tuple[Any, ...]]) -> None:
    """Both tags have few values."""
    metrics.count("ordered", "studio", mode=GenerationMode.IMAGE_AND_VIDEO)
    assert sent == [("starvideos.ordered", 1, {"connection": "studio", "mode": "image_and_video"})]


def test_a_completed_video_tells_how_long_it_took(sent: list[tuple[Any, ...]]) -> None:
    """From the order to now."""
    metrics.completed("studio", time.time() - 90)
    (first, one, _), (second, took, tags) = sent
    assert (first, one, second, tags) == ("starvideos.completed", 1, "starvideos.seconds", {"connection": "studio"})
    assert timedelta(seconds=89) < took < timedelta(seconds=100)


def test_what_a_video_cost_is_counted_where_the_api_said_it(sent: list[tuple[Any, ...]]) -> None:
    """In whole millionths: some StatsD servers cut decimals off. What isn't known is no 0."""
    metrics.completed("studio", None)
    assert [name for name, _, _ in sent] == ["starvideos.completed"]
    metrics.completed("studio", 1000.0, seen_at=1090.0, amount=Decimal("0.76"))
    tag = {"connection": "studio"}
    assert sent[2:] == [("starvideos.seconds", timedelta(seconds=90), tag), ("starvideos.amount_micros", 760_000, tag)]


def test_a_failed_video_is_counted_where_it_ends_a_task(sent: list[tuple[Any, ...]]) -> None:
    """Once, and the error stays what it is."""
    with pytest.raises(StarVideosVideoFailedError), operator_failures("studio"):
        raise StarVideosVideoFailedError("video_1", "no")
    assert sent == [("starvideos.failed", 1, {"connection": "studio"})]


def test_a_metric_that_cant_be_sent_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An order is worth more than its metric: a warning, and on."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(Stats, "incr", staticmethod(fail))
    caplog.set_level(logging.WARNING)
    metrics.count("ordered", "studio")
    assert "starvideos.ordered can't be sent" in caplog.text


def test_a_name_that_isnt_in_the_table_is_a_mistake() -> None:
    """The table is what users read."""
    with pytest.raises(KeyError, match=r"starvideos\.sold"):
        metrics.count("sold", "studio")
