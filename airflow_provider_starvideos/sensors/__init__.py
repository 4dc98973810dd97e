"""The sensor, imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
else:
    from airflow_provider_starvideos.lazy import names

    __getattr__, __dir__ = names(__name__, {"StarVideosTaskSensor": "task"})

__all__ = ["StarVideosTaskSensor"]
