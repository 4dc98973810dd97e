"""From the operator's arguments to its batch: rows read and checked, the journal loaded, everything put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.batch import manifest
from airflow_provider_starvideos.batch.batch import Batch, Options
from airflow_provider_starvideos.batch.rows import read_rows
from airflow_provider_starvideos.batch.saver import Saving, folder_of
from airflow_provider_starvideos.batch.sources import read_requests
from airflow_provider_starvideos.orders.lease import lease_of
from airflow_provider_starvideos.orders.task_journal import forget_after_success, open_journal
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Limits

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_starvideos.hooks.fixed import FixedHook
    from airflow_provider_starvideos.orders.journal import Journal


def assemble(operator: Any, context: Context, hook: FixedHook, stopping: Callable[[], bool]) -> Batch:
    """Return the batch of the running task instance.

    :param operator: a ``StarVideosBatchOperator``, rendered; its ``destination`` becomes the folder that is meant
    :param context: the task's context
    :param hook: the API
    :param stopping: tells that the task is being ended
    :raises StarVideosValidationError: rows, or the destination, can't be what they should
    :raises StarVideosRecordError: the journal can't be read
    :raises StarVideosError: the requests can't be read, for that reason
    """
    defaults = {name: operator.rendered(name) for name in REQUEST_FIELDS}
    given = read_requests(operator.rendered("requests"), operator.storage_conn_id)
    rows = read_rows(given, defaults, hook.get_conn().base_url)
    journal = open_journal(context, operator.log)
    journal.load()
    forget_after_success(operator, journal)
    options = Options(
        max_orders=operator.max_orders,
        max_submit_concurrency=operator.max_submit_concurrency,
        max_in_flight=operator.max_in_flight,
        max_failures=operator.max_failures,
        retry_failed=operator.retry_failed,
        resubmit=operator.on_unconfirmed == "resubmit",
        poll_interval=operator.poll_interval,
        timeout=operator.timeout,
        save_interval=operator.save_interval,
    )
    return Batch(
        rows,
        journal,
        lease_of(context),
        hook,
        options,
        operator.log,
        saving=_saving(operator, context, hook, journal) if operator.destination else None,
        stopping=stopping,
    )


def manifest_stem(context: Context) -> str:
    """Return the manifest's name without its ending; mapped batches share a folder."""
    index = context["ti"].map_index
    return f"manifest_{index}" if index is not None and index >= 0 else "manifest"


def _saving(operator: Any, context: Context, hook: FixedHook, journal: Journal) -> Saving:
    folder = operator.destination = folder_of(operator.destination)
    conn_id = operator.storage_conn_id
    return Saving(
        hook,
        journal,
        operator.log,
        place=lambda row, video_id: Destination(f"{folder}{row.name or video_id}.mp4", video_id, conn_id),
        manifest=lambda: manifest.place(folder, manifest_stem(context), conn_id),
        if_exists=operator.if_exists,
        limits=Limits(verify=operator.verify),
        concurrency=operator.max_save_concurrency,
    )
