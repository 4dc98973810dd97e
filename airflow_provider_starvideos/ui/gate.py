"""How much of the api-server a slow API or store may hold: a few threads. All others are answered at once.

Airflow's own routes run in the same threads, some forty a process; were all of them to wait for somebody else's server,
Airflow itself would stand still.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BusyError(Exception):
    """All places are taken."""


class Gate:
    """Lets a few through at a time, and a few more wait in front of it.

    :param at_once: how many are through at the same time
    :param waiting: how many more may wait
    :param seconds: how long they may
    """

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        self.most = at_once + waiting
        self._all = threading.BoundedSemaphore(self.most)
        self._through = threading.BoundedSemaphore(at_once)
        self._seconds = seconds

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place, and give it back at the end of the block.

        :raises BusyError: there is none
        """
        if not self._all.acquire(blocking=False):
            raise BusyError
        try:
            if not self._through.acquire(timeout=self._seconds):
                raise BusyError
            try:
                yield
            finally:
                self._through.release()
        finally:
            self._all.release()


STORES = Gate(at_once=4, waiting=4, seconds=10.0)
"""For buckets: their libraries have timeouts of minutes."""
