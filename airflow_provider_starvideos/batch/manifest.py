"""The manifest of a batch: what became of each row, as JSON Lines, and as Parquet where pyarrow is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.api.redaction import hide
from airflow_provider_starvideos.exceptions import StarVideosDownloadError
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.storage.destinations import Destination

AMOUNT_DIGITS = 18  # after the point, as many as the API's amounts are read with
CONTENT_TYPES = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}


def lines(rows: Sequence[tuple[Row, Order]]) -> list[dict[str, Any]]:
    """Return the manifest's rows: flat, except ``request``: what the API got, without what may grant access."""
    return [
        {"row": row.number, "name": row.name, "request": hide(row.request.to_wire()), **row_facts(order)}
        for row, order in rows
    ]


def row_facts(order: Order) -> dict[str, Any]:
    """Return a row's columns that come from its order."""
    return {
        "id": order.video_id,
        "status": str(order.state),
        "error": order.error,
        "uri": order.uri,
        "reused_from": order.reused_from,
        "duration": order.duration,
        "amount": order.amount,
        "orders": order.times_ordered,
        "size_bytes": order.size_bytes,
        "sha256": order.sha256,
        "ordered_at": _when(order.sent_at if order.video_id else None),
        "completed_at": _when(order.completed_at),
    }


def destination_of(folder: str, stem: str, conn_id: str | None) -> Destination:
    """Return the destination of the JSON Lines; parameters as in ``write``.

    :raises StarVideosValidationError: the folder can't be a destination
    :raises StarVideosDownloadError: its storage can't be read
    """
    return Destination(f"{folder}{stem}.jsonl", stem, conn_id)


def write(rows: Sequence[tuple[Row, Order]], folder: str, stem: str, conn_id: str | None) -> str:
    """Write the manifest. It replaces an earlier one.

    :param folder: path or storage URI of a folder, with a slash at its end
    :param stem: the file's name without its ending
    :param conn_id: Airflow connection of the storage
    :return: the URI of the JSON Lines
    :raises StarVideosDownloadError: it can't be written
    """
    facts = lines(rows)
    if find_spec("pyarrow"):
        _put(Destination(f"{folder}{stem}.parquet", stem, conn_id), "parquet", facts)
    destination = destination_of(folder, stem, conn_id)
    _put(destination, "jsonl", facts)
    return destination.uri


def _put(destination: Destination, kind: str, facts: list[dict[str, Any]]) -> None:
    with destination.workspace() as part:
        try:
            WRITERS[kind](part, facts)
        except Exception as error:
            raise StarVideosDownloadError(
                f"The manifest {destination.uri} can't be written ({type(error).__name__}: {error})."
            ) from error
        destination.put(part, content_type=CONTENT_TYPES[kind], overwrite=True)


def _write_json_lines(path: Path, facts: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(fact, ensure_ascii=False) + "\n" for fact in facts)


def _write_parquet(path: Path, facts: list[dict[str, Any]]) -> None:
    pyarrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    text, number, moment = pyarrow.string(), pyarrow.float64(), pyarrow.timestamp("ms", tz="UTC")
    columns = {
        "row": pyarrow.int64(),
        **dict.fromkeys(("name", "request", "id", "status", "error", "uri", "reused_from"), text),
        "duration": number,
        "amount": pyarrow.decimal128(38, AMOUNT_DIGITS),
        "orders": pyarrow.int64(),
        "size_bytes": pyarrow.int64(),
        "sha256": text,
        "ordered_at": moment,
        "completed_at": moment,
    }
    rows = [
        fact
        | {"request": json.dumps(fact["request"], ensure_ascii=False)}
        | {"amount": fact["amount"] and _exact(fact["amount"])}
        | {name: fact[name] and datetime.fromisoformat(fact[name]) for name in ("ordered_at", "completed_at")}
        for fact in facts
    ]
    schema = pyarrow.schema([pyarrow.field(name, kind) for name, kind in columns.items()])
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)


WRITERS: Mapping[str, Any] = {"jsonl": _write_json_lines, "parquet": _write_parquet}


def _exact(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal(1).scaleb(-AMOUNT_DIGITS), context=Context(prec=38))


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
