"""Rows of the crash matrix that are batches with a library: the same, and whether the library is whole afterwards."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.library.__main__ import main
from tests.airflow.crash.batches import Batch, BatchOutcome
from tests.airflow.crash.row import TASK, Script


@dataclass
class LibraryOutcome(BatchOutcome):
    """What came of a batch with a library, as measured."""

    table: str = "libraries"
    reused: int = 0
    library: str = ""


@dataclass
class LibraryBatch(Batch):
    """A batch with a library of its own, and what happens to its task.

    :param shares: another one, whose requests and library are also this one's; None: its own
    :param reused: so many rows must be reused
    """

    rows: int = 24
    shares: LibraryBatch | None = None
    reused: int = 0

    @property
    def library(self) -> Path:
        """Its folder."""
        return self.bench.folder / f"{self._first.name}library"

    @property
    def orders(self) -> list[Any]:
        return [order for order in self.bench.orders if self._first.name in order.prompt]

    def prompt_of(self, number: int) -> str:
        return f"{self._first.name} fox {number}."

    def conf(self) -> dict[str, Any]:
        self.kwargs = {"library": f"{self.library}/", **self.kwargs}
        return super().conf()

    def says(self, text: str) -> Callable[[], bool]:
        """The log of its first try has these words."""
        return lambda: self.try_number > 0 and text in self.log(1)

    def outcome(self) -> LibraryOutcome:
        reused = 0
        if self.state == "success":
            counts = self.bench.airflow.xcom(self.bench.dag_id, self.bench.run_id, TASK, "counts", map_index=self.index)
            reused = counts.get("reused", 0)
        got = asdict(super().outcome()) | {"table": "libraries"}
        return LibraryOutcome(**got, reused=reused, library=verified(self.library))

    def problems(self) -> list[str]:
        got = self.outcome()
        whole = f"{self.rows} entries are whole, 0 damaged; 0 videos without an entry"
        wrong = {
            f"videos billed, not {self.rows}": got.billed != self.rows and got.billed,
            f"rows reused, not {self.reused}": got.reused != self.reused and (got.reused or "none"),
            "library": got.library != whole and got.library,
        }
        found = [f"{self.name} {self.what}: {what}: {value}" for what, value in wrong.items() if value]
        return super().problems() + ([f"{'; '.join(found)}\n{got}\n{self.log()[-4000:]}"] if found else [])

    @property
    def _first(self) -> LibraryBatch:
        return self.shares or self


def verified(library: Path) -> str:
    """Return what ``verify --sha256`` says of a library."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(["verify", f"{library}/", "--sha256"])
    return said.getvalue().splitlines()[-1]


def killed_while_copying(row: Any) -> Script:
    """SIGKILL while the bytes of a video come into the library."""
    emulator = row.bench.emulator
    fault = emulator.add_fault(on="download", kind="slow", match=row.prompt_of(3), bytes_per_second=100)
    slow = row.happened("fault", fault="slow")
    yield lambda: slow() and any(row.library.glob("?/.*.part"))
    row.kill()
    emulator.clear_faults(fault)


def killed_and_late(kill: Callable[[Any], Script], other: LibraryBatch, until: str) -> Callable[[Any], Script]:
    """SIGKILL with its claims held. Its retry begins only after another run over the same rows has begun.

    :param kill: kills it
    :param other: the other run
    :param until: what the other run's log says before the retry begins
    """

    def script(row: Any) -> Script:
        other.hold("begin")
        yield from kill(row)
        row.hold("begin")  # a retry takes a second to come there
        yield row.held_at("begin")
        other.let_go("begin")
        yield other.says(until)
        row.let_go("begin")

    return script
