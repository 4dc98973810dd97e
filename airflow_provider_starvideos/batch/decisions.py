"""What a person decides about orders of a batch of which nobody can tell whether they were accepted.

The task's error names an Airflow Variable. Its value is ``resubmit``, for all of them, or a JSON object: row number →
the video's id, or ``resubmit``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def apply_decision(hook: StarVideosHook, book: Book, doubtful: Sequence[tuple[Row, Entry]], log: Any) -> None:
    """Do what a person has decided about unconfirmed rows, if anything.

    :param hook: the API, to check that videos which are named exist
    :param book: the record
    :param doubtful: the unconfirmed rows
    :param log: a logger
    :raises StarVideosUnconfirmedError: the decision can't be read, or names a video that isn't there; nothing was sent
    :raises StarVideosError: the API can't be asked for a video that is named
    """
    key = DECISION_PREFIX + book.reference
    text = (variable(key) or "").strip() if doubtful else ""
    if not text:
        return
    decisions = _read(text, key)
    changed = []
    for row, entry in doubtful:
        decision = decisions.get(str(row.number), decisions.get("*"))
        if decision is None:
            continue
        if decision.lower() == RESUBMIT:
            entry.become(RowState.OPEN)
        else:
            entry.video_id = _existing(hook, row, decision, key)
            entry.become(RowState.ORDERED)
        log.warning("Row %d was unconfirmed; the Variable %s says: %s.", row.number, key, decision)
        changed.append(entry)
    # First: were the decision found again, rows that become unconfirmed later would be sent again by it.
    book.renew_reference()
    book.touch(changed)
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


def _read(text: str, key: str) -> Mapping[str, str]:
    if text.lower() == RESUBMIT:
        return {"*": RESUBMIT}
    try:
        decisions = json.loads(text)
    except ValueError:
        decisions = None
    if not isinstance(decisions, dict) or not all(isinstance(one, str) and one for one in decisions.values()):
        raise _unusable(f"the Variable {key} must be {RESUBMIT!r} or a JSON object of row numbers and decisions")
    return {str(row).strip(): decision.strip() for row, decision in decisions.items()}


def _existing(hook: StarVideosHook, row: Row, decision: str, key: str) -> str:
    try:
        return hook.get_video(check_video_id(decision)).id
    except (StarVideosValidationError, StarVideosNotFoundError) as error:
        raise _unusable(f"the Variable {key} names no video for row {row.number}: {error}") from error


def _unusable(what: str) -> StarVideosError:
    return StarVideosUnconfirmedError(f"Nothing was ordered: {what}", what=what)
