"""The lineage of tasks for OpenLineage: inputs → video at the API → file. Imported only where OpenLineage is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from airflow.providers.common.compat.openlineage.facet import (
    Dataset,
    OutputDataset,
    OutputStatisticsOutputDatasetFacet,
)
from airflow.providers.openlineage.extractors import OperatorLineage

from airflow_provider_starvideos.api.redaction import HIDDEN, hide_url
from airflow_provider_starvideos.api.values import as_list
from airflow_provider_starvideos.storage.saving import SavedVideo

API_NAMESPACE = "starvideos"
MOST_DATASETS = 1000  # inputs, videos and files of a batch, each: all of them are one event


def of_order(inputs: Iterable[object], video_id: str | None) -> OperatorLineage[Any, Any]:
    """Return the lineage of an order: from its inputs to the video at the API.

    :param inputs: the operator's fields of inputs, each a URL or a list of them, as text too
    """
    given = [str(uri).strip() for one in inputs for uri in as_list(one) or () if uri]
    datasets = [Dataset(*name_of(uri)) for uri in dict.fromkeys(given)]
    return OperatorLineage(inputs=datasets, outputs=[Dataset(API_NAMESPACE, video_id)] if video_id else [])


def of_wait(video_id: str | None) -> OperatorLineage[Any, Any]:
    """Return the lineage of a wait: the video at the API is there from now on."""
    return OperatorLineage(outputs=[Dataset(API_NAMESPACE, video_id)] if video_id else [])


def of_download(saved: SavedVideo | None) -> OperatorLineage[Any, Any]:
    """Return the lineage of a download: from the video at the API to the file, with its size."""
    if saved is None:
        return OperatorLineage()
    video = Dataset(API_NAMESPACE, saved.task.id)
    return OperatorLineage(inputs=[video], outputs=[_file(saved.uri, saved.size_bytes)])


def of_batch(
    inputs: Iterable[str], video_ids: Iterable[str], files: Mapping[str, int | None]
) -> OperatorLineage[Any, Any]:
    """Return the lineage of a batch: from its inputs to the videos at the API and to the saved files.

    :param inputs: URLs of all rows
    :param video_ids: of the completed videos
    :param files: URI → size in bytes
    """
    videos = [Dataset(API_NAMESPACE, video_id) for video_id in islice(video_ids, MOST_DATASETS)]
    saved = [_file(uri, size) for uri, size in islice(files.items(), MOST_DATASETS)]
    given = [Dataset(*name_of(uri)) for uri in islice(dict.fromkeys(inputs), MOST_DATASETS)]
    return OperatorLineage(inputs=given, outputs=[*videos, *saved])


def _file(uri: str, size_bytes: int | None) -> OutputDataset:
    statistics = OutputStatisticsOutputDatasetFacet(size=size_bytes)
    return OutputDataset(*name_of(uri), outputFacets={"outputStatistics": statistics})


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
