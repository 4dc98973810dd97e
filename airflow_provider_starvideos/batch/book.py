"""The record of a batch: which rows were ordered, and what became of them, over all tries of one task instance.

Entries stand in shards of a fixed number of rows, one object each in the store, so that a thousand rows take a few
dozen small objects and a change rewrites one of them. The head says how many there are, and of how many rows each.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_starvideos.batch.entries import Entry
from airflow_provider_starvideos.exceptions import StarVideosRecordError
from airflow_provider_starvideos.ledger.stores import Store

SHARD_ROWS = 48
WRITE_ATTEMPTS = 5
WRITE_DELAY = 2.0
"""Ids that were paid for are worth a few attempts to keep them, seconds apart."""


class Book:
    """All entries of one batch.

    :param store: gives the store of the object of that name
    :param log: a logger
    :param sleep: how to wait between two attempts to write
    """

    def __init__(self, store: Callable[[str], Store], log: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store = store
        self._log = log
        self._sleep = sleep
        self._entries: dict[str, Entry] = {}
        self._order: list[Entry] = []
        self._where: dict[str, int] = {}
        self._dirty: set[int] = set()
        self._shards = 0
        self._shard_rows = SHARD_ROWS
        self._owner: str | None = None
        self.digest = ""
        self.reference = ""
        self.rows: int | None = None
        self.writes = 0

    def load(self) -> None:
        """Read what earlier legs and tries left.

        :raises StarVideosRecordError: it can't be read, or a part of it is missing
        """
        head = self._read("head")
        if head is None:
            self.reference = secrets.token_hex(6)
            return
        try:
            self.digest, self.reference, self._owner = head["digest"], head["reference"], head["owner"]
            self._shards, self._shard_rows = int(head["shards"]), int(head["shard_rows"])
            self.rows = head.get("row_count")
            for number in range(self._shards):
                self._load_shard(number)
        except (TypeError, KeyError, ValueError, ArithmeticError) as error:
            raise StarVideosRecordError(
                f"The record of this batch can't be read ({error!r}), so nothing was ordered."
            ) from error

    def _load_shard(self, number: int) -> None:
        # The last shards may have been announced, and never written.
        for value in self._read(str(number)) or ():
            if len(self._order) // self._shard_rows != number:
                raise ValueError(f"a part before part {number} is missing")
            self._add(Entry.from_json(value))

    def get(self, key: str) -> Entry | None:
        """Return a row's entry, if it has one."""
        return self._entries.get(key)

    def entries(self) -> Sequence[Entry]:
        """Return all entries, in the order of their first orders."""
        return tuple(self._order)

    def open(self, key: str) -> Entry:
        """Return a row's entry; a new one if it has none."""
        return self._entries.get(key) or self._add(Entry(key))

    def touch(self, entries: Iterable[Entry]) -> None:
        """Note that entries have changed, for the next ``commit``."""
        self._dirty.update(self._where[entry.key] for entry in entries)

    def spreads(self, entries: Iterable[Entry]) -> bool:
        """Tell whether a commit of these entries, with all that is noted already, is more than one write."""
        return len(self._dirty | {self._where[entry.key] for entry in entries}) > 1

    def begin(self, digest: str, rows: int | None = None) -> None:
        """Note what this try orders. Another reference goes with other rows: decisions name rows by their numbers.

        :param digest: of its rows
        :param rows: how many they are, for those who look
        """
        self.rows = rows
        if self.digest != digest:
            self.reference = secrets.token_hex(6) if self.digest else self.reference
            self.digest = digest
        self.own()

    def own(self) -> None:
        """Take the record over from any other process; what that one still wants to order, ``commit`` refuses it.

        A worker that was cut off or frozen may wake when Airflow has long since begun another try.
        """
        self._owner = secrets.token_hex(6)
        self._write_head()

    def renew_reference(self) -> None:
        """Give the batch another reference: a decision that named the old one has been acted upon."""
        self.reference = secrets.token_hex(6)
        self._write_head()

    def commit(self) -> None:
        """Write all changes.

        :raises StarVideosRecordError: they can't be written, or another process has taken the record over; all of them
            stay noted for the next commit
        """
        if self._dirty:
            self._check_owner()
        needed = max(self._dirty, default=-1) + 1
        if needed > self._shards:
            self._write_head(needed)
        for number in sorted(self._dirty):
            rows = self._order[number * self._shard_rows : (number + 1) * self._shard_rows]
            self._write(str(number), {"rows": [entry.to_json() for entry in rows]})
            self._dirty.discard(number)

    def commit_surely(self) -> None:
        """Write all changes, with several attempts: ids are among them that were paid for.

        :raises StarVideosRecordError: none of them worked
        """
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            try:
                self.commit()
            except StarVideosRecordError as error:
                what = "The batch's record can't be written (attempt %d of %d); its ids stand above: %s"
                self._log.error(what, attempt, WRITE_ATTEMPTS, error.__cause__)
                if attempt == WRITE_ATTEMPTS:
                    raise
                self._sleep(WRITE_DELAY)
            else:
                return

    def forget(self) -> None:
        """Take the record away: the task has succeeded, and running it once more means new videos."""
        # The head last: what a crash leaves here is still whole, if shorter.
        for number in reversed(range(self._shards)):
            self._store(str(number)).delete()
        self._store("head").delete()

    def _check_owner(self) -> None:
        head = self._read("head")
        if (head or {}).get("owner") != self._owner:
            raise StarVideosRecordError(
                "Another run of this task has taken the batch over (this one was given up for dead, cleared or "
                "marked), so this one orders nothing more."
            )

    def _add(self, entry: Entry) -> Entry:
        self._where[entry.key] = len(self._order) // self._shard_rows
        self._order.append(entry)
        self._entries[entry.key] = entry
        return entry

    def _write_head(self, shards: int | None = None) -> None:
        shards = self._shards if shards is None else shards
        head = {
            "shards": shards,
            "shard_rows": self._shard_rows,
            "digest": self.digest,
            "reference": self.reference,
            "owner": self._owner,
            "row_count": self.rows,
        }
        self._write("head", head)
        self._shards = shards  # not before: a shard that isn't announced is never read

    def _write(self, name: str, value: dict[str, Any]) -> None:
        try:
            self._store(name).write(value)
        except Exception as error:
            raise StarVideosRecordError(
                f"The record of this batch can't be written ({type(error).__name__}: {error}). Without it a video "
                "might be paid for twice, so nothing more was ordered."
            ) from error
        self.writes += 1

    def _read(self, name: str) -> Any:
        try:
            value = self._store(name).read()
        except Exception as error:
            raise StarVideosRecordError(
                f"The record of this batch can't be read ({type(error).__name__}: {error}). Without it a video might "
                "be paid for twice, so nothing was ordered."
            ) from error
        return value["rows"] if name != "head" and value is not None else value
