"""What has moved between the supported versions of Airflow, for tests that need it from where it is."""

from __future__ import annotations

try:
    from airflow.sdk.serde import deserialize, serialize
except ModuleNotFoundError:  # before 3.2
    from airflow.serialization.serde import deserialize, serialize
try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # before 3.2
    from airflow.exceptions import AirflowRescheduleException

__all__ = ["AirflowRescheduleException", "deserialize", "serialize"]
