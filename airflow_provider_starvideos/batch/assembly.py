"""From the operator's arguments to its batch: rows read and checked, the journal loaded, everything put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.batch import manifest
from airflow_provider_starvideos.batch.batch import Batch
from airflow_provider_starvideos.batch.options import Options
from airflow_provider_starvideos.batch.reuse import Reuse, patterns_of
from airflow_provider_starvideos.batch.rows import read_rows
from airflow_provider_starvideos.batch.saver import Saving, folder_of
from airflow_provider_starvideos.batch.sources import read_requests
from airflow_provider_starvideos.hooks.fixed import FixedHook
from airflow_provider_starvideos.library.claims import Claims
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.orders.installation import installation
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.lease import lease_of
from airflow_provider_starvideos.orders.task_journal import forget_after_success, open_journal
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Limits

CLAIM_SECONDS = 900.0  # that a claim holds beyond a video's deadline: for its saving, and for a retry that begins late


def assemble(operator: Any, context: Context, hook: FixedHook, stopping: Callable[[], bool]) -> Batch:
    """Return the batch of the running task instance.

    :param operator: a ``StarVideosBatchOperator``, rendered; its ``destination`` becomes the folder that is meant
    :param stopping: returns True once the task is being ended
    :raises StarVideosValidationError: rows, or the destination, can't be what they should
    :raises StarVideosRecordError: the journal can't be read
    :raises StarVideosError: the requests can't be read, for that reason
    """
    defaults = {name: operator.rendered(name) for name in (*REQUEST_FIELDS, "variant")}
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
        asks=operator.on_unconfirmed == "ask",
        approval=operator.needed_approval(),
    )
    reuse = _reuse(operator, context, hook, journal)
    return Batch(
        rows,
        journal,
        lease_of(context),
        hook,
        options,
        operator.log,
        saving=_saving(operator, context, hook, journal, reuse) if operator.destination or reuse else None,
        stopping=stopping,
        reuse=reuse,
    )


def manifest_stem(context: Context) -> str:
    """Return the manifest's name without its ending; mapped batches share a folder."""
    index = context["ti"].map_index
    return f"manifest_{index}" if index is not None and index >= 0 else "manifest"


def _reuse(operator: Any, context: Context, hook: FixedHook, journal: Journal) -> Reuse | None:
    if operator.library is None:
        return None
    library = Library(Folder(operator.library, operator.storage_conn_id), operator.log)
    ti = context["ti"]
    made_by = {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
    owner = json.dumps([*made_by.values(), installation()])
    return Reuse(
        library,
        Claims(library.folder, owner, operator.timeout + operator.save_interval + CLAIM_SECONDS),
        journal,
        hook,
        operator.log,
        refresh=patterns_of(operator.refresh) if operator.reuse else ("*",),
        head=operator.library_check == "head",
        poll_interval=operator.poll_interval,
        timeout=operator.timeout,
        made_by=made_by,
        keeps_there=not operator.destination,
    )


def _saving(operator: Any, context: Context, hook: FixedHook, journal: Journal, reuse: Reuse | None) -> Saving:
    folder = operator.destination = folder_of(operator.destination) if operator.destination else None
    conn_id = operator.storage_conn_id
    return Saving(
        hook,
        journal,
        operator.log,
        destination=(lambda row, video_id: Destination(f"{folder}{row.name or video_id}.mp4", video_id, conn_id))
        if folder
        else None,
        manifest=(lambda: manifest.destination_of(folder, manifest_stem(context), conn_id)) if folder else None,
        if_exists=operator.if_exists,
        limits=Limits(verify=operator.verify),
        concurrency=operator.max_save_concurrency,
        reuse=reuse,
    )
