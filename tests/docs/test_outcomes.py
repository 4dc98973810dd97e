"""The docs' table of what the answer to an order proves is the code's."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_starvideos.api import retry
from airflow_provider_starvideos.api.retry import OrderOutcome

PAGE = Path(__file__).parents[2] / "docs" / "orders.md"
BEGIN, END = "<!-- order outcomes: begin -->\n", "<!-- order outcomes: end -->"


def table() -> str:
    """Return it as Markdown."""
    lines = [retry.NOT_SENT, retry.NOT_RECORDED, retry.LOST, retry.UNREADABLE, *retry.ORDER_OUTCOMES]
    head = "| answer | whose | accepted | sent again within the try | why |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(row(line) for line in lines)


def row(line: OrderOutcome) -> str:
    """Return one line of it."""
    whose = str(line.whose) if line.statuses else ""
    accepted = "unknown" if line.accepted is None else "no"
    return f"| {line.what} | {whose} | {accepted} | {'yes' if line.sent_again else 'no'} | {line.why} |\n"


def test_the_page_has_the_table_of_the_code() -> None:
    """Both change together; the expected text is in the failure."""
    told = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert told == table()
