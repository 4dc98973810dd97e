"""A process that was given up for dead and wakes: it must not order what another try orders by then."""

from __future__ import annotations

import pytest

from airflow_provider_starvideos.exceptions import StarVideosRecordError
from tests.batch.desk import Desk, Stores, prompts


def test_who_was_taken_over_writes_nothing_more() -> None:
    """Neither while the other is at work, nor after its success, when the record is gone."""
    stores = Stores()
    first = stores.book()
    first.begin("digest")
    second = stores.book()
    second.begin("digest")
    first.touch([first.open("row")])
    with pytest.raises(StarVideosRecordError, match="taken the batch over"):
        first.commit()
    second.touch([second.open("row")])
    second.commit()
    second.forget()
    with pytest.raises(StarVideosRecordError, match="taken the batch over"):
        first.commit()


@pytest.mark.parametrize("after", [4, 20])
def test_a_process_that_wakes_orders_nothing_more(desk: Desk, after: int) -> None:
    """It was frozen in the middle of its orders; the next try has ordered the rest, each row once."""
    rows, concurrency = 40, 4
    frozen = desk.begin(prompts(rows), max_submit_concurrency=concurrency)
    commit, tries = frozen.book.commit, []

    def commit_late() -> None:
        if desk.emulator.billed.videos >= after and not tries:
            tries.append(desk.begin(prompts(rows), max_submit_concurrency=concurrency))
            tries[0].order()
        commit()

    frozen.book.commit = commit_late  # type: ignore[method-assign]
    with pytest.raises(StarVideosRecordError, match="taken the batch over"):
        frozen.order()
    assert len(tries) == 1
    billed = desk.billed_prompts()
    assert set(billed.values()) == {1}, billed
    doubtful = desk.stores.states().get("unconfirmed", 0)
    assert doubtful <= concurrency
    assert len(billed) >= rows - doubtful
