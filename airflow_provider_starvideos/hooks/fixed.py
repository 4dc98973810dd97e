"""The hook for threads: only the task's own thread may ask Airflow for a connection."""

from __future__ import annotations

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.hooks.renewal import Renewal
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook


class FixedHook(StarVideosHook):
    """A hook with an endpoint that was read before.

    :param endpoint: None: it is read now
    """

    def __init__(self, conn_id: str, endpoint: Endpoint | None = None) -> None:
        super().__init__(conn_id)
        self._endpoint = endpoint or self.read_conn()

    def get_conn(self) -> Endpoint:
        """Return the endpoint."""
        return self._endpoint

    def read_conn(self) -> Endpoint:
        """Return the endpoint that the connection describes now. On the task's own thread."""
        return super().get_conn()

    def renew(self) -> None:
        """Read the connection again, on the task's own thread: its key may have changed."""
        self._endpoint = Renewal(self.starvideos_conn_id, self.log, self._endpoint).read(self.read_conn)
