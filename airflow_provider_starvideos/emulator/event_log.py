"""What happened, in order, for tests to wait for instead of sleeping.

Each event has a separate, bounded ring: many polls never push the few ``accepted`` entries out.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

Entry = dict[str, Any]

RING = 20_000  # entries kept of each event


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are wanted."""

    since: int  # only entries with a greater ``seq``
    event: str | None  # only this event; None for all
    match: Mapping[str, object]  # fields that must be equal. ``contains`` is special: a part of the prompt or of the id

    def fits(self, entry: Entry) -> bool:
        """Return whether an entry is one of those."""
        if entry["seq"] <= self.since or (self.event is not None and entry["event"] != self.event):
            return False
        return all(matches(entry, name, value) for name, value in self.match.items())


def matches(entry: Mapping[str, Any], name: str, value: object) -> bool:
    """Return whether a field of an entry has a value. Values from a query string are text, so ``"5"`` equals 5."""
    if name == "contains":
        return any(str(value) in str(entry.get(field, "")) for field in ("prompt", "id"))
    found = entry.get(name)
    return found == value or (not isinstance(found, str) and isinstance(value, str) and json.dumps(found) == value)


class Journal:
    """The entries, and the waits for the next of them. Lives on the event loop, not thread-safe.

    :param size: entries kept of each event.
    """

    def __init__(self, size: int = RING) -> None:
        self._size = size
        self._seq = 0
        self._rings: dict[str, deque[Entry]] = {}
        self._waiting: dict[asyncio.Future[None], Wanted] = {}

    @property
    def seq(self) -> int:
        """The number of the newest entry; 0 before the first."""
        return self._seq

    def add(self, event: str, **fields: Any) -> None:
        """Append an entry. Fields that are None are left out."""
        self._seq += 1
        entry = {"seq": self._seq, "time": time.time(), "event": event}
        entry.update((name, value) for name, value in fields.items() if value is not None)
        self._rings.setdefault(event, deque(maxlen=self._size)).append(entry)
        for future, wanted in self._waiting.items():
            if not future.done() and wanted.fits(entry):
                future.set_result(None)

    def find(self, wanted: Wanted) -> list[Entry]:
        """Return the entries that fit, oldest first."""
        names = [wanted.event] if wanted.event is not None else list(self._rings)
        newest = [_after(self._rings.get(name, ()), wanted.since) for name in names]
        return [entry for entry in heapq.merge(*newest, key=lambda entry: entry["seq"]) if wanted.fits(entry)]

    async def wait(self, wanted: Wanted, seconds: float) -> list[Entry]:
        """Return the entries that fit, as soon as there is one.

        :param wanted: which entries.
        :param seconds: longest wait, seconds.
        :returns: the entries, oldest first; empty if none came in time.
        """
        found = self.find(wanted)
        if found or seconds <= 0:
            return found
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = wanted
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            del self._waiting[future]
        return self.find(wanted)

    def clear(self) -> None:
        """Forget every entry. Numbers go on, so that a waiter's ``since`` stays right."""
        self._rings.clear()


def _after(ring: Sequence[Entry] | deque[Entry], since: int) -> list[Entry]:
    """Return the entries after ``since``, searched from the newest end: readers want the last few."""
    return list(takewhile(lambda entry: entry["seq"] > since, reversed(ring)))[::-1]
