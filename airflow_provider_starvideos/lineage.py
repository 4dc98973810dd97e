"""What OpenLineage is told: inputs → video at the API → file. Imports it only when it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow_provider_starvideos.api.models import VideoRequest
    from airflow_provider_starvideos.storage.saving import SavedVideo

API_NAMESPACE = "starvideos"


def of_order(request: VideoRequest, video_id: str | None) -> Any:
    """Return the lineage of an order: from its inputs to the video at the API."""
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    given = (*request.reference_images, request.first_image, request.last_image, *request.reference_videos)
    inputs = [Dataset(*name_of(uri)) for uri in dict.fromkeys(given) if uri]
    return OperatorLineage(inputs=inputs, outputs=[Dataset(API_NAMESPACE, video_id)] if video_id else [])


def of_wait(video_id: str | None) -> Any:
    """Return the lineage of a wait: the video at the API is there from now on."""
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(outputs=[Dataset(API_NAMESPACE, video_id)] if video_id else [])


def of_download(saved: SavedVideo | None) -> Any:
    """Return the lineage of a download: from the video at the API to the file, with its size."""
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    if saved is None:
        return OperatorLineage()
    facets: dict[str, Any] = {"outputStatistics": OutputStatisticsOutputDatasetFacet(size=saved.size_bytes)}
    file = OutputDataset(*name_of(saved.uri), outputFacets=facets)
    return OperatorLineage(inputs=[Dataset(API_NAMESPACE, saved.task.id)], outputs=[file])


def name_of(uri: str) -> tuple[str, str]:
    """Return namespace and name of a file, as OpenLineage's naming has them; no user, no query: they may be secret."""
    scheme, _, rest = uri.partition("://")
    if scheme in ("file", "local"):
        return "file", rest
    if scheme in ("http", "https"):
        parts = urlsplit(uri)
        return f"{scheme}://{parts.netloc.rpartition('@')[2]}", parts.path
    host, _, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}", path
