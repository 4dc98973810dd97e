"""Saving a batch's videos: several at once, each as ``StarVideosDownloadOperator`` saves one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.batch.reuse import Reuse
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosError,
    StarVideosValidationError,
    StarVideosVideoFailedError,
)
from airflow_provider_starvideos.hooks.fixed import FixedHook
from airflow_provider_starvideos.library.entry import DamagedEntryError
from airflow_provider_starvideos.library.library import Copied
from airflow_provider_starvideos.locations import as_text, located
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Limits
from airflow_provider_starvideos.storage.saving import SavedVideo

Running: TypeAlias = dict[Future[SavedVideo | Copied], tuple[Row, Order]]

WRITE_SECONDS = 5.0  # between two writes of the journal; after a crash the transfers of that time are made again


@dataclass
class Saving:
    """Saves completed videos."""

    hook: FixedHook
    journal: Journal  # loaded
    log: Any
    _: KW_ONLY
    destination: Callable[[Row, str], Destination] | None  # gives a row's destination; None: videos stay in the library
    manifest: Callable[[], Destination] | None  # gives the manifest's destination; None: there is no manifest
    if_exists: str  # ``overwrite``, ``skip`` or ``error``
    limits: Limits
    concurrency: int  # videos at once, at most
    reuse: Reuse | None = None  # a library of finished videos; None: there is none

    def check(self, rows: Sequence[Row]) -> None:
        """Check that the destination can take the files, before the videos are ordered.

        :param rows: those that are about to be ordered
        :raises StarVideosValidationError: the destination can't be one, or files are there that must stay
        :raises StarVideosDownloadError: the storage can't be read, or not be written to
        """
        if self.manifest:
            self.manifest().check()
        if self.if_exists != "error" or not self.destination:
            return
        destinations = {row: self.destination(row, "") for row in rows if row.name}
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="starvideos-check") as pool:
            there = pool.map(lambda destination: destination.exists(), destinations.values())
            rule = 'there is a file of this name, and if_exists="error"'
            problems = [
                Problem(f"row {row.number}: name", rule, shown(destination.uri))
                for (row, destination), taken in zip(destinations.items(), there, strict=True)
                if taken
            ]
        if problems:
            raise StarVideosValidationError(problems)

    def is_under_its_name(self, row: Row, order: Order) -> bool:
        """Return whether a saved row's file has the name that the row gives now: requests may change between two tries.

        :param row: as this try asks for it
        :param order: its order, saved
        """
        return not self.destination or (order.uri or "").rpartition("/")[2] == f"{row.name or order.video_id}.mp4"

    def run(self, rows: Sequence[tuple[Row, Order]], stopping: Callable[[], bool]) -> None:
        """Save the videos of rows. What became of each is in its order and in the journal.

        :param rows: those with a completed video that isn't saved, or a reused one that isn't copied
        :param stopping: returns True once no more may begin
        :raises StarVideosRecordError: the journal can't be written
        """
        left = list(reversed(rows))
        running: Running = {}
        written = time.monotonic()
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="starvideos-save") as pool:
            try:
                while running or (left and not stopping()):
                    while left and len(running) < self.concurrency and not stopping():
                        self._begin(pool, left.pop(), running)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self._took(*running.pop(future), future)
                    if time.monotonic() - written > WRITE_SECONDS:
                        self.journal.commit()
                        written = time.monotonic()
            finally:
                self.journal.commit()

    def _begin(self, pool: ThreadPoolExecutor, one: tuple[Row, Order], running: Running) -> None:
        row, order = one
        try:
            # Here, in the task's own thread: it may read the storage's connection.
            destination = self.destination(row, order.video_id or "") if self.destination else None
        except StarVideosError as error:
            self._failed(row, order, error)
            return
        running[pool.submit(self._transfer, row, order, destination)] = one

    def _transfer(self, row: Row, order: Order, destination: Destination | None) -> SavedVideo | Copied:
        from airflow_provider_starvideos.storage.saving import save

        def save_to(to: Destination, if_exists: str) -> SavedVideo:
            return save(self.hook, order.video_id or "", to, if_exists=if_exists, limits=self.limits, log=self.log)

        if self.reuse:
            return self.reuse.additions.transfer(row, order, destination, self.if_exists, save_to)
        if destination is None:
            raise ValueError("without a destination there must be a library")
        return save_to(destination, self.if_exists)

    def _took(self, row: Row, order: Order, future: Future[SavedVideo | Copied]) -> None:
        try:
            saved = future.result()
        except Exception as error:  # noqa: BLE001  whatever it is, it is about this row: the others go on
            self._failed(row, order, error)
            return
        if order.state is not OrderState.REUSED:
            order.become(OrderState.SAVED)
        order.uri, order.size_bytes, order.sha256 = saved.uri, saved.size_bytes, saved.sha256
        self.journal.touch([order])

    def _failed(self, row: Row, order: Order, error: Exception) -> None:
        text = str(error) if isinstance(error, StarVideosError) else f"{type(error).__name__}: {error}"
        if order.state is OrderState.REUSED:
            self._not_copied(row, order, text, is_damaged=isinstance(error, DamagedEntryError))
            return
        permanent = isinstance(error, StarVideosError) and error.permanent
        state = OrderState.UNSAVABLE if permanent else OrderState.NOT_SAVED
        if isinstance(error, StarVideosVideoFailedError):
            state = OrderState.FAILED
        order.become(state, text)
        self.journal.touch([order])
        self.log.error("Row %d, video %s: %s", row.number, order.video_id, error)

    def _not_copied(self, row: Row, order: Order, text: str, *, is_damaged: bool) -> None:
        if is_damaged:
            what = "Row %d: its entry in the library can't be used: %s. It is ordered. Billed again: yes."
            self.log.warning(what, row.number, text)
            order.become(OrderState.OPEN)
        else:
            order.become(OrderState.REUSED, text)  # a retry copies it
            self.log.error("Row %d: its video can't be copied from the library: %s", row.number, text)
        self.journal.touch([order])


def folder_of(destination: Any) -> str:
    """Return a batch's destination, if it can be one.

    :raises StarVideosValidationError: it isn't a folder
    """
    text = as_text(destination, is_folder=True)
    if isinstance(text, str) and text.strip().endswith("/"):
        return located(text)
    rule = "must be a folder or a storage URI that ends in '/': it takes many files"
    raise StarVideosValidationError([Problem("destination", rule, shown(destination))])
