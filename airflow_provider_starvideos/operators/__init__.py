"""Operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
    from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
    from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
else:
    from airflow_provider_starvideos.lazy import names

    modules = {
        "StarVideosBatchOperator": "batch",
        "StarVideosCreateOperator": "create",
        "StarVideosDownloadOperator": "download",
    }
    __getattr__, __dir__ = names(__name__, modules)

__all__ = ["StarVideosBatchOperator", "StarVideosCreateOperator", "StarVideosDownloadOperator"]
