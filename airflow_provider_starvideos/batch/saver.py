"""Saving a batch's videos: several at once, each as ``StarVideosDownloadOperator`` saves one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosError,
    StarVideosValidationError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.library.entry import DamagedEntryError
from airflow_provider_starvideos.locations import as_text, located
from airflow_provider_starvideos.orders.journal import Journal as Book
from airflow_provider_starvideos.orders.record import Order as Entry
from airflow_provider_starvideos.orders.states import OrderState as RowState

if TYPE_CHECKING:
    from airflow_provider_starvideos.batch.reuse import Reuse
    from airflow_provider_starvideos.hooks.fixed import FixedHook
    from airflow_provider_starvideos.library.library import Copied
    from airflow_provider_starvideos.orders.record import Row
    from airflow_provider_starvideos.storage.destinations import Destination
    from airflow_provider_starvideos.storage.fetch import Limits
    from airflow_provider_starvideos.storage.saving import SavedVideo

WRITE_SECONDS = 5.0
"""How often what was saved is put on record; a crash costs at most the transfers of that time."""


class Saving:
    """Saves completed videos.

    :param hook: the API
    :param book: the record
    :param log: a logger
    :param place: gives a row's destination; None: videos stay in the library
    :param manifest: gives the manifest's destination; None: there is no manifest
    :param if_exists: ``overwrite``, ``skip`` or ``error``
    :param limits: bounds of one transfer
    :param concurrency: videos at once, at most
    :param reuse: a library of finished videos; None: there is none
    """

    def __init__(
        self,
        hook: FixedHook,
        book: Book,
        log: Any,
        *,
        place: Callable[[Row, str], Destination] | None,
        manifest: Callable[[], Destination] | None,
        if_exists: str,
        limits: Limits,
        concurrency: int,
        reuse: Reuse | None = None,
    ) -> None:
        self._hook = hook
        self._book = book
        self._log = log
        self._place = place
        self._manifest = manifest
        self._if_exists = if_exists
        self._limits = limits
        self._concurrency = concurrency
        self._reuse = reuse

    def check(self, rows: Sequence[Row]) -> None:
        """Look whether files can be put where they are to go, before they are paid for.

        :param rows: those that are to be ordered
        :raises StarVideosValidationError: the destination can't be one, or files are there that must stay
        :raises StarVideosDownloadError: the storage can't be asked, or not be written to
        """
        if self._reuse:
            self._reuse.check()
        if self._manifest:
            self._manifest().check()
        if self._if_exists != "error" or not self._place:
            return
        places = {row: self._place(row, "") for row in rows if row.name}
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="starvideos-look") as pool:
            there = pool.map(lambda place: place.exists(), places.values())
            rule = 'there is a file of this name, and if_exists="error"'
            problems = [
                Problem(f"row {row.number}: name", rule, shown(place.uri))
                for (row, place), taken in zip(places.items(), there, strict=True)
                if taken
            ]
        if problems:
            raise StarVideosValidationError(problems)

    def is_under_its_name(self, row: Row, entry: Entry) -> bool:
        """Tell whether a saved row's file has the name that the row gives now: requests may change between two tries.

        :param row: as it is asked for
        :param entry: what was saved
        """
        return not self._place or (entry.uri or "").rpartition("/")[2] == f"{row.name or entry.video_id}.mp4"

    def run(self, rows: Sequence[tuple[Row, Entry]], stopping: Callable[[], bool]) -> None:
        """Save the videos of rows; what became of each stands in its entry, and on record.

        :param rows: those with a completed video that isn't saved, or a reused one that isn't copied
        :param stopping: tells that no more may be begun
        :raises StarVideosRecordError: the record can't be written
        """
        left = list(reversed(rows))
        running: dict[Future[SavedVideo | Copied], tuple[Row, Entry]] = {}
        written = time.monotonic()
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="starvideos-save") as pool:
            try:
                while running or (left and not stopping()):
                    while left and len(running) < self._concurrency and not stopping():
                        self._begin(pool, left.pop(), running)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self._took(*running.pop(future), future)
                    if time.monotonic() - written > WRITE_SECONDS:
                        self._book.commit()
                        written = time.monotonic()
            finally:
                self._book.commit()

    def _begin(
        self,
        pool: ThreadPoolExecutor,
        one: tuple[Row, Entry],
        running: dict[Future[SavedVideo | Copied], tuple[Row, Entry]],
    ) -> None:
        row, entry = one
        try:
            # Here, in the task's own thread: it may look up the storage's connection.
            destination = self._place(row, entry.video_id or "") if self._place else None
        except StarVideosError as error:
            self._failed(row, entry, error)
            return
        running[pool.submit(self._transfer, row, entry, destination)] = one

    def _transfer(self, row: Row, entry: Entry, destination: Destination | None) -> SavedVideo | Copied:
        from airflow_provider_starvideos.storage.saving import save

        def save_to(to: Destination, if_exists: str) -> SavedVideo:
            return save(self._hook, entry.video_id or "", to, if_exists=if_exists, limits=self._limits, log=self._log)

        if self._reuse:
            return self._reuse.transfer(row, entry, destination, self._if_exists, save_to)
        if destination is None:
            raise ValueError("without a destination there must be a library")
        return save_to(destination, self._if_exists)

    def _took(self, row: Row, entry: Entry, future: Future[SavedVideo | Copied]) -> None:
        try:
            saved = future.result()
        except Exception as error:  # noqa: BLE001  whatever it is, it is about this row: the others go on
            self._failed(row, entry, error)
            return
        if entry.state is not RowState.REUSED:
            entry.become(RowState.SAVED)
        entry.uri, entry.size_bytes, entry.sha256 = saved.uri, saved.size_bytes, saved.sha256
        self._book.touch([entry])

    def _failed(self, row: Row, entry: Entry, error: Exception) -> None:
        text = str(error) if isinstance(error, StarVideosError) else f"{type(error).__name__}: {error}"
        if entry.state is RowState.REUSED:
            self._not_copied(row, entry, text, is_damaged=isinstance(error, DamagedEntryError))
            return
        permanent = isinstance(error, StarVideosError) and error.permanent
        state = RowState.UNSAVABLE if permanent else RowState.NOT_SAVED
        if isinstance(error, StarVideosVideoFailedError):
            state = RowState.FAILED
        entry.become(state, text)
        self._book.touch([entry])
        self._log.error("Row %d, video %s: %s", row.number, entry.video_id, error)

    def _not_copied(self, row: Row, entry: Entry, text: str, *, is_damaged: bool) -> None:
        if is_damaged:
            what = "Row %d: its entry in the library can't be used: %s. It is ordered. Billed again: yes."
            self._log.warning(what, row.number, text)
            entry.become(RowState.OPEN)
        else:
            entry.become(RowState.REUSED, text)  # a retry copies it
            self._log.error("Row %d: its video can't be copied from the library: %s", row.number, text)
        self._book.touch([entry])


def folder_of(destination: Any) -> str:
    """Return a batch's destination, if it can be one.

    :raises StarVideosValidationError: it isn't a folder
    """
    text = as_text(destination, is_folder=True)
    if isinstance(text, str) and text.strip().endswith("/"):
        return located(text)
    rule = "must be a folder or a storage URI that ends in '/': it takes many files"
    raise StarVideosValidationError([Problem("destination", rule, shown(destination))])
