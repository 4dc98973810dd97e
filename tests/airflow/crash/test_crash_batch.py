"""Batches in the crash matrix: no row is billed twice, and what is billed is delivered or listed, whatever happens."""

import pytest

from tests.airflow.crash.batches import (
    CONCURRENCY,
    Batch,
    api_server_killed_at,
    killed_at,
    spoiled,
    told_to_end_at,
    triggerer_killed,
    undisturbed,
)
from tests.airflow.crash.bench import Bench
from tests.airflow.crash.told import COUNTS

LISTED = r"\d+ of \d+ rows have no video as asked for: \d+ unconfirmed"
FOUND = r"Orders of earlier tries: [^.]*ordered[^.]*"
LOST = {"kind": "reset", "when": "after", "rate": 0.3}
RESUMED = r"the task's process is being ended"


def killed(rows: int, at: int) -> Batch:
    """Return a batch whose task is killed while it orders."""
    what = f"SIGKILL while row {at} of {rows} is ordered"
    return Batch(what, killed_at(at), FOUND, rows=rows, unconfirmed=CONCURRENCY, ends_as="", tries=2)


def lossy(rows: int) -> Batch:
    """Return a batch of which many answers are lost."""
    what = "30 % of the orders accepted, their answers lost"
    return Batch(what, spoiled(**LOST), LISTED, rows=rows, unconfirmed=rows // 2, ends_as="failed", tries=1)


def test_killed_and_lost(bench: Bench) -> None:
    """The two most important ones."""
    bench.run([killed(120, 60), lossy(80)], dag_id="crash_batches")


@pytest.mark.crash_matrix
def test_batches(bench: Bench) -> None:
    """Kills, lost answers, refusals, failing videos."""
    bench.run(
        [
            killed(1000, 500),
            lossy(200),
            Batch(
                "429 to every third order, from the beginning to the end",
                spoiled("rate_limit", rate=0.33, retry_after=None),
                COUNTS,
                rows=100,
                tries=1,
            ),
            Batch(
                "429 to the first 30 requests, with Retry-After",
                spoiled("rate_limit", times=30, retry_after=1),
                COUNTS,
                rows=200,
                tries=1,
            ),
            Batch("5 % of the videos fail, max_failures=0.05", undisturbed, COUNTS,
                  rows=200, failing=20, kwargs={"max_failures": 0.05}, tries=1),
            Batch("5 % of the videos fail", undisturbed, r"\d+ of \d+ rows have no video",
                  rows=200, failing=20, ends_as="failed", tries=1),
            Batch("SIGTERM while row 60 of 200 is ordered", told_to_end_at(60), RESUMED, rows=200, tries=1),
        ],
        dag_id="crash_batches",
        timeout=280,
    )  # fmt: skip


@pytest.mark.crash_matrix
def test_a_batch_s_triggerer_is_killed(bench: Bench) -> None:
    """The wait goes on, in another process."""
    bench.run([Batch("the triggerer is killed in mid-wait", triggerer_killed, COUNTS, rows=200, tries=1)],
              dag_id="crash_batches")  # fmt: skip


@pytest.mark.crash_matrix
def test_a_batch_s_api_server_is_killed(bench: Bench) -> None:
    """Its writes wait for the new one: no outcome is unknown."""
    bench.run(
        [
            Batch(
                "the api-server is killed while row 100 of 300 is ordered", api_server_killed_at(100), COUNTS, rows=300
            )
        ],
        dag_id="crash_batches",
    )
