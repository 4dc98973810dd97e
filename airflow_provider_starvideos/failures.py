"""How an error ends an Airflow task: a permanent one becomes ``AirflowFailException``, which Airflow doesn't retry.

Every other error stays what it is, and the task's ``retries`` apply.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)


@contextmanager
def operator_failures(conn_id: str | None = None) -> Iterator[None]:
    """Let an operator's permanent errors fail the task at once.

    :param conn_id: Airflow connection, for the metric of failed videos
    """
    try:
        yield
    except StarVideosError as error:
        if conn_id and isinstance(error, StarVideosVideoFailedError):
            metrics.count("failed", conn_id)
        if error.permanent:
            raise AirflowFailException(str(error)) from error
        raise


@contextmanager
def sensor_failures(conn_id: str) -> Iterator[None]:
    """Let a sensor's errors end it: a deadline as ``AirflowSensorTimeout``, a failed video without a retry.

    A sensor that waits again for a failed video would fail again.
    """
    try:
        with operator_failures(conn_id):
            yield
    except StarVideosVideoFailedError as error:
        raise AirflowFailException(str(error)) from error
    except StarVideosWaitTimeoutError as error:
        raise AirflowSensorTimeout(str(error)) from error
