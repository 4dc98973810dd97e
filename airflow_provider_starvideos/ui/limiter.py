"""How many of the api-server's threads may wait for a slow API or store. All others are answered at once.

Airflow's own routes run in the same threads, some forty per process. If all of them waited for another server, Airflow
itself would not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BusyError(Exception):
    """All slots are taken."""


class Limiter:
    """A number of slots, and a queue of a few more.

    :param waiting: how many more threads may wait for one
    :param seconds: how long they may wait
    """

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        self.most = at_once + waiting
        self._all = threading.BoundedSemaphore(self.most)
        self._slots = threading.BoundedSemaphore(at_once)
        self._seconds = seconds

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take a slot, and give it back at the end of the block.

        :raises BusyError: there is none, and no room in the queue
        """
        if not self._all.acquire(blocking=False):
            raise BusyError
        try:
            if not self._slots.acquire(timeout=self._seconds):
                raise BusyError
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._all.release()


STORES = Limiter(at_once=4, waiting=4, seconds=10.0)  # for buckets: their libraries have timeouts of minutes
