"""The rows of a batch before its manifest is there: out of the journal of its orders, read and never written.

It is kept in Airflow Variables. Whoever may read the task's XComs may read this: it says what they say, and the
manifest.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosError

MOST_ROWS = 20_000
"""Each poll of the page reads the whole journal, some 200 bytes a row."""


class ReadOnly:
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


def rows_in_journal(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a batch's rows as a manifest would have them, those too that aren't ordered yet.

    :param texts: the Variables of its journal, by name
    :return: none if there is no journal that can be read, or too long a one
    """
    if not texts:
        return []
    from airflow_provider_starvideos.batch.manifest import told_of
    from airflow_provider_starvideos.orders.journal import Journal
    from airflow_provider_starvideos.orders.store import latest_page

    name, latest_try = latest_page(texts)
    journal = Journal(ReadOnly(texts), name, latest_try, logging.getLogger(__name__))
    try:
        journal.load()
        # A row that isn't asked for any more has lost its number.
        known = {order.row: told_of(order) for order in journal.orders() if order.row is not None}
    except (StarVideosError, TypeError, ValueError, ArithmeticError):  # users with the right to may edit it
        return []
    if not isinstance(journal.rows, int) or not 0 < journal.rows <= MOST_ROWS:
        return []
    return [{"row": number} | known.get(number, {"status": "open"}) for number in range(1, journal.rows + 1)]
