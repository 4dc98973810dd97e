"""What orders cost: counted in their records over all tries, estimated before, summed up after; unknown isn't zero."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.orders import record
from airflow_provider_starvideos.orders.estimate import Estimate
from airflow_provider_starvideos.orders.journal import PART_ORDERS, Journal
from airflow_provider_starvideos.orders.record import Order, Row, key_of
from airflow_provider_starvideos.orders.spending import Spending
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.orders.store import VariableStore
from tests.orders.task import Task
from tests.orders.variables import LOG, NAME, Variables

CLIP = "https://cdn.example.com/clip.mp4?X-Amz-Signature=feedface"


def row(number: int, prompt: str = "a red fox", **request: Any) -> Row:
    """Return a row."""
    made = build_request(prompt=prompt, **request)
    return Row(number, made, key_of(made.fingerprint("https://api"), number), f"fox_{number}")


def only(task: Task) -> Order:
    """Return the only order that is on record."""
    (order,) = task.variables.orders()
    return order


def test_an_order_says_what_was_asked_for_and_how_often_it_was_ordered(task: Task) -> None:
    """A failed video that is ordered again counts twice."""
    first = task.order(duration=7)
    assert (only(task).orders, only(task).seconds, only(task).prompt) == (1, 7, "a red fox")
    task.emulator.finish(first, "failed")
    task.order(duration=7)
    assert only(task).orders == task.billed == 2


def test_an_order_of_unknown_outcome_counts_also_when_it_is_sent_again(task: Task) -> None:
    """It may have been accepted."""
    task.lose_the_answer()
    assert (only(task).orders, only(task).resubmitted) == (1, None)
    task.order(on_unconfirmed="resubmit")
    assert (only(task).orders, only(task).resubmitted) == (2, 1)
    spending = Spending.of(task.variables.orders())
    assert (spending.orders, spending.unconfirmed, spending.amount) == (1, 1, None)


@pytest.mark.parametrize("fault", [{"kind": "rate_limit", "times": 2}, {"kind": "status", "status": 402, "times": 1}])
def test_a_refused_order_does_not_count(task: Task, fault: dict[str, Any]) -> None:
    """It isn't billed; also where a failed video was ordered before it."""
    failed = task.order()
    task.emulator.finish(failed, "failed")
    task.emulator.add_fault(on="create", **fault)
    if "status" in fault:
        with pytest.raises(StarVideosError):
            task.order()
        assert only(task).orders == 1
    task.order()
    assert only(task).orders == task.billed == 2


def test_records_of_an_earlier_version_count_what_they_show() -> None:
    """They have no field of how often they were ordered; nothing else that is new either."""
    counts = {
        "ordered": 1,
        "failed": 1,
        "unconfirmed": 1,
        "sending": 1,
        "rejected": 0,
        "open": 0,
    }
    for state, times in counts.items():
        video_id = {"video_id": "v"} if state in ("ordered", "failed") else {}
        order = Order.from_json({"key": "k.1", "state": state} | video_id)
        assert order.times_ordered == times, state
        order.state = OrderState(state)
        if OrderState.OPEN in record.STATES[order.state].follows:
            order.become(OrderState.OPEN)
            assert order.times_ordered == times, f"{state} → open"
    assert Spending.of([Order("k.1", OrderState.ORDERED)]).seconds_unknown == 1


def test_what_is_spent_is_summed_up_and_what_is_unknown_is_counted() -> None:
    """Amounts are decimals: 0.1 + 0.2 is 0.3."""
    orders = [
        Order("a.1", OrderState.COMPLETED, video_id="1", seconds=3, duration=3.2, amount="0.1", orders=1),
        Order("b.1", OrderState.SAVED, video_id="2", seconds=5, orders=2, amount="0.2", earlier_amount="0"),
        Order("c.1", OrderState.FAILED, video_id="3", seconds=None, orders=1),
        Order("d.1", OrderState.UNCONFIRMED, seconds=4, orders=1),
        Order("e.1", OrderState.OPEN, seconds=15),
        Order("f.1", OrderState.REUSED, video_id="5", seconds=15, duration=15.0, reused_from="/library/5.mp4"),
    ]
    orders[1].earlier_amounts = 1
    spending = Spending.of(orders)
    assert spending == Spending(
        orders=4,
        unconfirmed=1,
        seconds_ordered=3 + 2 * 5 + 4,
        seconds_unknown=1,
        videos=2,
        reused=1,
        seconds_delivered=3.2,
        delivered_unknown=1,
        amount=Decimal("0.3"),
        amount_unknown=1,
    )
    assert Spending.from_json(json.loads(json.dumps(spending.to_json()))) == spending
    assert "amount 0.3, 1 order without a known amount." in spending.text()


def test_a_video_that_comes_later_is_added_to_what_is_spent() -> None:
    """As a triggerer adds it, which has no journal."""
    before = Order("a.1", OrderState.ORDERED, video_id="1", seconds=3, orders=1)
    after = Order("a.1", OrderState.COMPLETED, video_id="1", seconds=3, orders=1, duration=3.0, amount="0.76")
    assert Spending.of([before]).with_video(3.0, Decimal("0.76")) == Spending.of([after])
    silent = Order("a.1", OrderState.COMPLETED, video_id="1", seconds=3, orders=1)
    assert Spending.of([before]).with_video(None, None) == Spending.of([silent])
    assert Spending.of([silent]).amount is None


def test_the_amounts_of_failed_videos_stay_when_they_are_ordered_again() -> None:
    """Whatever the API says of them: 0, or the full price."""
    order = Order("a.1", OrderState.FAILED, video_id="1", seconds=3, orders=1, amount="0.25")
    for number in (2, 3):
        order.state = OrderState.FAILED
        order.become(OrderState.OPEN)
        order.begin_sending(1.0, number)
        order.become(OrderState.ORDERED)
        order.amount = "0.5"
    spending = Spending.of([order])
    assert (spending.amount, spending.amount_unknown, spending.orders) == (Decimal("1.25"), 0, 3)


def test_an_estimate_says_what_is_ordered_next() -> None:
    """Rows that are on record aren't in it; signatures aren't either."""
    rows = [row(1), row(2, duration=9), row(3, reference_videos=[CLIP]), row(4), row(5), row(6)]
    orders: list[Order | None] = [
        None,
        Order(rows[1].key, OrderState.OPEN, video_id="failed", orders=1),
        Order(rows[2].key),
        Order(rows[3].key, OrderState.SAVED, video_id="saved"),
        Order(rows[4].key, OrderState.UNCONFIRMED),
        Order(rows[5].key, OrderState.REUSED, video_id="old", reused_from="/library/old.mp4"),
    ]
    estimate = Estimate.of(zip(rows, orders, strict=True))
    assert estimate.to_json() == {
        "rows": 6,
        "already_ordered": 2,
        "reused": 1,
        "new_orders": 3,
        "again": 1,
        "seconds": 12,
        "unknown_seconds": 1,
        "modes": {"text to video": 2, "video reference": 1},
        "prompts": ["a red fox"],
        "inputs": ["https://cdn.example.com/clip.mp4?…"],
    }
    assert estimate.text() == (
        "About to order 3 videos (1 of them again: billed again), 12 s, and 1 as long as their clips: "
        "2 text to video, 1 video reference. Rows: 6, ordered already: 2, in the library: 1. Each order is billed."
    )
    assert "Nothing new" in Estimate.of([(rows[3], orders[3])]).text()


def test_a_full_page_of_the_longest_orders_stays_below_64_kb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some databases keep no more of a Variable."""
    variables = Variables()
    variables.install(monkeypatch)
    journal = Journal(VariableStore("orders"), NAME, 1, LOG)
    journal.rows = 100_000
    for number in range(100_000, 100_000 + PART_ORDERS):
        wanted = row(number, "p" * (record.MAX_PROMPT_BYTES - 2), duration=15, ratio="16:9")
        order = journal.open(wanted.key)
        order.describe(Row(number, wanted.request, wanted.key, "n" * (record.MAX_NAME_BYTES - 2)))
        order.summary = "s" * (record.MAX_SUMMARY_BYTES - 2)
        order.state, order.error = OrderState.UNSAVABLE, "e" * (record.MAX_ERROR_BYTES - 2)
        order.video_id = "video_" + "0123456789abcdef-" * 3
        order.sent_at = order.completed_at = 1764459630.1234567
        order.uri = "s3://" + "u" * 200
        order.size_bytes, order.sha256, order.duration = 10**10, "f" * 64, 15.041666
        order.amount = order.earlier_amount = "1234.5678"
        order.orders = order.earlier_amounts = order.resubmitted = 12
        order.leftover = True
        order.entry = "f" * 40
        order.approve("a" * (record.MAX_NAME_BYTES - 2))
        journal.touch([order])
    journal.commit()
    ((_, page),) = variables.writes
    assert len(page["orders"]) == PART_ORDERS
    assert 50_000 < variables.largest < 64 * 1024
