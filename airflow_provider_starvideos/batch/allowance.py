"""Whether a batch may order more: its limits allow it, and its library answers.

Where it may not, the videos that were ordered are still waited for and saved. Then the task fails, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosError, StarVideosLimitError, StarVideosRecordError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.limits import check_limits
from airflow_provider_starvideos.orders.record import Row


@dataclass
class Allowance:
    """What a batch may order."""

    hook: StarVideosHook  # its connection has limits of its own
    journal: Journal  # loaded
    max_orders: int | None  # the task's limit; None: it has none
    log: Any
    refusal: StarVideosError | None = None  # why nothing more may be ordered
    _library_error: StarVideosError | None = None

    def hold(self, rows: Sequence[Row]) -> None:
        """Set ``refusal``: rows would be more than is allowed, or the library has failed.

        :param rows: those that are about to be ordered
        """
        refusal = self._library_error
        if not refusal:
            hook, ordered = self.hook, self.journal.times_ordered()
            try:
                check_limits(rows, ordered, hook.starvideos_conn_id, hook.get_conn(), self.max_orders)
            except StarVideosLimitError as error:
                refusal = error
        if refusal and not self.refusal:
            self.log.error("%s", refusal)
        self.refusal = refusal

    @contextmanager
    def asking_library(self) -> Iterator[None]:
        """Set ``refusal`` where the library fails in this block."""
        try:
            yield
        except StarVideosRecordError:  # of the journal
            raise
        except StarVideosError as error:
            self.log.error("Nothing more is ordered: %s", error)  # noqa: TRY400  a traceback says nothing more
            self.refusal = self._library_error = error
