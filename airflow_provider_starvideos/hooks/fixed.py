"""The hook for threads: other threads than the task's must not ask Airflow for a connection."""

from __future__ import annotations

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.hooks.renewal import Renewal
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook


class FixedHook(StarVideosHook):
    """A hook whose connection was read before: other threads than the task's must not ask Airflow.

    :param conn_id: Airflow connection of type ``starvideos``
    :param endpoint: what it describes
    """

    def __init__(self, conn_id: str, endpoint: Endpoint) -> None:
        super().__init__(conn_id)
        self._endpoint = endpoint

    def get_conn(self) -> Endpoint:
        """Return the endpoint."""
        return self._endpoint

    def renew(self) -> None:
        """Read the connection again, on the task's own thread: its key may have been exchanged."""
        renewal = Renewal(self.starvideos_conn_id, self.log, self._endpoint)
        self._endpoint = renewal.read(StarVideosHook(self.starvideos_conn_id).get_conn)
