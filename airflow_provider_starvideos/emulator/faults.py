"""The faults that are set. Decides which of them spoils a request; what each kind does is in ``fault_kinds``."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_starvideos.emulator.event_log import Journal
from airflow_provider_starvideos.emulator.fault_kinds import KINDS, Kind
from airflow_provider_starvideos.emulator.settings import CheckError, integer, number, one_of


class FaultError(ValueError):
    """A fault is invalid. The message says why."""


@dataclass(slots=True)
class Fault:
    """A fault that is set."""

    id: str  # what it is called
    on: str  # ``create``, ``query`` or ``download``
    kind: str  # a name in :data:`KINDS`
    params: dict[str, Any]  # the kind's own parameters
    when: str  # for a create, ``before`` or ``after`` the order is accepted and billed
    times: int | None = None  # how many more requests it spoils; None for all
    rate: float = 1.0  # how likely it spoils a request that it fits, 0 to 1
    match: str | None = None  # only requests with this in their prompt or id
    skip: int = 0  # how many more fitting requests it lets through first
    applied: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def spec(self) -> Kind:
        """The kind's row in the table."""
        return KINDS[self.kind]

    def public(self) -> dict[str, Any]:
        """Return it as JSON types."""
        names = ("on", "kind", "when", "times", "rate", "match", "skip", "applied")
        return {"fault_id": self.id, **{name: getattr(self, name) for name in names}, **self.params}


_COMMON = ("on", "kind", "when", "times", "rate", "match", "skip")


def read_fault(given: Mapping[str, object], fault_id: str) -> Fault:
    """Check a fault.

    :param given: its fields, as in the control API.
    :param fault_id: what to call it.
    :returns: the fault.
    :raises FaultError: it makes no sense.
    """
    name = str(given.get("kind"))
    kind = KINDS.get(name)
    if kind is None:
        raise FaultError(f"kind must be one of {', '.join(KINDS)} (got {given.get('kind')!r})")
    on = _check("on", one_of(*kind.on), given.get("on"))
    times, match = given.get("times"), given.get("match")
    if match is not None and not isinstance(match, str):
        raise FaultError(f"match must be a string or null (got {match!r})")
    try:
        params = kind.read({field: value for field, value in given.items() if field not in _COMMON})
    except ValueError as exc:
        raise FaultError(f"{name}: {exc}") from None
    return Fault(
        id=fault_id,
        on=on,
        kind=name,
        params=params,
        when=_when(given, name, kind, on),
        times=None if times is None else _check("times", integer(0, 10**9), times),
        rate=_check("rate", number(0, 1), given.get("rate", 1.0)),
        match=match,
        skip=_check("skip", integer(0, 10**9), given.get("skip", 0)),
    )


def _when(given: Mapping[str, object], name: str, kind: Kind, on: str) -> str:
    """Read whether a fault comes before or after the acceptance; whatever changes its answer comes after."""
    if "when" not in given:
        return "after" if kind.needs_answer else "before"
    if on != "create":
        raise FaultError("when is for a create only")
    if kind.needs_answer and given["when"] == "before":
        raise FaultError(f"when must be 'after' for {name}: it changes the answer to an accepted order")
    return str(_check("when", one_of("before", "after"), given["when"]))


def _check(name: str, check: Any, value: object) -> Any:
    try:
        return check(value)
    except CheckError as exc:
        raise FaultError(f"{name} must be {exc} (got {value!r})") from None


def parse_fault(text: str) -> dict[str, object]:
    """Read a fault from the command line: ``create:rate_limit:times=2,retry_after=3``, or a JSON object.

    :raises FaultError: it is neither.
    """
    if text.lstrip().startswith("{"):
        try:
            given: dict[str, object] = json.loads(text)
        except ValueError as exc:
            raise FaultError(f"not JSON: {exc}") from None
        return given
    on, _, rest = text.partition(":")
    kind, _, pairs = rest.partition(":")
    fault: dict[str, object] = {"on": on, "kind": kind}
    for pair in filter(None, pairs.split(",")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise FaultError(f"a parameter must be name=value (got {pair!r}); JSON takes values with commas")
        try:
            fault[name] = json.loads(value)
        except ValueError:
            fault[name] = value
    return fault


class Faults:
    """All faults that are set, in order. Lives on the event loop, not thread-safe.

    :param journal: gets an entry for every fault that is applied.
    :param random_source: draws for faults with a rate.
    """

    def __init__(self, journal: Journal, random_source: random.Random) -> None:
        self._journal = journal
        self._random = random_source
        self._faults: dict[str, Fault] = {}
        self._ids = itertools.count(1)

    def add(self, given: Mapping[str, object]) -> str:
        """Set a fault and return its id.

        :raises FaultError: it makes no sense.
        """
        fault = read_fault(given, f"fault-{next(self._ids)}")
        self._faults[fault.id] = fault
        return fault.id

    def all(self) -> list[dict[str, Any]]:
        """Return every fault, spent ones too, as JSON types."""
        return [fault.public() for fault in self._faults.values()]

    def remove(self, fault_id: str | None = None, release: str | None = None) -> int:
        """Remove one fault or all, and let go of the requests that hang on it.

        :param fault_id: which; None for all.
        :param release: ``drop`` or ``answer``: what becomes of hanging requests; None for what the fault says.
        :returns: how many were removed.
        :raises FaultError: release is neither.
        """
        if release is not None:
            _check("release", one_of("drop", "answer"), release)
        gone = [fault for fault in self._faults.values() if fault_id in (None, fault.id)]
        for fault in gone:
            if release is not None and fault.spec.waits == "hang":
                fault.params["release"] = release
            fault.released.set()
            del self._faults[fault.id]
        return len(gone)

    async def choose(self, on: str, when: str | None, video_id: str | None, prompt: str | None) -> Fault | None:
        """Return the fault that spoils a request, if any, having waited as delays and hangs say.

        :param on: ``create``, ``query`` or ``download``.
        :param when: ``before`` or ``after`` for a create; None for any.
        :param video_id: the order's id, if known.
        :param prompt: the order's prompt, if known.
        :raises HungUpError: the request hung and is to be dropped.
        """
        for fault in list(self._faults.values()):
            if fault.on != on or (when is not None and fault.when != when):
                continue
            if not self._applies(fault, video_id, prompt):
                continue
            fields = {"fault": fault.kind, "fault_id": fault.id, "id": video_id, "prompt": prompt}
            self._journal.add("fault", kind=on, **fields)
            if fault.spec.waits is None:
                return fault
            await self._wait(fault)
        return None

    def _applies(self, fault: Fault, video_id: str | None, prompt: str | None) -> bool:
        if fault.times == 0:
            return False
        if fault.match is not None and fault.match not in (prompt or "") and fault.match not in (video_id or ""):
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.rate < 1 and self._random.random() >= fault.rate:
            return False
        if fault.times is not None:
            fault.times -= 1
        fault.applied += 1
        return True

    async def _wait(self, fault: Fault) -> None:
        if fault.spec.waits == "delay":
            await asyncio.sleep(fault.params["seconds"])
            return
        await fault.released.wait()
        if fault.params["release"] == "drop":
            raise HungUpError


class HungUpError(Exception):
    """A hanging request is to be dropped."""
