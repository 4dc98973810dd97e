"""Ordering that is ended at any moment: by a kill, or by a signal between any two lines.

The API is a function here, so that thousands of ends can be tried; what it does is what the emulator does.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from airflow_provider_starvideos import batch as package
from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.batch import book, submitting
from airflow_provider_starvideos.batch.batch import Batch, Options
from airflow_provider_starvideos.batch.rows import read_rows
from airflow_provider_starvideos.exceptions import (
    StarVideosBatchError,
    StarVideosRateLimitError,
    StarVideosUnconfirmedError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from tests.batch.desk import LOG, Stores, fake_variables, prompts

CONCURRENCY = 4
ROWS = 20
FILES = tuple(str(Path(next(iter(package.__path__))) / name) for name in ("submitting.py", "book.py", "entries.py"))


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
        self._lock, self._calls = threading.Lock(), itertools.count(1)

    def get_conn(self) -> Endpoint:
        return Endpoint("http://127.0.0.1/api", "key")

    def submit(self, request: VideoRequest, endpoint: Any = None, witness: Any = None) -> VideoTask:
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
    monkeypatch.setattr(submitting, "GATHER_SECONDS", 0.0005)
    monkeypatch.setattr(submitting, "MAX_LOST_IN_A_ROW", 100)
    monkeypatch.setattr(book, "WRITE_DELAY", 0.0)
    monkeypatch.setattr(book, "SHARD_ROWS", 6)
    fake_variables(monkeypatch)


def batch_of(api: FakeApi, stores: Stores) -> Batch:
    """Return a try's batch, begun."""
    rows = read_rows(prompts(ROWS), {}, api.get_conn().base_url)
    options = Options(CONCURRENCY, 1000, 0, False, False, 1, 60, 600)
    batch = Batch(rows, stores.book(), api, options, LOG, saving=None, stopping=lambda: False)
    batch.begin()
    return batch


def prompt_of(api: FakeApi) -> dict[str, str]:
    """Return each row's prompt by its key."""
    return {row.key: row.request.prompt for row in read_rows(prompts(ROWS), {}, api.get_conn().base_url)}


def on_record(api: FakeApi, stores: Stores) -> dict[str, Any]:
    """Return the record's entries by prompt."""
    names = prompt_of(api)
    return {names[entry.key]: entry for entry in stores.entries()}


def doubtful(api: FakeApi, stores: Stores) -> list[str]:
    """Return the prompts that the next try would not send."""
    return [
        prompt for prompt, entry in on_record(api, stores).items() if str(entry.state) in ("sending", "unconfirmed")
    ]


def test_a_kill_at_any_write(caplog: pytest.LogCaptureFixture) -> None:
    """Before each order its intent is on record, and never are more rows in doubt than may be out at once."""
    api, stores = FakeApi(), Stores()
    snapshots: list[dict[str, str]] = []
    unready: list[str] = []

    def sent(prompt: str) -> None:
        if str(on_record(api, stores)[prompt].state) != "sending":
            unready.append(prompt)

    api.watches = sent
    stores.watches = lambda step, key, value: snapshots.append(dict(stores.texts)) if step != "read" else None
    batch_of(api, stores).order()
    assert not unready
    assert len(snapshots) > 10
    for texts in snapshots:
        found = Stores()
        found.texts = texts
        assert len(doubtful(api, found)) <= CONCURRENCY
    assert set(api.taken.values()) == {1}


def test_a_kill_at_any_write_where_rows_stand_anywhere_in_the_record() -> None:
    """A later try's rows come in another order: outcomes and intents are in objects of their own, written in turns."""
    api, stores = FakeApi(), Stores()
    batch = batch_of(api, stores)
    batch.book.touch([batch.book.open(row.key) for row in reversed(batch.rows)])
    batch.book.commit()
    most = 0

    def look(step: str, key: str, value: Any) -> None:
        nonlocal most
        if step == "written":
            found = Stores()
            found.texts = dict(stores.texts)
            most = max(most, len(doubtful(api, found)))

    stores.watches = look
    batch_of(api, stores).order()
    assert 2 < most <= CONCURRENCY
    assert set(api.taken.values()) == {1}


def test_a_kill_at_any_write_orders_nothing_twice() -> None:
    """The process ends at a write, for good: whatever was taken by then is on record, or in doubt."""
    for number in itertools.count(1):
        api, stores = FakeApi(), Stores()
        if not _killed_at_write(api, stores, number):
            break
        taken = dict(api.taken)
        doubt = doubtful(api, stores)
        assert len(doubt) <= CONCURRENCY, number
        second = batch_of(api, stores)
        second.order()
        assert set(api.taken.values()) == {1}, (number, taken)
        assert set(api.taken) >= {f"fox {one}." for one in range(1, ROWS + 1)} - set(doubt), number
    assert number > 20


def _killed_at_write(api: FakeApi, stores: Stores, number: int) -> bool:
    """Order until the ``number``-th write, from which on nothing is written any more; tell whether it came to it."""
    count = itertools.count(1)

    def refuses(step: str, key: str, value: Any) -> bool:
        if step == "write" and next(count) >= number:
            api.watches = _never
            raise Killed
        return False

    stores.refuses = refuses
    try:
        batch_of(api, stores).order()
    except Killed:
        return True
    finally:
        stores.refuses = lambda step, key, value: False
        api.watches = lambda prompt: None
    return False


def _never(prompt: str) -> None:
    raise AssertionError(f"{prompt} was sent after the kill")


def lines_until_the_end(api: FakeApi, stores: Stores, stop_at: int) -> tuple[int, str]:
    """Order, and raise at the given line that the deciding thread runs; return how many it ran, and where it was."""
    count, where = 0, ""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count, where
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            count += 1
            if count == stop_at:
                names = []
                caller: FrameType | None = frame
                while caller is not None:
                    names.append(caller.f_code.co_name)
                    caller = caller.f_back
                where = " ".join(names[:8])
                raise Killed
        return trace

    batch = batch_of(api, stores)
    sys.settrace(trace)
    try:
        batch.order()
    except Killed:
        pass
    finally:
        sys.settrace(None)
    return count, where


@pytest.mark.parametrize("part", range(4))
def test_a_signal_between_any_two_lines(part: int, caplog: pytest.LogCaptureFixture) -> None:
    """No row is in doubt but those whose answers were lost; no id is lost; the next try orders what is missing, once.

    Where the signal comes while the end is put on record, rows may stay in doubt: as many as were out, and their ids
    are in the log.
    """
    caplog.set_level("INFO")
    lost = ("fox 3.", "fox 11.")
    total, _ = lines_until_the_end(FakeApi(lost), Stores(), -1)
    assert total > 800
    for stop_at in range(1 + part, total, 4 * 3):
        caplog.clear()
        api, stores = FakeApi(lost), Stores()
        _, where = lines_until_the_end(api, stores, stop_at)
        record = on_record(api, stores)
        doubt = set(doubtful(api, stores)) - set(lost)
        if "_finish" not in where:
            assert not doubt, (stop_at, where)
        assert len(doubt) <= CONCURRENCY, (stop_at, where)
        for prompt, video_id in api.ids.items():
            known = record[prompt].video_id == video_id or prompt in lost
            assert known or video_id in caplog.text, (stop_at, where, prompt)
        before = dict(api.taken)
        batch_of(api, stores).order()
        assert set(api.taken.values()) == {1}, (stop_at, where, before)
        assert len(api.taken) >= ROWS - len(doubt), (stop_at, where)


def test_a_signal_just_before_the_end_is_put_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last order's answer and the step that puts it on record there is a moment, too."""
    finish, calls = submitting.Submission._finish, itertools.count(1)

    def late(self: Any, pool: Any) -> None:
        if next(calls) == 1:
            raise Killed
        finish(self, pool)

    monkeypatch.setattr(submitting.Submission, "_finish", late)
    api, stores = FakeApi(), Stores()
    with pytest.raises(Killed):
        batch_of(api, stores).order()
    assert doubtful(api, stores) == []
    assert {prompt: entry.video_id for prompt, entry in on_record(api, stores).items()} == api.ids


def test_a_second_signal_while_it_waits_for_the_answers(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered by then is on record, what is still out is in doubt."""
    caplog.set_level("INFO")
    api, stores = FakeApi(), Stores()
    go, hanging = threading.Event(), threading.Event()

    def hang(prompt: str) -> None:
        if prompt == "fox 6.":
            hanging.set()
            go.wait(10)

    api.watches = hang
    batch = batch_of(api, stores)

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, **kwargs: Any) -> None:
            raise Killed

    def sleeps(self: Any, entries: Any) -> bool:
        if hanging.is_set():
            time.sleep(0.01)
            raise Killed
        return original(self, entries)

    original = book.Book.spreads
    monkeypatch.setattr(submitting, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(book.Book, "spreads", sleeps)
    try:
        with pytest.raises(Killed):
            batch.order()
    finally:
        go.set()
    record = on_record(api, stores)
    assert str(record["fox 6."].state) == "sending"
    known = {prompt for prompt, entry in record.items() if entry.video_id and entry.video_id == api.ids.get(prompt)}
    assert len(known) >= 2
    assert all(api.ids[prompt] in caplog.text for prompt in known)


def test_an_error_nobody_thought_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a sending thread dies of, its row is in doubt, and the others are ordered."""
    api, stores = FakeApi(), Stores()

    def fails(prompt: str) -> None:
        if prompt == "fox 5.":
            raise MemoryError("no more room")

    api.watches = fails
    batch = batch_of(api, stores)
    batch.order()
    batch.take({})
    assert doubtful(api, stores) == ["fox 5."]
    assert "MemoryError: no more room" in str(on_record(api, stores)["fox 5."].error)
    with pytest.raises(StarVideosBatchError):
        batch.check("")
