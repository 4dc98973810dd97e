"""What two threads know of one request: whether it may have left, whether it still may, and its answer."""

from __future__ import annotations

import threading

from airflow_provider_starvideos.api.protocol import HttpResponse


class Gate:
    """Is opened when a connection stands, and shut when a request is given up; each at most once."""

    def __init__(self) -> None:
        self.connected = False
        self.answer: HttpResponse | None = None
        self._given_up = False
        self._lock = threading.Lock()

    def open(self) -> None:
        """Note that a connection stands: from here on bytes may leave.

        :raises TimeoutError: the request was given up before
        """
        with self._lock:
            if self._given_up:
                raise TimeoutError("the connection came too late")
            self.connected = True

    def give_up(self) -> HttpResponse | None:
        """Let nothing be sent from here on; return the answer, if it has come."""
        with self._lock:
            self._given_up = True
        return self.answer
