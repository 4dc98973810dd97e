"""The whole crash matrix, group by group; ``make crash-matrix`` runs it and writes docs/crash_matrix.md."""

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from tests.airflow.crash import components, scripts, told
from tests.airflow.crash.bench import Bench
from tests.airflow.crash.row import WAITS, Row

pytestmark = [pytest.mark.crash_matrix, pytest.mark.timeout(900)]

IMPATIENT = {"starvideos_conn_id": "crash_impatient"}
ENDED = "ended there"
EVERY_WAIT = [wait for wait in WAITS if wait != ENDED]


@pytest.mark.parametrize("wait", EVERY_WAIT)
def test_the_process_is_killed(bench: Bench, wait: str) -> None:
    """SIGKILL at every step: never ordered twice, and never lost once its id is on record."""
    before, after = scripts.killed_while_hanging("before"), scripts.killed_while_hanging("after")
    rows = [
        Row("killed before the intent", scripts.killed_at("template"), told.ORDERED, tries=2),
        Row("killed after the intent, before it was accepted", before, told.UNCONFIRMED, 0, False, tries=2),
        Row("killed while the request hangs, accepted", after, told.UNCONFIRMED, 1, False, tries=2),
        Row("killed while it backs off from a 429", scripts.killed_while_backing_off, told.ORDERED, tries=2),
        Row("killed after execute", scripts.killed_at("post_execute"), told.FOUND, tries=2),
    ]
    if wait == "deferred":
        rows += [
            Row(
                "killed once the id is on record, before it is deferred",
                scripts.killed_at("defer"),
                told.FOUND,
                tries=2,
            ),
            Row("killed on resume", scripts.killed_on_resume, told.FOUND, tries=2),
        ]
    if wait == "blocking":
        rows.append(Row("killed while it waits", scripts.killed_while_waiting, told.FOUND, tries=2))
    bench.run([with_wait(row, wait) for row in rows])


def test_the_answer_is_there_but_not_on_record(bench: Bench) -> None:
    """SIGKILL between the answer and the stored id: the id is kept by Airflow, or a person is asked."""
    either = f"{told.FOUND}|{told.UNCONFIRMED}"
    row = Row(
        "killed after the answer, api-server not answering", scripts.killed_before_the_id_is_stored, either, tries=2
    )
    row.delivered = None
    bench.run([row])


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_answer_is_lost(bench: Bench, when: str) -> None:
    """No readable answer: it isn't sent again, the error asks a person, and no retry is used up."""
    kinds: list[tuple[str, str, dict[str, object]]] = [
        ("connection reset", "reset", {}),
        ("connection closed", "close", {}),
        ("no answer in time", "hang", {}),
        ("500", "server_error", {}),
        ("502, HTML", "bad_gateway_html", {}),
        ("504", "status", {"status": 504}),
        ("200, HTML", "html", {}),
        ("200, empty", "empty", {}),
        ("200, garbage", "garbage", {}),
        ("200, huge", "huge", {"bytes": 3_000_000}),
    ]
    if when == "after":
        kinds += [("half a body", "half_body", {}), ("200, no id", "no_id", {})]
    what = "accepted, then {}" if when == "after" else "{} instead of accepted"
    billed = 1 if when == "after" else 0
    bench.run(
        [
            Row(
                what.format(name),
                scripts.spoiled(kind, when=when, **fields),
                told.UNCONFIRMED,
                billed,
                False,
                tries=1,
                kwargs=IMPATIENT,
            )
            for name, kind, fields in kinds
        ]
    )


def test_provably_not_accepted(bench: Bench) -> None:
    """Sent again where that can help, by the connection's or the task's retries; failed at once where it can't."""
    limited, down = scripts.spoiled("rate_limit"), scripts.spoiled("status", status=503)
    rows = [Row("429, then accepted", limited, told.AGAIN, tries=1, wait=wait) for wait in EVERY_WAIT]
    rows += [Row("503, then accepted", down, told.AGAIN, tries=1, wait=wait) for wait in EVERY_WAIT]
    rows += [
        Row("503 more often than max_retries", scripts.spoiled("status", status=503, times=3), told.ORDERED, tries=2),
        Row(
            "no connection",
            scripts.undisturbed_failure,
            told.NO_CONNECTION,
            0,
            False,
            tries=3,
            kwargs={"starvideos_conn_id": "crash_refused"},
        ),
    ]
    rows += [
        Row(f"{status}", scripts.spoiled("status", status=status), told.ANSWERED, 0, False, tries=1)
        for status in (400, 401, 402, 403, 422)
    ]
    bench.run(rows)


@pytest.mark.parametrize("component", ["triggerer", "scheduler", "api-server"])
def test_a_component_is_killed(bench: Bench, component: str) -> None:
    """SIGKILL of a part of Airflow during every kind of wait."""
    says = {"none": f"{told.FOUND}|{told.ORDERED}", "deferred": told.COMPLETED, "blocking": told.COMPLETED}
    event = components.Killed(component)
    bench.run(
        [Row(f"the {component} is killed meanwhile", event.script(), says[wait], wait=wait) for wait in EVERY_WAIT],
        timeout=600,
    )


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 no order ends in the triggerer")
def test_the_task_ends_in_the_triggerer(bench: Bench) -> None:
    """A clear after the success means a new video, and any other the one that was ordered."""
    lost, succeeded = scripts.killed_while_hanging("after"), scripts.then_cleared(scripts.undisturbed, "success")
    killed_again = scripts.delivered_then_killed_while_hanging
    rows = [
        Row("killed before the intent", scripts.killed_at("template"), told.ORDERED, tries=2),
        Row("killed while the request hangs, accepted", lost, told.UNCONFIRMED, 1, False, tries=2),
        Row("cleared while it waits", scripts.cleared_while_waiting, told.FOUND, tries=2),
        Row("the video failed", scripts.undisturbed, told.ANEW, billed=2, tries=2, ends=("failed",)),
        Row("cleared after success", succeeded, told.ORDERED, billed=2, tries=2),
        Row(
            "cleared after success, killed before the intent",
            scripts.delivered_then_killed_at_once,
            told.ORDERED,
            billed=2,
            tries=3,
        ),
        Row(
            "cleared after success, killed while the request hangs, accepted",
            killed_again,
            told.UNCONFIRMED,
            billed=2,
            delivered=False,
            tries=3,
        ),
    ]
    bench.run([with_wait(row, ENDED) for row in rows], dag_id="crash_ended", timeout=400)
    # Alone: the triggerer deletes the journals of the others after their success.
    killed = Row("the triggerer is killed meanwhile", components.Killed("triggerer").script(), told.COMPLETED, tries=1)
    bench.run([with_wait(killed, ENDED)], dag_id="crash_ended", timeout=400)


def test_a_worker_is_lost(bench: Bench) -> None:
    """The whole worker dies, or sleeps until Airflow gives it up and then goes on."""
    after = components.worker_killed_while_hanging
    bench.run(
        [
            Row("the worker dies after execute", components.worker_killed, told.FOUND, tries=2),
            Row("the worker dies while the request hangs, accepted", after, told.UNCONFIRMED, 1, False, tries=2),
            Row("the worker wakes up after it was given up", components.worker_given_up, told.FOUND, tries=2),
        ],
        timeout=600,
    )


def test_the_record_cannot_be_written(bench: Bench) -> None:
    """No intent, nothing sent; no id, said in the log, and the person is asked."""
    intent = Row("the intent can't be written", components.intent_refused, told.NOT_WRITTEN, told_at=1, tries=2)
    lost_id = Row("the id can't be written, killed then", components.id_refused, told.NOT_KEPT, told_at=1, tries=3)
    bench.run([intent, lost_id], timeout=600)


def test_clears(bench: Bench) -> None:
    """Cleared after success: a new video. Anything else cleared: the one that was ordered."""
    succeeded = scripts.then_cleared(scripts.undisturbed, "success")
    # Airflow gives the next try of a task that was cleared after it had resumed the old event once more.
    ended = {"none": told.FOUND, "deferred": f"{told.FOUND}|{told.COMPLETED}", "blocking": told.FOUND}
    rows = [Row("cleared after success", succeeded, told.ORDERED, billed=2, tries=2, wait=wait) for wait in EVERY_WAIT]
    rows += [
        Row("cleared while it waits", scripts.cleared_while_waiting, told.FOUND, tries=2, wait=wait)
        for wait in ("deferred", "blocking")
    ]
    rows += [
        Row("cleared while it ends", scripts.cleared_while_ending, ended[wait], tries=2, wait=wait)
        for wait in EVERY_WAIT
    ]
    rows += [
        Row(
            "marked failed while it ends, then cleared",
            scripts.marked_failed_while_ending,
            told.FOUND,
            tries=2,
            wait=wait,
        )
        for wait in EVERY_WAIT
    ]
    bench.run(rows)


def test_clears_without_retries(bench: Bench) -> None:
    """Cleared after a failure: goes on with the video, unless that is what failed."""
    died = scripts.then_cleared(scripts.killed_at("post_execute"), "failed")
    failed = scripts.then_cleared(scripts.undisturbed_failure, "failed")
    rows = [Row("worker died after execute, then cleared", died, told.FOUND, tries=2, wait=wait) for wait in EVERY_WAIT]
    rows += [
        Row("the video failed, then cleared", failed, told.ANEW, billed=2, tries=2, wait=wait, ends=("failed",))
        for wait in ("deferred", "blocking")
    ]
    rows += [
        Row(
            "the wait timed out, then cleared", scripts.timed_out, told.FOUND, tries=2, wait=wait, kwargs={"timeout": 4}
        )
        for wait in ("deferred", "blocking")
    ]
    bench.run(rows, dag_id="crash_once")


def test_the_video_fails(bench: Bench) -> None:
    """A retry orders a failed video again."""
    bench.run(
        [
            Row("the video failed", scripts.undisturbed, told.ANEW, billed=2, tries=2, wait=wait, ends=("failed",))
            for wait in ("deferred", "blocking")
        ]
    )


def test_a_person_decides(bench: Bench) -> None:
    """Only a person or the Dag's author has an unconfirmed order sent again."""
    lost, hung = scripts.spoiled("reset", when="after"), scripts.killed_while_hanging("after")
    rows: list[Row] = []
    for name, script in (("accepted, then reset", lost), ("killed while the request hangs, accepted", hung)):
        ended = 1 if script is lost else 2
        for decision, billed, delivered, says in (
            ("", 1, False, told.UNCONFIRMED),
            ("ID", 1, True, told.FOUND),
            ("resubmit", 2, True, told.RESENT),
        ):
            cleared = scripts.then_cleared(script, "failed", decision=decision)
            what = f"{name}; cleared{f', decision: {decision}' if decision else ''}"
            rows.append(Row(what, cleared, says, billed, delivered, tries=ended + 1))
        again = {"on_unconfirmed": "resubmit"}
        rows.append(Row(f"{name}; on_unconfirmed=resubmit", script, told.RESENT, billed=2, tries=2, kwargs=again))
    rows.append(
        Row("a decision that names no video, then the id", scripts.wrong_then_right_decision, told.FOUND, tries=4)
    )
    bench.run(rows)


def test_another_request(bench: Bench) -> None:
    """A changed request is a new order, also where mapped items have moved. durable=False for contrast."""
    moved = components.Moved()
    rows = [
        Row("another prompt at the next try", scripts.prompt_changed, told.CHANGED, billed=2, tries=2, wait=wait)
        for wait in EVERY_WAIT
    ]
    rows += [Row("mapped items have changed places", moved.script(), told.CHANGED, billed=2, tries=2) for _ in range(2)]
    rows += [
        Row("killed after execute, durable=False", scripts.killed_at("post_execute"), told.ORDERED, billed=2, tries=2),
        Row(
            "killed while the request hangs, accepted, durable=False",
            scripts.killed_while_hanging("after"),
            told.ORDERED,
            billed=2,
            tries=2,
        ),
    ]
    for row in rows[-2:]:
        row.kwargs = {"durable": False}
    bench.run(rows)


def with_wait(row: Row, wait: str) -> Row:
    """Set a row's kind of waiting."""
    row.wait = wait
    return row
