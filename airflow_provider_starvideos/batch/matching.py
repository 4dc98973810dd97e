"""Which of the entries on record is whose, where equal rows were ordered: the row's, or a leftover.

Equal rows are as many videos. Where fewer of them are asked for than earlier tries ordered, those that came furthest
are used: somebody may have taken a row out because one of the videos failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from airflow_provider_starvideos.orders.record import Order, Row, fingerprint_of, key_of
from airflow_provider_starvideos.orders.states import FURTHEST_FIRST

IDS_IN_MESSAGE = 10


def match(rows: Sequence[Row], entries: Iterable[Order], *, anew: bool) -> list[Row]:
    """Give each row the key of its entry. What is left over is marked so: within a try it stays so.

    :param rows: in their order, with the keys that ``read_rows`` gave them
    :param entries: all that are on record; their ``leftover`` is set
    :param anew: a try begins
    :return: the rows in their order
    """
    known: dict[str, list[Order]] = defaultdict(list)
    for entry in entries:
        known[fingerprint_of(entry.key)].append(entry)
    wanted: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: _number(row.key)):
        wanted[fingerprint_of(row.key)].append(row)
    matched = [
        replace(row, key=key)
        for digest, equal in wanted.items()
        for row, key in zip(equal, _keys(digest, len(equal), known[digest], anew=anew), strict=True)
    ]
    return sorted(matched, key=lambda row: row.number)


def warn_of_others(rows: Sequence[Row], entries: Iterable[Order], log: Any) -> None:
    """Say what earlier tries ordered, or may have ordered, that isn't asked for any more.

    :param rows: with their entries' keys
    :param entries: all that are on record
    :param log: a logger
    """
    keys = {row.key for row in rows}
    others = [entry for entry in entries if entry.key not in keys]
    if names := [entry.video_id for entry in others if entry.video_id]:
        log.warning(
            "Earlier tries of this task ordered %d videos that its requests don't hold any more; they aren't used: "
            "%s%s.",
            len(names),
            ", ".join(names[:IDS_IN_MESSAGE]),
            ", …" if len(names) > IDS_IN_MESSAGE else "",
        )
    if doubtful := [entry for entry in others if entry.is_unresolved]:
        log.warning(
            "Earlier tries of this task sent %d orders for rows that its requests don't hold any more; they may have "
            "been accepted and billed: look into the StarVideos account.",
            len(doubtful),
        )


def _keys(digest: str, wanted: int, known: Sequence[Order], *, anew: bool) -> list[str]:
    """Return the keys of so many equal rows: those of the entries that came furthest, then new ones."""
    usable = [entry for entry in known if anew or not entry.leftover]
    best = sorted(usable, key=lambda entry: (FURTHEST_FIRST.index(entry.state), _number(entry.key)))[:wanted]
    if anew:
        used = {entry.key for entry in best}
        for entry in known:
            entry.leftover = True if entry.key not in used else None
    taken = {_number(entry.key) for entry in known}
    new = (number for number in count(1) if number not in taken)
    numbers = [_number(entry.key) for entry in best]
    numbers += [next(new) for _ in range(wanted - len(best))]
    return [key_of(digest, number) for number in sorted(numbers)]


def _number(key: str) -> int:
    return int(key.rpartition(".")[2])
