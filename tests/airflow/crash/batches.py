"""Rows of the crash matrix that are whole batches: what was billed, delivered and listed, of many videos."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.airflow.crash.row import TASK, Row, Script

CONCURRENCY = 16


@dataclass
class BatchOutcome:
    """What came of a batch, as measured."""

    what: str
    rows: int
    billed: int
    twice: int
    delivered: int
    unconfirmed: int
    failed: int
    lost: int
    state: str
    tries: int
    told: str
    table: str = "batches"


@dataclass
class Batch(Row):
    """A batch, and what happens to its task.

    :param rows: how many there are
    :param unconfirmed: at most so many rows may be listed as unconfirmed
    :param failing: every so many-th video fails; 0: none
    :param ends_as: how the task must end; empty: either way
    """

    rows: int = 100
    unconfirmed: int = 0
    failing: int = 0
    ends_as: str = "success"
    wait: str = "deferred"

    def __post_init__(self) -> None:
        if self.failing:
            numbers = range(1, self.rows + 1)
            self.ends = tuple("failed" if number % self.failing == 0 else "completed" for number in numbers)

    def prompt_of(self, number: int) -> str:
        return f"{self.name} fox {number}."

    def conf(self) -> dict[str, Any]:
        requests = [{"prompt": self.prompt_of(number)} for number in range(1, self.rows + 1)]
        kwargs = {"starvideos_conn_id": "crash", "timeout": 300, "max_submit_concurrency": CONCURRENCY, **self.kwargs}
        return {"name": self.name, "prompt": self.prompt, "kwargs": {"requests": requests, **kwargs}}

    def ordered(self, number: int) -> Callable[[], bool]:
        """The emulator has taken so many of its orders."""
        return lambda: len(self.orders) >= number

    def entries(self) -> list[dict[str, Any]]:
        """Return what is on record of its rows."""
        newest: dict[str, dict[str, Any]] = {}
        for order in self.records():
            newest.setdefault(order["key"], order)
        return list(newest.values())

    def outcome(self) -> BatchOutcome:  # type: ignore[override]
        prompts = {order.id: order.prompt for order in self.orders}
        states = Counter(entry["state"] for entry in self.entries())
        known = {entry.get("video_id") for entry in self.entries()}
        delivered = states["completed"]
        failed = states["failed"]
        if self.state == "success":
            ids = self.bench.airflow.xcom(self.bench.dag_id, self.bench.run_id, TASK, map_index=self.index)
            right = [i for i, video_id in enumerate(ids, 1) if prompts.get(video_id) == self.prompt_of(i)]
            counts = self.bench.airflow.xcom(self.bench.dag_id, self.bench.run_id, TASK, "counts", map_index=self.index)
            delivered, failed, states = len(right), counts.get("failed", 0), Counter(counts)
            known = set(ids) | {order.id for order in self.orders if order.status == "failed"}
        unlisted = [video_id for video_id in prompts if video_id not in known]
        log = "\n".join(self.log(number) for number in range(1, self.try_number + 1))
        found = re.search(self.told, log)
        return BatchOutcome(
            self.what,
            self.rows,
            len(prompts),
            len([prompt for prompt, times in Counter(prompts.values()).items() if times > 1]),
            delivered,
            states["unconfirmed"],
            failed,
            max(0, len(unlisted) - states["unconfirmed"]),
            self.state,
            self.try_number - self.bench.extra_tries(self.index),
            found[0] if found else "",
        )

    def problems(self) -> list[str]:
        got = self.outcome()
        wrong = {
            "rows billed twice": got.twice,
            "videos billed, neither delivered nor listed": got.lost,
            f"unconfirmed, {self.unconfirmed} at most": got.unconfirmed > self.unconfirmed and got.unconfirmed,
            "rows without an outcome": self.rows - got.delivered - got.unconfirmed - got.failed,
            f"state, not {self.ends_as}": self.ends_as and got.state != self.ends_as and got.state,
            f"log doesn't say {self.told!r}": not got.told,
            f"tries, not {self.tries}": self.tries and got.tries != self.tries and got.tries,
        }
        found = [f"{what}: {value}" for what, value in wrong.items() if value]
        return [f"{self.name} {self.what}: {'; '.join(found)}\n{got}\n{self.log()[-4000:]}"] if found else []


def undisturbed(row: Any) -> Script:
    """Nothing."""
    yield lambda: row.state in ("success", "failed")


def killed_at(number: int) -> Callable[[Any], Script]:
    """SIGKILL of the task's process while it orders: an answer that hangs keeps it at that."""

    def script(row: Any) -> Script:
        emulator = row.bench.emulator
        fault = emulator.add_fault(on="create", kind="hang", when="after", match=f"{row.name} fox {number}.", times=1)
        yield row.happened("fault", fault="hang")
        row.kill()
        emulator.clear_faults(fault)

    return script


def told_to_end_at(number: int) -> Callable[[Any], Script]:
    """SIGTERM of the task's process while it orders, as when its machine is taken away."""

    def script(row: Any) -> Script:
        yield row.ordered(number)
        for process in row.processes():
            process.send_signal(signal.SIGTERM)

    return script


def api_server_killed_at(number: int) -> Callable[[Any], Script]:
    """SIGKILL of Airflow's api-server while the task orders; it is started again."""

    def script(row: Any) -> Script:
        yield row.ordered(number)
        row.bench.airflow.kill("api-server")
        row.bench.airflow.start("api-server")

    return script


def triggerer_killed(row: Any) -> Script:
    """SIGKILL of the triggerer in mid-wait."""
    row.holds_video = True
    yield lambda: row.state == "deferred" and row.polled(row.rows * 2)()
    row.bench.airflow.kill("triggerer")
    row.bench.airflow.start("triggerer")
    row.holds_video = False


def spoiled(kind: str, **fields: Any) -> Callable[[Any], Script]:
    """The emulator spoils a share of the answers to orders."""

    def script(row: Any) -> Script:
        row.bench.emulator.add_fault(on="create", kind=kind, match=row.name, **fields)
        yield lambda: row.state in ("success", "failed")

    return script
