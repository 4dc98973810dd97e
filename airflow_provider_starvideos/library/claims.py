"""Who orders a request that a library doesn't have: one run of several, where the store creates files exclusively.

A claim is a file ``claims/<name>.<number>``. Two rules must not be relaxed: a claim is only ever created where there is
none of that number, and only its owner deletes it. A claim whose time is over is not deleted by others either: they
create the next number. After creating one, a run lists them again, and takes its own back if another one is still
valid: a number may be free because its owner has just deleted it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.library.folder import Folder

CLAIMS = "claims"
FILE = re.compile(r"([0-9a-f]{40})\.([1-9][0-9]{0,8})\.json")
DEAD_SECONDS = 24 * 3600.0
CLOCK_SECONDS = 120.0  # how far the clocks of two workers may be apart


class Claims:
    """The claims of a library, as one task instance sees them.

    :param folder: the library
    :param owner: the task instance: its tries have claims in common
    :param seconds: how long a claim holds
    """

    def __init__(self, folder: Folder, owner: str, seconds: float) -> None:
        self._folder = folder
        self._owner = owner
        self._seconds = seconds
        self._listing = threading.Lock()
        self._seen: dict[str, set[int]] | None = None  # None: not listed yet

    def load(self) -> None:
        """List which claims there are: one request per thousand.

        :raises StarVideosError: the store can't be asked
        """
        self._seen = self._listed()

    def take(self, name: str) -> bool:
        """Claim a request.

        :return: False: another task instance has claimed it
        :raises StarVideosError: the store can't be asked or written
        """
        seen = self._known()
        numbers = sorted(seen.get(name, ()))
        for held_number, held in self._held(name, numbers):
            if held.get("owner") == self._owner:
                self._folder.write(_file(name, held_number), self._document())  # for as long as a new one
                return True
            if _lives(held):
                return False
        number = max(numbers, default=0) + 1
        created = self._folder.write(_file(name, number), self._document(), replaces=False)
        seen.setdefault(name, set()).add(number)
        return created

    def confirm(self, names: set[str]) -> set[str]:
        """Return those of the claims that were just created which hold; the others are taken back. One listing.

        :raises StarVideosError: the store can't be asked
        """
        self.load()
        kept = set()
        for name in names:
            held = dict(self._held(name, self._known().get(name, ())))
            mine = [number for number, one in held.items() if one.get("owner") == self._owner]
            if mine and not any(_lives(one) for number, one in held.items() if number not in mine):
                kept.add(name)
            else:
                self.release(name)
        return kept

    def release(self, name: str) -> None:
        """Delete the claim of a request, if it is this task instance's, and those that it has replaced."""
        with suppress(StarVideosError):  # it ends by itself
            seen = self._known()
            numbers = sorted(seen.get(name, ()))
            held = dict(self._held(name, numbers))
            mine = [number for number, one in held.items() if one.get("owner") == self._owner]
            others = [number for number, one in held.items() if number not in mine and not _lives(one)]
            for number in (*others, *mine) if mine else ():
                self._folder.delete(_file(name, number))
                seen[name].discard(number)

    def remove_dead(self) -> int:
        """Delete the claims whose time was over a day ago: their runs are gone. Return how many.

        :raises StarVideosError: they can't be listed or deleted
        """
        removed = 0
        for name, numbers in self._listed().items():
            for number, claim in self._held(name, numbers):
                until = claim.get("until")
                if not isinstance(until, int | float) or until < time.time() - DEAD_SECONDS:
                    self._folder.delete(_file(name, number))
                    removed += 1
        return removed

    def _known(self) -> dict[str, set[int]]:
        with self._listing:  # videos are saved, and their claims released, by several threads
            if self._seen is None:
                self._seen = self._listed()
            return self._seen

    def _listed(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for file in self._folder.files(CLAIMS):
            if match := FILE.fullmatch(file.name):
                found.setdefault(match[1], set()).add(int(match[2]))
        return found

    def _held(self, name: str, numbers: Iterable[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the claims that are still there. A number that has become free may be another run's by now."""
        for number in numbers:
            data = self._folder.read(_file(name, number))
            if data is not None:
                yield number, _claim(data)

    def _document(self) -> bytes:
        return json.dumps({"format": 1, "owner": self._owner, "until": time.time() + self._seconds}).encode()


def _claim(data: bytes) -> Mapping[str, Any]:
    with suppress(ValueError):
        value = json.loads(data)
        return value if isinstance(value, dict) else {}
    return {}


def _file(name: str, number: int) -> str:
    return f"{CLAIMS}/{name}.{number}.json"


def _lives(claim: Mapping[str, Any]) -> bool:
    until = claim.get("until")
    return isinstance(until, int | float) and time.time() < until + CLOCK_SECONDS
