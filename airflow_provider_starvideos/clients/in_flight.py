"""What two threads share about one request in flight: may it have left, may it still leave, and its answer."""

from __future__ import annotations

import threading

from airflow_provider_starvideos.api.protocol import HttpResponse


class InFlight:
    """One request in flight. One thread connects and sends; another may give the request up."""

    def __init__(self) -> None:
        self.connected = False
        self.answer: HttpResponse | None = None
        self._given_up = False
        self._lock = threading.Lock()

    def mark_connected(self) -> None:
        """Note that there is a connection, so that bytes may leave from now on.

        :raises TimeoutError: the request was given up before
        """
        with self._lock:
            if self._given_up:
                raise TimeoutError("the connection came too late")
            self.connected = True

    def give_up(self) -> HttpResponse | None:
        """Let nothing be sent from now on. Return the answer, if it has come."""
        with self._lock:
            self._given_up = True
        return self.answer
