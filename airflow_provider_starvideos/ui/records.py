"""Records of orders, read (and never written) in the journal of a task that hasn't succeeded: Airflow Variables.

Users who may read the task's XComs may read this: XComs and the manifest say the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_starvideos.batch.manifest import row_facts
from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.record import Order, fingerprint_of
from airflow_provider_starvideos.orders.store import JournalName, latest_page

MAX_ROWS = 20_000  # each refresh of a page reads the whole journal, some 200 bytes per row


class ReadOnlyStore:
    """The Variables of a journal, as ``Journal`` reads them.

    :param texts: by name, as the database has them
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def names(self, base: str) -> list[str]:
        """Return those that begin with a text."""
        return [name for name in self._texts if name.startswith(base)]

    def read(self, name: str) -> Any | None:
        """Return an object, or None if there is none."""
        return json.loads(self._texts[name]) if name in self._texts else None

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Refuse: the journal is the worker's."""
        raise NotImplementedError

    def delete(self, name: str) -> None:
        """Refuse: the journal is the worker's."""
        raise NotImplementedError


def orders_in(texts: Mapping[str, str]) -> Sequence[Order]:
    """Return the orders of a journal; none if it can't be read."""
    journal, _ = _load(texts)
    return journal.orders() if journal else ()


def orders_of(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the orders of a task that orders one video, the newest first.

    :return: as rows of a manifest, with the Variable of a person's ``decision``; none if the journal can't be read
    """
    return _load(texts)[1]


def rows_of_journal(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a batch's rows as a manifest would have them, also those that aren't ordered yet.

    :return: none if there is no journal that can be read, or too long a one
    """
    journal, orders = _load(texts)
    rows = journal.rows if journal else None
    if not isinstance(rows, int) or not 0 < rows <= MAX_ROWS:
        return []
    # A row that is no longer among the requests has no number.
    known = {order["row"]: order for order in orders if "row" in order}
    return [{"status": "open"} | known.get(number, {}) | {"row": number} for number in range(1, rows + 1)]


def _load(texts: Mapping[str, str]) -> tuple[Journal | None, list[dict[str, Any]]]:
    """Return a journal with its orders as rows. Users may edit it: then there is nothing."""
    if not texts:
        return None, []
    name, latest_try = latest_page(texts)
    journal = Journal(ReadOnlyStore(texts), name, latest_try, logging.getLogger(__name__))
    try:
        journal.load()
        return journal, [_row(order, name) for order in journal.orders()]
    except (StarVideosError, TypeError, ValueError, ArithmeticError):
        return None, []


def _row(order: Order, name: JournalName) -> dict[str, Any]:
    if not isinstance(order.row, int | None):
        raise TypeError(f"not a row's number: {order.row!r}")
    return order.to_json() | row_facts(order) | {"decision": name.decision(fingerprint_of(order.key))}
