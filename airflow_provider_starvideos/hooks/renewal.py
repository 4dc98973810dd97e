"""Polls over an Airflow connection that may change during a wait: a new key is in use within a minute.

All waits use it, on a worker and in the triggerer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.calls import Call
from airflow_provider_starvideos.api.flow import at_once, awaited
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosConnectionError,
    StarVideosError,
)

ENDPOINT_SECONDS = 45.0  # after that the connection is read again


class Renewal:
    """The endpoint of a connection, read again when it is old, and when the API refuses the key.

    :param endpoint: as it was read before; None: it wasn't
    """

    def __init__(self, conn_id: str, log: Any, endpoint: Endpoint | None = None) -> None:
        self._conn_id = conn_id
        self._log = log
        self._endpoint = endpoint
        self._good_until = 0.0

    def fresh(self) -> Endpoint | None:
        """Return the endpoint if it was read not long ago."""
        return self._endpoint if time.monotonic() < self._good_until else None

    def read(self, get_conn: Callable[[], Endpoint]) -> Endpoint:
        """Return the endpoint as ``aread`` does, on a worker."""
        return at_once(self.aread(awaited(get_conn)))

    async def aread(self, aget_conn: Callable[[], Awaitable[Endpoint]]) -> Endpoint:
        """Return the endpoint, read now. If it can't be read, return the earlier one.

        :raises StarVideosError: it can't be read, and there is no earlier one
        """
        try:
            return self._keep(await aget_conn())
        except Exception as error:  # noqa: BLE001  Airflow can't read it now, for whatever reason
            return self._keep_old(error)

    def poll(self, run: Callable[[Call], VideoTask], video_id: str, get_conn: Callable[[], Endpoint]) -> VideoTask:
        """Poll a video as ``apoll`` does, on a worker."""
        return at_once(self.apoll(awaited(run), video_id, awaited(lambda: self.read(get_conn))))

    async def apoll(
        self, run: Callable[[Call], Awaitable[VideoTask]], video_id: str, read: Callable[[], Awaitable[Endpoint]]
    ) -> VideoTask:
        """Poll a video once. If the API refuses the key, read the connection, and poll again with a new key.

        :param run: of a client
        :raises StarVideosError: how the poll failed
        """
        endpoint = self.fresh() or await read()
        try:
            return await run(calls.poll(endpoint, video_id))
        except StarVideosAuthenticationError:
            self._good_until = 0.0
            renewed = await read()
            if renewed == endpoint:
                raise
        return await run(calls.poll(renewed, video_id))

    def _keep(self, endpoint: Endpoint) -> Endpoint:
        self._endpoint = endpoint
        self._good_until = time.monotonic() + ENDPOINT_SECONDS * random.uniform(0.8, 1.0)
        return endpoint

    def _keep_old(self, error: Exception) -> Endpoint:
        if self._endpoint is None and isinstance(error, StarVideosError):
            raise error
        if self._endpoint is None:
            what = f"Can't read the connection {self._conn_id!r}: {type(error).__name__}: {error}"
            raise StarVideosConnectionError(what, sent=False) from error
        self._log.warning("Can't read the connection %r again, using it as it was: %s", self._conn_id, error)
        return self._keep(self._endpoint)
