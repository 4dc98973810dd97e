"""The most important rows of the crash matrix: a video is paid for once, after kills, losses, retries and clears."""

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from tests.airflow.crash import components, scripts, told
from tests.airflow.crash.bench import Bench
from tests.airflow.crash.row import Row


@pytest.fixture
def rows() -> list[Row]:
    """Every mode of waiting is there, and every kind of end."""
    lost = scripts.killed_while_hanging("after")
    return [
        Row("killed before the intent", scripts.killed_at("template"), told.ORDERED, tries=2),
        Row(
            "killed before it was accepted", scripts.killed_while_hanging("before"), told.UNCONFIRMED, 0, False, tries=2
        ),
        Row(
            "the same, then a person decides: resubmit",
            scripts.then_cleared(scripts.killed_while_hanging("before"), "failed", decision="resubmit"),
            told.RESENT,
            tries=3,
            wait="deferred",
        ),
        Row("killed after it was accepted", lost, told.UNCONFIRMED, 1, False, tries=2, wait="deferred"),
        Row(
            "the same, then cleared",
            scripts.then_cleared(lost, "failed"),
            told.UNCONFIRMED,
            1,
            False,
            tries=3,
        ),
        Row(
            "the same, then a person decides: the video's id",
            scripts.then_cleared(lost, "failed", decision="ID"),
            told.FOUND,
            tries=3,
            wait="blocking",
        ),
        Row(
            "the same, then a person decides: first a wrong id",
            scripts.wrong_then_right_decision,
            told.FOUND,
            tries=4,
        ),
        Row("killed while it waits", scripts.killed_while_waiting, told.FOUND, tries=2, wait="blocking"),
        Row("killed while it is deferred", scripts.killed_at("defer"), told.FOUND, tries=2, wait="deferred"),
        Row("killed on resume", scripts.killed_on_resume, told.FOUND, tries=2, wait="deferred"),
        Row("killed after execute", scripts.killed_at("post_execute"), told.FOUND, tries=2),
        Row("accepted, then reset", scripts.spoiled("reset", when="after"), told.UNCONFIRMED, 1, False, tries=1),
        Row("accepted, then 500", scripts.spoiled("server_error", when="after"), told.UNCONFIRMED, 1, False, tries=1),
        Row(
            "accepted, then reset, on_unconfirmed=resubmit",
            scripts.spoiled("reset", when="after"),
            told.RESENT,
            billed=2,
            tries=2,
            kwargs={"on_unconfirmed": "resubmit"},
        ),
        Row("503, then accepted", scripts.spoiled("status", status=503), told.AGAIN, tries=1, wait="deferred"),
        Row("401", scripts.spoiled("status", status=401), told.REFUSED, 0, False, tries=1),
        Row(
            "the video failed",
            scripts.undisturbed,
            told.ANEW,
            billed=2,
            tries=2,
            wait="deferred",
            ends=("failed",),
        ),
        Row("cleared while it waits", scripts.cleared_while_waiting, told.FOUND, tries=2, wait="deferred"),
        Row("cleared while it ends", scripts.cleared_while_ending, told.FOUND, tries=2),
        Row("marked failed while it ends, then cleared", scripts.marked_failed_while_ending, told.FOUND, tries=2),
        Row(
            "cleared after success",
            scripts.then_cleared(scripts.undisturbed, "success"),
            told.ORDERED,
            billed=2,
            tries=2,
        ),
        Row("another prompt at the next try", scripts.prompt_changed, told.CHANGED, billed=2, tries=2),
        Row("SIGTERM while it backs off from a 429", scripts.ended_while_backing_off, told.ORDERED, tries=2),
    ]


def test_paid_once(bench: Bench, rows: list[Row]) -> None:
    """No row bills more videos than wanted, loses one that was known, or fails without a word."""
    bench.run(rows)


def test_a_process_that_wakes_up_orders_nothing(bench: Bench) -> None:
    """It has read the journal before it froze; Airflow has begun another try since, or a user has marked the task."""
    frozen = Row("frozen, another try orders", components.frozen_before_its_order, told.ORDERED, tries=2)
    bench.run([frozen], timeout=280)  # alone: to write something as a user does wakes up all processes
    rows = [
        Row("marked failed, frozen before its order", components.marked_before_its_order, ".", 0, False, tries=1),
        Row("cleared, frozen before its order", components.cleared_before_its_order, told.ORDERED, tries=2),
    ]
    bench.run(rows, timeout=280)


def test_the_state_is_discarded_by_a_clear(bench: Bench) -> None:
    """As a coming Airflow does: what is known of an order holds, and what a person has decided."""
    rows = [
        Row(
            "accepted, then reset; state discarded by a clear",
            scripts.state_discarded(scripts.spoiled("reset", when="after")),
            told.UNCONFIRMED,
            1,
            False,
            tries=2,
        ),
        Row(
            "the same, then a person decides: the video's id",
            scripts.state_discarded(scripts.spoiled("reset", when="after"), "ID"),
            told.FOUND,
            tries=2,
        ),
        Row(
            "the wait timed out; state discarded by a clear",
            scripts.state_discarded(scripts.held_video),
            told.FOUND,
            tries=2,
            wait="deferred",
            kwargs={"timeout": 4},
        ),
    ]
    bench.run(rows, dag_id="crash_once")


@pytest.mark.skipif(AIRFLOW_V_3_3_PLUS, reason="since Airflow 3.3 there are retry policies; test_retry_policy")
def test_without_retry_policies(bench: Bench) -> None:
    """The task's own ``retries`` do; a permanent error isn't retried all the same."""
    limited = Row(
        "429 with Retry-After: 3, plain retries",
        scripts.spoiled("rate_limit", retry_after=3),
        told.ORDERED,
        tries=2,
        kwargs={"starvideos_conn_id": "crash_impatient"},
    )
    refused = Row("401, plain retries", scripts.spoiled("status", status=401), told.REFUSED, 0, False, tries=1)
    bench.run([limited, refused])


@pytest.mark.skipif(
    not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 there are no retry policies; test_without_retry_policies"
)
def test_retry_policy(bench: Bench) -> None:
    """A rate limit is retried when the API asked for it, not after the task's hour; a permanent error never."""
    limited = Row(
        "429 with Retry-After: 3, StarVideosRetryPolicy",
        scripts.spoiled("rate_limit", retry_after=3),
        told.ASKED_FOR,
        tries=2,
        told_at=1,
        kwargs={"starvideos_conn_id": "crash_impatient"},
    )
    refused = Row("401, StarVideosRetryPolicy", scripts.spoiled("status", status=401), told.REFUSED, 0, False, tries=1)
    bench.run([limited, refused], dag_id="crash_policy")
    first, second = bench.emulator.journal(bench.since, "request", kind="create", contains=limited.name)
    assert second["time"] - first["time"] >= 3
