"""How much a task may order at most: refused before the first order, with the numbers; no retry creeps past it."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.batch.batch import Batch
from airflow_provider_starvideos.batch.options import Options
from airflow_provider_starvideos.batch.plan import Outcome
from airflow_provider_starvideos.batch.rows import read_rows
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosConnectionError,
    StarVideosError,
    StarVideosLimitError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRejectedError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders import submitter
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.limits import check_limits
from airflow_provider_starvideos.orders.record import Row, key_of
from airflow_provider_starvideos.orders.single import SingleOrder
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.orders.task_journal import open_journal
from tests.orders.task import Task
from tests.orders.variables import LOG, NAME, NOBODY, Variables

BASE = "http://127.0.0.1/api"
CLIP = "https://cdn.example.com/clip.mp4"
MOST = 3
STATES = (OrderState.COMPLETED, OrderState.FAILED, OrderState.TIMED_OUT, OrderState.UNKNOWN)
ANSWERS = (*["accepted"] * 6, "lost", "never arrived", "busy", "refused", "no credit")


class Killed(BaseException):
    """The process ends."""


@dataclass
class Try:
    """One try of a task, and what happens to it.

    :param prompts: of its rows; of a single order the first
    :param answers: to its orders, in turns
    :param ends: of its videos, in turns
    :param killed_at: the write of the journal at which its process ends; 0: it doesn't
    """

    prompts: list[str]
    answers: list[str]
    ends: list[OrderState]
    killed_at: int
    retry_failed: bool
    resubmit: bool
    decides: bool


TRIES = st.lists(
    st.builds(
        Try,
        prompts=st.lists(st.sampled_from(["fox", "owl", "cat", "elk"]), min_size=1, max_size=5),
        answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4),
        ends=st.lists(st.sampled_from(STATES), min_size=1, max_size=3),
        killed_at=st.integers(0, 6),
        retry_failed=st.booleans(),
        resubmit=st.booleans(),
        decides=st.booleans(),
    ),
    min_size=2,
    max_size=7,
)


class FakeApi(StarVideosHook):
    """Answers as a try says, and counts what it accepts."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self.accepted = 0
        self.limit = limit
        self._was_busy = False
        self.plan: Try
        self._lock, self._calls, self._asked = threading.Lock(), itertools.count(), itertools.count()

    def get_conn(self) -> Endpoint:
        return Endpoint(BASE, "key", max_orders_per_task=self.limit)

    def submit(self, request: VideoRequest, endpoint: Any = None) -> VideoTask:
        with self._lock:
            answer = self.plan.answers[next(self._calls) % len(self.plan.answers)]
            if self._was_busy:  # always busy would be another test
                answer = "accepted"
            self._was_busy = answer == "busy"
            self.accepted += answer in ("accepted", "lost")
            number = self.accepted
        if answer in ("lost", "never arrived"):
            raise StarVideosConnectionError("reset", sent=True)
        if answer == "busy":
            raise StarVideosRateLimitError("later", status_code=429, from_api=True)
        if answer == "refused":
            raise StarVideosRejectedError("no", status_code=400, from_api=True)
        if answer == "no credit":
            raise StarVideosQuotaError("no credit", status_code=402, from_api=True)
        return VideoTask(f"video_{number}", "queued")

    def get_video(self, video_id: str) -> VideoTask:
        failed = self.end() is OrderState.FAILED
        return VideoTask(video_id, "failed" if failed else "processing", error="no" if failed else None)

    def end(self) -> OrderState:
        return self.plan.ends[next(self._asked) % len(self.plan.ends)]


@dataclass
class Instance:
    """One task instance over its tries."""

    api: FakeApi
    max_orders: int | None
    variables: Variables = field(default_factory=Variables)
    refused: int = 0

    def run(self, number: int, plan: Try, *, is_batch: bool) -> None:
        """Run one try to whatever end it comes to."""
        self.api.plan = plan
        writes = itertools.count(1)

        def refuses(step: str, key: str, value: Any) -> bool:
            if step == "write" and plan.killed_at and next(writes) >= plan.killed_at:
                raise Killed
            return False

        self.variables.refuses = refuses
        journal = Journal(self.variables, NAME, number, LOG, sleep=lambda seconds: None)
        try:
            (self._batch if is_batch else self._single)(journal, plan)
        except StarVideosLimitError:
            self.refused += 1
        except (Killed, StarVideosError):
            pass

    def _batch(self, journal: Journal, plan: Try) -> None:
        journal.load()
        rows = read_rows(plan.prompts, {}, BASE)
        options = Options(2, 3, 0, plan.retry_failed, plan.resubmit, 1, 60, 600, self.max_orders)
        batch = Batch(rows, journal, lambda: None, self.api, options, LOG, saving=None, stopping=lambda: False)
        if plan.decides:
            self.variables.texts[batch.decision_variable] = "resubmit"
        batch.begin()
        while True:
            batch.order()
            waiting = batch.plan()
            if waiting is None or not waiting.videos:
                break
            batch.take({video_id: Outcome(self.api.end(), "as it ends") for video_id in waiting.videos})
        batch.check("")

    def _single(self, journal: Journal, plan: Try) -> None:
        request = build_request(prompt=plan.prompts[0])
        if plan.decides:
            self.variables.texts[NAME.decision(request.fingerprint(BASE))] = "resubmit"
        what = "resubmit" if plan.resubmit else "fail"
        order = SingleOrder(
            self.api, journal, lambda: None, LOG, person=NOBODY, on_unconfirmed=what, sleep=lambda seconds: None
        )
        order.obtain(request)


@pytest.mark.parametrize("by", ["task", "connection", "connection, single orders"])
def test_no_sequence_of_tries_orders_more_than_is_allowed(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails, is lost, killed, decided, edited, or ordered again: accepted orders never exceed the limit."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0005)
    monkeypatch.setattr(submitter, "GATHER_SECONDS", 0.0005)
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(TRIES)
    def run(tries: list[Try]) -> None:
        instance = Instance(FakeApi(None if by == "task" else MOST), MOST if by == "task" else None)
        instance.variables.install(monkeypatch)
        for number, one in enumerate(tries, 1):
            instance.run(number, one, is_batch="single" not in by)
            assert instance.api.accepted <= MOST
        seen["refused"] += instance.refused
        seen["full"] += instance.api.accepted == MOST

    run()
    assert seen["refused"] > 10
    assert seen["full"] > 5


def row(number: int, **request: Any) -> Row:
    """Return a row."""
    made = build_request(prompt="a red fox", **request)
    return Row(number, made, key_of(made.fingerprint(BASE), number))


def refusal(rows: list[Row], ordered: int, max_orders: int | None = None, **limits: int) -> str:
    """Return the message of a refusal; empty: there is none."""
    endpoint = Endpoint(BASE, "key", **limits)  # type: ignore[arg-type]
    try:
        check_limits(rows, ordered, "studio", endpoint, max_orders)
    except StarVideosLimitError as error:
        return str(error)
    return ""


def test_a_refusal_says_the_numbers() -> None:
    """Of each limit that would be exceeded, and which rows are too long."""
    rows = [row(1), row(2, duration=15), row(3, duration=15), row(4, reference_videos=[CLIP])]
    assert StarVideosLimitError.permanent
    text = refusal(rows, 8, max_orders=10, max_orders_per_task=11, max_seconds_per_order=5)
    most = "the connection 'studio' allows 5 s (max_seconds_per_order)"
    counted = "12 orders: 4 new, and 8 of this task before, over all its tries"
    assert text.splitlines()[1:6] == [
        f"  - {counted}; the connection 'studio' allows 11 (max_orders_per_task)",
        f"  - {counted}; the task allows 10 (max_orders)",
        f"  - Rows 2-3: a video 15 s long; {most}",
        f"  - Row 4: a video as long as its clip, up to 10 s; {most}",
        "Billed: nothing new.",
    ]


def test_what_is_allowed_is_ordered() -> None:
    """The limits themselves are; nothing is checked where nothing is ordered."""
    rows = [row(1, duration=10), row(2, reference_videos=[CLIP])]
    assert not refusal(rows, 8, max_orders=10, max_orders_per_task=10, max_seconds_per_order=10)
    assert not refusal([], 8, max_orders=1, max_orders_per_task=0)
    assert not refusal(rows, 10**9)
    assert "allows 0" in refusal(rows, 0, max_orders_per_task=0)


def test_a_single_order_that_is_not_allowed_is_not_sent(task: Task) -> None:
    """A failed video was the only one that the connection allows; an edited prompt is an order like any other."""
    task.hook.endpoint = replace(task.hook.endpoint, max_orders_per_task=1)
    first = task.order()
    assert task.order() == first  # resumed, not ordered
    with pytest.raises(StarVideosLimitError, match="2 orders: 1 new, and 1 of this task before"):
        task.order("another fox")
    task.emulator.finish(first, "failed")
    with pytest.raises(StarVideosLimitError):
        task.order()
    assert task.billed == 1
    task.hook.endpoint = replace(task.hook.endpoint, max_orders_per_task=2)
    assert task.order() != first


def test_without_a_journal_each_earlier_try_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """``durable=False``: it is unknown what they ordered, and each may have ordered one video."""
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=3)
    context: Any = {"ti": ti}
    assert open_journal(context, LOG, is_kept=False).times_ordered() == 2
    assert open_journal(context, LOG).times_ordered() == 0


async def test_the_hook_orders_no_video_that_is_too_long(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a Dag calls it itself, blocking or awaited."""
    extra = {"max_seconds_per_order": 4}
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection))
    for request in ({"duration": 5}, {"reference_videos": [CLIP]}):
        with pytest.raises(StarVideosLimitError, match="'starvideos_default' allows 4 s"):
            StarVideosHook().create_video(prompt="a red fox", **request)
        with pytest.raises(StarVideosLimitError):
            await StarVideosHook().acreate_video(prompt="a red fox", **request)
    assert emulator.billed.videos == 0
    StarVideosHook().create_video(prompt="a red fox")
    assert emulator.billed.videos == 1
