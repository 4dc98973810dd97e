"""Batches with a library in the crash matrix: no row is billed twice, and the library is whole, whatever happens."""

import pytest

from tests.airflow.crash import scripts
from tests.airflow.crash.batches import undisturbed
from tests.airflow.crash.bench import Bench
from tests.airflow.crash.libraries import LibraryBatch, killed_and_late, killed_while_copying
from tests.airflow.crash.told import COUNTS

pytestmark = [pytest.mark.crash_matrix, pytest.mark.timeout(600)]

FOUND = r"Orders of earlier tries: [^.]*"
REUSED = r"StarVideos library: 0 new, \d+ reused"
TOO_LATE = "another run hasn't finished it in time"
WAITS = "Another run orders the same requests"
ENDED = "StarVideos batch: "


def with_another_run() -> list[LibraryBatch]:
    """Return two batches that die with their claims held, each with another run over its rows."""
    waits = LibraryBatch("another run, until that retry", undisturbed, WAITS, reused=24, tries=1)
    retried = killed_and_late(scripts.killed_while_waiting, waits, WAITS)
    first = LibraryBatch("killed after the orders, retried while another run waits", retried, FOUND, tries=2)
    first.wait, first.kwargs = "blocking", {"deferrable": False}

    alone = LibraryBatch("another run, timeout=20, before that retry", undisturbed, TOO_LATE, tries=1)
    alone.kwargs = {"timeout": 20}
    late = killed_and_late(scripts.killed_at("sign"), alone, ENDED)
    gone = LibraryBatch("killed between claim and order, retried late", late, REUSED, reused=24, tries=2)
    waits.shares, alone.shares = first, gone
    return [first, waits, gone, alone]


def test_a_batch_with_a_library_is_killed(bench: Bench) -> None:
    """SIGKILL at every step between a claim and the task's end; another run over the rows of one that is dead."""
    waiting = LibraryBatch("killed after the orders, before a video is in the library", scripts.killed_while_waiting,
                           FOUND, tries=2, wait="blocking", kwargs={"deferrable": False})  # fmt: skip
    bench.run(
        [
            LibraryBatch("killed between claim and order", scripts.killed_at("sign"), COUNTS, tries=2),
            waiting,
            LibraryBatch("killed while a video comes into the library", killed_while_copying, FOUND, tries=2),
            LibraryBatch("killed between video and document", scripts.killed_at("document"), FOUND, tries=2),
            LibraryBatch("killed after the documents", scripts.killed_at("post_execute"), FOUND, tries=2),
            *with_another_run(),
        ],
        dag_id="crash_libraries",
        timeout=400,
    )
