"""Which row each order in the journal belongs to, where equal rows were ordered.

Equal rows are as many videos. Where fewer of them are asked for than earlier tries ordered, those that came furthest
are used: a person may have removed a row because one of the videos failed. The others are leftovers.
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


def match(rows: Sequence[Row], orders: Iterable[Order], *, new_try: bool) -> list[Row]:
    """Give each row the key of its order. A leftover is marked as one, and stays one within a try.

    :param rows: in their order, with the keys that ``read_rows`` gave them
    :param orders: all in the journal; their ``leftover`` is set
    :param new_try: a try begins; False: it continues
    """
    known: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        known[fingerprint_of(order.key)].append(order)
    wanted: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: _number(row.key)):
        wanted[fingerprint_of(row.key)].append(row)
    matched = [
        replace(row, key=key)
        for digest, equal in wanted.items()
        for row, key in zip(equal, _keys(digest, len(equal), known[digest], new_try=new_try), strict=True)
    ]
    return sorted(matched, key=lambda row: row.number)


def warn_of_others(rows: Sequence[Row], orders: Iterable[Order], log: Any) -> None:
    """Log what earlier tries ordered, or may have ordered, and this one doesn't ask for.

    :param rows: with their orders' keys
    """
    keys = {row.key for row in rows}
    others = [order for order in orders if order.key not in keys]
    if names := [order.video_id for order in others if order.video_id]:
        log.warning(
            "Earlier tries ordered %d videos that the requests no longer hold. Billed: yes. They aren't used: %s%s.",
            len(names),
            ", ".join(names[:IDS_IN_MESSAGE]),
            ", …" if len(names) > IDS_IN_MESSAGE else "",
        )
    if unresolved := [order for order in others if order.is_unresolved]:
        log.warning(
            "Earlier tries sent %d orders for rows that the requests no longer hold, with unknown outcomes. "
            "Billed: perhaps. Look for them in the StarVideos account.",
            len(unresolved),
        )


def _keys(digest: str, wanted: int, known: Sequence[Order], *, new_try: bool) -> list[str]:
    """Return the keys of so many equal rows: those of the orders that came furthest, then new ones."""
    usable = [order for order in known if new_try or not order.leftover]
    best = sorted(usable, key=lambda order: (FURTHEST_FIRST.index(order.state), _number(order.key)))[:wanted]
    if new_try:
        used = {order.key for order in best}
        for order in known:
            order.leftover = True if order.key not in used else None
    taken = {_number(order.key) for order in known}
    new = (number for number in count(1) if number not in taken)
    numbers = [_number(order.key) for order in best]
    numbers += [next(new) for _ in range(wanted - len(best))]
    return [key_of(digest, number) for number in sorted(numbers)]


def _number(key: str) -> int:
    return int(key.rpartition(".")[2])
