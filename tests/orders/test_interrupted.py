"""Ordering that is ended at any moment: by a kill, or by a signal at any line.

The API is a function here, so that thousands of ends can be tried; what it does is what the emulator does.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_starvideos import orders as package
from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.batch.batch import Batch
from airflow_provider_starvideos.batch.options import Options
from airflow_provider_starvideos.batch.rows import read_rows
from airflow_provider_starvideos.exceptions import (
    StarVideosBatchError,
    StarVideosRateLimitError,
    StarVideosUnconfirmedError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders import journal, outcomes, submitter
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.single import SingleOrder
from airflow_provider_starvideos.orders.states import OrderState
from tests.batch.desk import prompts
from tests.orders.variables import LOG, NAME, NOBODY, Variables

CONCURRENCY = 4
ROWS = 20
MANY_ROWS = 40  # where each end is at a write: there are few of them
LOST = ("fox 3.", "fox 11.")  # prompts whose answers are lost
VISITS = (1, 2, 3, 5, 13, 89)  # how often a line has run when the signal comes
Line = tuple[str, int]  # file and number
SILENT = logging.getLogger("tests.orders.silent")  # thousands of runs would log
SILENT.setLevel(logging.CRITICAL)
FILES = tuple(
    str(Path(next(iter(package.__path__))) / name)
    for name in ("submitter.py", "outcomes.py", "sending.py", "journal.py", "record.py", "single.py")
)


class Killed(BaseException):
    """The signal."""


class FakeApi(StarVideosHook):
    """Takes orders; refuses every seventh for now, and loses the answer of some.

    :param lost: prompts whose answers are lost
    """

    def __init__(self, lost: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.lost, self.taken = lost, Counter[str]()
        self.ids: dict[str, str] = {}
        self.watches: Callable[[str], None] = lambda prompt: None
        self.known: VideoTask | None = None
        self._lock, self._calls = threading.Lock(), itertools.count(1)

    def get_conn(self) -> Endpoint:
        return Endpoint("http://127.0.0.1/api", "key")

    def get_video(self, video_id: str) -> VideoTask:
        assert self.known is not None
        return self.known

    def submit(self, request: VideoRequest, endpoint: Any = None) -> VideoTask:
        prompt = request.prompt
        self.watches(prompt)
        with self._lock:
            if next(self._calls) % 7 == 0:
                raise StarVideosRateLimitError("too many", status_code=429)
            self.taken[prompt] += 1
            self.ids[prompt] = f"video_{prompt.split()[1]}{self.taken[prompt]}"
        time.sleep(0.0005)
        if prompt in self.lost:
            raise StarVideosUnconfirmedError("lost", what="no answer")
        return VideoTask(self.ids[prompt], "queued")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses that only take time, and no Variables but the test's."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0005)
    monkeypatch.setattr(submitter, "GATHER_SECONDS", 0.0005)
    monkeypatch.setattr(outcomes, "MAX_LOST_IN_A_ROW", 100)
    monkeypatch.setattr(journal, "PART_ORDERS", 6)
    Variables().install(monkeypatch)


def batch_of(api: FakeApi, variables: Variables, try_number: int = 1, rows: int = ROWS) -> Batch:
    """Return a try's batch, begun."""
    orders = Journal(variables, NAME, try_number, SILENT, sleep=lambda seconds: None)
    orders.load()
    options = Options(CONCURRENCY, 1000, 0, False, False, 1, 60, 600)
    batch = Batch(all_rows()[:rows], orders, lambda: None, api, options, SILENT, saving=None, stopping=lambda: False)
    batch.begin()
    return batch


@cache
def all_rows() -> tuple[Row, ...]:
    """Return as many rows as a test may order."""
    return tuple(read_rows(prompts(MANY_ROWS), {}, FakeApi().get_conn().base_url))


def on_record(variables: Variables) -> dict[str, Order]:
    """Return the journal's orders by prompt."""
    names = {row.key: row.request.prompt for row in all_rows()}
    return {names[order.key]: order for order in variables.orders()}


def unknown(variables: Variables) -> list[str]:
    """Return the prompts of the orders that the next try would not send: their outcomes are unknown."""
    return [prompt for prompt, order in on_record(variables).items() if str(order.state) in ("sending", "unconfirmed")]


def test_a_kill_at_any_write() -> None:
    """Each intent is in the journal before its order is sent. Only the outcomes of orders in flight are unknown."""
    api, variables = FakeApi(), Variables()
    snapshots: list[dict[str, str]] = []
    unready: list[str] = []

    def sent(prompt: str) -> None:
        if str(on_record(variables)[prompt].state) != "sending":
            unready.append(prompt)

    api.watches = sent
    variables.watches = lambda step, key, value: snapshots.append(dict(variables.texts)) if step != "read" else None
    batch_of(api, variables).order()
    assert not unready
    assert len(snapshots) > 10
    for texts in snapshots:
        found = Variables()
        found.texts = texts
        assert len(unknown(found)) <= CONCURRENCY
    assert set(api.taken.values()) == {1}


def test_a_kill_at_any_write_with_rows_in_another_order() -> None:
    """The rows of a later try are in other parts of the page, so outcomes and intents are written in turns."""
    api, variables = FakeApi(), Variables()
    batch = batch_of(api, variables)
    batch.journal.touch([batch.journal.open(row.key) for row in reversed(batch.rows)])
    batch.journal.commit()
    most = 0

    def count(step: str, key: str, value: Any) -> None:
        nonlocal most
        if step == "written":
            found = Variables()
            found.texts = dict(variables.texts)
            most = max(most, len(unknown(found)))

    variables.watches = count
    batch_of(api, variables, 2).order()
    assert 2 < most <= CONCURRENCY
    assert set(api.taken.values()) == {1}


def test_a_kill_at_any_write_orders_nothing_twice() -> None:
    """The process ends at a write: what was accepted by then is in the journal, with its id or as unknown."""
    for number in itertools.count(1):
        api, variables = FakeApi(), Variables()
        if not _killed_at_write(api, variables, number):
            break
        taken = dict(api.taken)
        lost = unknown(variables)
        assert len(lost) <= CONCURRENCY, number
        batch_of(api, variables, 2, MANY_ROWS).order()
        assert set(api.taken.values()) == {1}, (number, taken)
        assert set(api.taken) >= {f"fox {one}." for one in range(1, MANY_ROWS + 1)} - set(lost), number
    assert number > 20, "a write holds the intents of a few orders, so there are many"


def _killed_at_write(api: FakeApi, variables: Variables, number: int) -> bool:
    """Order until the ``number``-th write, from which on nothing is written any more; return whether there was one."""
    count = itertools.count(1)

    def refuses(step: str, key: str, value: Any) -> bool:
        if step == "write" and next(count) >= number:
            api.watches = _never
            raise Killed
        return False

    variables.refuses = refuses
    try:
        batch_of(api, variables, rows=MANY_ROWS).order()
    except Killed:
        return True
    finally:
        variables.refuses = lambda step, key, value: False
        api.watches = lambda prompt: None
    return False


def _never(prompt: str) -> None:
    raise AssertionError(f"{prompt} was sent after the kill")


def order_until(api: FakeApi, variables: Variables, line: Line | None = None, visit: int = 0) -> Counter[Line]:
    """Order, and raise where the deciding thread runs a line for the given time; return how often it ran each line."""
    visits = Counter[Line]()

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            here = (frame.f_code.co_filename, frame.f_lineno)
            visits[here] += 1
            if here == line and visits[here] == visit:
                raise Killed
        return trace

    batch = batch_of(api, variables)
    sys.settrace(trace)
    try:
        batch.order()
    except Killed:
        pass
    finally:
        sys.settrace(None)
    return visits


def stops() -> list[tuple[Line, int]]:
    """Return where to stop: at each line that ordering runs, its first times, some later ones, and its last."""
    visits = order_until(FakeApi(LOST), Variables())
    return [
        (line, visit)
        for line, times in sorted(visits.items())
        for visit in sorted({*(one for one in VISITS if one < times), times})
    ]


@pytest.mark.parametrize("part", range(4))
def test_a_signal_at_any_line(part: int) -> None:
    """No outcome is unknown except of the orders whose answers were lost. No id is lost, also where the signal comes
    while the end is written. The next try orders what is missing, once.
    """
    every = stops()
    assert len({line for line, _ in every}) > 150
    for line, visit in every[part::4]:
        api, variables = FakeApi(LOST), Variables()
        order_until(api, variables, line, visit)
        record = on_record(variables)
        assert set(unknown(variables)) <= set(LOST), (line, visit)
        for prompt, video_id in api.ids.items():
            assert record[prompt].video_id == video_id or prompt in LOST, (line, visit, prompt)
        before = dict(api.taken)
        batch_of(api, variables, 2).order()
        assert set(api.taken.values()) == {1}, (line, visit, before)
        assert len(api.taken) == ROWS, (line, visit)


def test_a_signal_just_before_the_end_is_put_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last order's answer and the step that puts it on record there is a moment, too."""
    settle, calls = submitter.Submitter._settle, itertools.count(1)

    def late(self: Any, pool: Any) -> None:
        if next(calls) == 1:
            raise Killed
        settle(self, pool)

    monkeypatch.setattr(submitter.Submitter, "_settle", late)
    api, variables = FakeApi(), Variables()
    with pytest.raises(Killed):
        batch_of(api, variables).order()
    assert unknown(variables) == []
    assert {prompt: order.video_id for prompt, order in on_record(variables).items()} == api.ids


def test_a_second_signal_while_it_waits_for_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers that came by then are in the journal. The outcomes of orders in flight are unknown."""
    api, variables = FakeApi(), Variables()
    go, hanging = threading.Event(), threading.Event()

    def hang(prompt: str) -> None:
        if prompt == "fox 6.":
            hanging.set()
            go.wait(60)

    api.watches = hang
    batch = batch_of(api, variables)

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, **kwargs: Any) -> None:
            raise Killed

    def ends(self: Any, orders: Any) -> bool:
        """Before the next orders are sent, once that one is in flight."""
        if any(order.prompt == "fox 6." and order.state is OrderState.SENDING for order in self.orders()):
            assert hanging.wait(60)
            raise Killed
        return original(self, orders)

    original = journal.Journal.spreads
    monkeypatch.setattr(submitter, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(journal.Journal, "spreads", ends)
    try:
        with pytest.raises(Killed):
            batch.order()
    finally:
        go.set()
    record = on_record(variables)
    assert str(record["fox 6."].state) == "sending"
    known = {prompt for prompt, order in record.items() if order.video_id and order.video_id == api.ids.get(prompt)}
    assert len(known) >= 2


def test_an_unforeseen_error_of_a_sending_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome of its row is unknown, and the other rows are ordered."""
    api, variables = FakeApi(), Variables()

    def fails(prompt: str) -> None:
        if prompt == "fox 5.":
            raise MemoryError("no more room")

    api.watches = fails
    batch = batch_of(api, variables)
    batch.order()
    batch.take({})
    assert unknown(variables) == ["fox 5."]
    assert "MemoryError: no more room" in str(on_record(variables)["fox 5."].error)
    with pytest.raises(StarVideosBatchError):
        batch.check("")


def single(api: FakeApi, variables: Variables, try_number: int) -> str:
    """Run a try of a task with one order."""
    orders = Journal(variables, NAME, try_number, LOG, sleep=lambda seconds: None)
    return SingleOrder(api, orders, lambda: None, LOG, person=NOBODY).obtain(build_request(prompt="fox 1.")).id


def single_until(stop_at: int) -> tuple[FakeApi, Variables, int, list[str]]:
    """Order one video, and raise at the given line after its answer; return where the lines after it were."""
    api, variables = FakeApi(), Variables()
    where: list[str] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "call" and "airflow_provider_starvideos" not in frame.f_code.co_filename:
            return None
        if event == "line" and api.ids:
            where.append(frame.f_code.co_qualname)
            if len(where) == stop_at:
                raise AirflowTaskTimeout
        return trace

    sys.settrace(trace)
    try:
        single(api, variables, 1)
    except AirflowTaskTimeout:
        pass
    finally:
        sys.settrace(None)
    return api, variables, len(where), where


def test_b6_a_timeout_at_any_line_between_the_answer_and_the_record() -> None:
    """Each time the id is in the journal, and the next try resumes its video."""
    _, _, total, _ = single_until(-1)
    assert total > 40
    for stop_at in range(1, total + 1):
        api, variables, _, where = single_until(stop_at)
        (order,) = variables.orders()
        assert order.video_id == api.ids["fox 1."], (stop_at, where[-3:])
        api.known = VideoTask(order.video_id, "queued")
        assert single(api, variables, 2) == order.video_id
        assert api.taken == {"fox 1.": 1}, (stop_at, where[-3:])


def test_b6_nothing_else_runs_between_the_answer_and_the_record() -> None:
    """Neither a metric, nor a log line, nor a callback: nothing but the submitter and the journal."""
    where = lines_until_written()
    assert where
    allowed = (
        "Submitter.",
        "Outcomes.",
        "Reporter.note",
        "Reporter.report",
        "Journal.",
        "Order.",
        "Pace.",
        "JournalName.",
        "shortened",
        "backoff",
    )
    assert not [name for name in where if not name.startswith(allowed)]


def lines_until_written() -> list[str]:
    """Order one video, and return where the lines are that run after its answer and before it is in the journal."""
    api, variables = FakeApi(), Variables()
    where: list[str] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        is_ours = "airflow_provider_starvideos" in frame.f_code.co_filename or "logging" in frame.f_code.co_filename
        if event == "call" and not is_ours:
            return None
        if event == "line" and api.ids and not any("video_" in text for text in variables.texts.values()):
            where.append(frame.f_code.co_qualname)
        return trace

    sys.settrace(trace)
    try:
        single(api, variables, 1)
    finally:
        sys.settrace(None)
    return where
