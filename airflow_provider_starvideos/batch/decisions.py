"""What a person decides about orders of a batch of which nobody can tell whether they were accepted.

The task's error names an Airflow Variable. Its value is ``resubmit``, for all of them, or a JSON object: row number →
the video's id, or ``resubmit``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_starvideos.api.protocol import check_video_id
from airflow_provider_starvideos.batch.book import Book
from airflow_provider_starvideos.batch.entries import Entry, RowState
from airflow_provider_starvideos.batch.rows import Row
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosUnconfirmedError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.ledger.stores import DECISION_PREFIX, variable

RESUBMIT = "resubmit"
ALL = "*"
Rows = Sequence[tuple[Row, Entry]]


def apply_decision(hook: StarVideosHook, book: Book, doubtful: Rows, unknown: Rows, log: Any) -> None:
    """Do what a person has decided about rows, if anything.

    :param hook: the API, to check that videos which are named exist
    :param book: the record
    :param doubtful: the unconfirmed rows
    :param unknown: rows whose video the API didn't know; a decision must name them by their numbers
    :param log: a logger
    :raises StarVideosUnconfirmedError: the decision can't be read, or names a video that isn't there; nothing was sent
    :raises StarVideosError: the API can't be asked for a video that is named
    """
    key = DECISION_PREFIX + book.reference
    text = (variable(key) or "").strip() if doubtful or unknown else ""
    if not text:
        return
    decided = _decided(hook, book, key, text, doubtful, unknown)
    for row, entry, video_id in decided:
        log.warning("Row %d was in doubt; the Variable %s says: %s.", row.number, key, video_id or RESUBMIT)
        entry.become(RowState.ORDERED if video_id else RowState.OPEN)
        entry.video_id = video_id
    # First: were the decision found again, rows that become unconfirmed later would be sent again by it.
    book.renew_reference()
    book.touch(entry for _, entry, _ in decided)
    book.commit()
    with suppress(Exception):
        Variable.delete(key)


def how_to_decide(reference: str) -> str:
    """Return what a person can do about unconfirmed rows.

    :param reference: the batch's
    """
    return (
        f"To go on with unconfirmed rows, look into the StarVideos account, set the Airflow Variable "
        f"{DECISION_PREFIX}{reference} to {RESUBMIT!r}, to order all of them (again), or to JSON such as "
        f'{{"12": "<video id>", "13": "{RESUBMIT}"}} (row number: decision), and clear the task.'
    )


def _decided(
    hook: StarVideosHook, book: Book, key: str, text: str, doubtful: Rows, unknown: Rows
) -> list[tuple[Row, Entry, str | None]]:
    """Return the rows that were decided about, each with its video's id, or None to order it (again)."""
    in_doubt = [*doubtful, *unknown]
    decisions = _read(text, key, {str(row.number) for row, _ in in_doubt})
    if ALL in decisions:
        return [(row, entry, None) for row, entry in doubtful]
    taken = {entry.video_id for entry in book.entries()} - {entry.video_id for _, entry in in_doubt}
    decided: list[tuple[Row, Entry, str | None]] = []
    for row, entry in in_doubt:
        decision = decisions.get(str(row.number), "")
        if decision.lower() == RESUBMIT:
            decided.append((row, entry, None))
        elif decision:
            video_id = _existing(hook, row, decision, key)
            if video_id in taken:
                raise _unusable(f"the Variable {key} gives row {row.number} the video of another row")
            taken.add(video_id)
            decided.append((row, entry, video_id))
    return decided


def _read(text: str, key: str, rows: Collection[str]) -> dict[str, str]:
    if text.lower() == RESUBMIT:
        return {ALL: RESUBMIT}
    try:
        decisions = json.loads(text)
    except ValueError:
        decisions = None
    if not isinstance(decisions, dict) or not all(isinstance(one, str) and one for one in decisions.values()):
        raise _unusable(f"the Variable {key} must be {RESUBMIT!r} or a JSON object of row numbers and decisions")
    decisions = {str(row).strip(): decision.strip() for row, decision in decisions.items()}
    strange = [row for row in decisions if row not in rows]
    if strange:
        raise _unusable(f"the Variable {key} names rows that aren't in doubt: {', '.join(strange)[:200]}")
    return decisions


def _existing(hook: StarVideosHook, row: Row, decision: str, key: str) -> str:
    try:
        return hook.get_video(check_video_id(decision)).id
    except (StarVideosValidationError, StarVideosNotFoundError) as error:
        raise _unusable(f"the Variable {key} names no video for row {row.number}: {error}") from error


def _unusable(what: str) -> StarVideosError:
    return StarVideosUnconfirmedError(f"Nothing was ordered: {what}", what=what)
