"""The hook: turns an Airflow connection into calls of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
else:
    from airflow_provider_starvideos.lazy import names

    __getattr__, __dir__ = names(__name__, {"StarVideosHook": "starvideos"})

__all__ = ["StarVideosHook"]
