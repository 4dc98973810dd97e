"""What a page says was billed: of a task over all of its tries, and of a run; what isn't known is counted as such."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_starvideos.ui.billing import billed
from airflow_provider_starvideos.ui.queries import Kind, Task
from tests.ui.test_ui_videos import a_task, created, recorded, wait


def spent(**facts: Any) -> Task:
    """Return a task that has pushed what it spent."""
    return created(spending=facts)


@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        ([spent(orders=4, seconds_ordered=20, amount="3.04")], "4 orders, 20 s, amount 3.04"),
        ([spent(orders=1, seconds_ordered=5, amount="0.76"), spent(orders=2, seconds_ordered=10, amount="1.1")],
         "3 orders, 15 s, amount 1.86"),
        ([spent(orders=2, seconds_ordered=5, seconds_unknown=1, amount_unknown=2)],
         "2 orders, 5 s, 1 of unknown length, 2 of unknown amount"),
        ([spent(orders=0, unconfirmed=1, seconds_ordered=5)], "1 that may have been billed, 5 s"),
        ([created()], "1 order, 1 of unknown length, 1 of unknown amount"),  # of an earlier version of this provider
        ([created(video_id=None)], None),
        ([wait("success")], None),
        ([spent()], None),
        ([spent(orders="many", amount="NaN")], None),  # XComs can be edited
    ],
)  # fmt: skip
def test_what_was_billed(tasks: list[Task], text: str | None) -> None:
    """Orders, their seconds, the amount as far as the API said it."""
    assert billed(tasks) == text


def test_until_a_task_has_pushed_it_the_journal_says_it() -> None:
    """Of all tries, also those whose order failed or may have been accepted."""
    task = a_task("create", Kind.ORDER, "failed")
    task.journal = recorded("failed", "unconfirmed")
    assert billed([task]) == "1 order, 1 more that may have been billed, 2 of unknown length, 1 of unknown amount"
