"""What OpenLineage is told: inputs → video at the API → file. Imports it only when it asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.api.redaction import HIDDEN, hide_url

if TYPE_CHECKING:
    from airflow_provider_starvideos.storage.saving import SavedVideo

API_NAMESPACE = "starvideos"


def of_order(inputs: Iterable[Any], video_id: str | None) -> Any:
    """Return the lineage of an order: from its inputs to the video at the API.

    :param inputs: the operator's fields of inputs, each a URL or a list of them, as text too
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_starvideos.api.values import as_list

    given = [str(uri).strip() for one in inputs for uri in as_list(one) or () if uri]
    datasets = [Dataset(*name_of(uri)) for uri in dict.fromkeys(given)]
    return OperatorLineage(inputs=datasets, outputs=[Dataset(API_NAMESPACE, video_id)] if video_id else [])


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
    scheme, _, rest = hide_url(uri).partition("://")
    if scheme in ("file", "local"):
        return "file", rest
    if scheme in ("http", "https"):
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}", (slash + path).removesuffix(f"?{HIDDEN}")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}", path
