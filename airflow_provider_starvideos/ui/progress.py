"""The rows of a batch before its manifest is there: out of the record of its orders, read and never written.

Airflow 3.3 and later keep the record beside the task instance, and whoever may read that may read the record, by
Airflow's own rule. Earlier ones keep it in Variables, which not all who may read a Dag may read: there nothing
is shown.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosError

PREFIX = "starvideos_batch_"
MOST_ROWS = 20_000
"""Each look reads the whole record, some 200 bytes a row."""


class ReadOnly:
    """One object of the record, as ``Book`` reads it.

    :param text: as the database has it; None: it isn't there
    """

    def __init__(self, text: str | None) -> None:
        self._text = text

    def read(self) -> Any | None:
        """Return the object, or None if there is none."""
        return None if self._text is None else json.loads(self._text)

    def write(self, value: dict[str, Any]) -> None:
        """Refuse: the record is the worker's."""
        raise NotImplementedError

    def delete(self) -> None:
        """Refuse: the record is the worker's."""
        raise NotImplementedError


def rows_on_record(record: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a batch's rows as a manifest would have them, those too that aren't ordered yet.

    :param record: its objects by name, as text
    :return: none if there is no record that can be read (a custom backend keeps it elsewhere), or too long a one
    """
    if "head" not in record:
        return []
    from airflow_provider_starvideos.batch.book import Book
    from airflow_provider_starvideos.batch.manifest import told_of

    book = Book(lambda name: ReadOnly(record.get(name)), logging.getLogger(__name__))
    try:
        book.load()
        # A row that isn't asked for any more has lost its number.
        known = {entry.row: told_of(entry) for entry in book.entries() if entry.row is not None}
    except (StarVideosError, TypeError, ValueError, ArithmeticError, OSError):  # users with the right to may edit it
        return []
    if not isinstance(book.rows, int) or not 0 < book.rows <= MOST_ROWS:
        return []
    return [{"row": number} | known.get(number, {"status": "open"}) for number in range(1, book.rows + 1)]
