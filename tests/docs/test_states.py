"""The life of an order in the documentation is that of the table in the code."""

from __future__ import annotations

from airflow_provider_starvideos.orders.states import STATES, OrderState
from dev import states


def test_the_picture_and_the_tables_show_the_states_as_they_are() -> None:
    """`python -m dev.states` writes all again."""
    assert states.PICTURE.read_text() == states.picture()
    page = states.PAGE.read_text()
    assert states.with_table(page) == page
    page = states.BATCH_PAGE.read_text()
    assert states.with_table(page, of_rows=True) == page


def test_every_state_has_a_meaning() -> None:
    """And what may follow is a state."""
    assert set(STATES) == set(OrderState)
    assert all(set(meaning.follows) <= set(OrderState) for meaning in STATES.values())
    reached = {follower for meaning in STATES.values() for follower in meaning.follows}
    assert reached | {OrderState.OPEN} == set(OrderState), "each state can be reached from the first one"
