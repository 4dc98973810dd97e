"""The triggers, imported when they are first used: waits in the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_starvideos.triggers.batch import StarVideosBatchTrigger
    from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger
else:
    from airflow_provider_starvideos.lazy import names

    modules = {"StarVideosBatchTrigger": "batch", "StarVideosTaskTrigger": "task"}
    __getattr__, __dir__ = names(__name__, modules)

__all__ = ["StarVideosBatchTrigger", "StarVideosTaskTrigger"]
