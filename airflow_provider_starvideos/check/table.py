"""What an assumption is, and what can become of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_starvideos.check.evidence import Evidence, Exchange
from airflow_provider_starvideos.exceptions import StarVideosError


class Outcome(StrEnum):
    """Whether an assumption held."""

    HELD = "held"
    NOT_HELD = "not held"
    UNKNOWN = "can't be told"


@dataclass(frozen=True)
class Finding:
    """What a test found, and what it saw."""

    outcome: Outcome
    seen: str


@dataclass(frozen=True)
class Assumption:
    """One thing that the provider takes for granted.

    :param name: short, for reports
    :param holds: what is assumed
    :param source: ``documented``, ``observed`` by other clients of this server, or ``assumed``
    :param means: what it means for this provider if it doesn't hold
    :param test: looks at the evidence
    :param needs: labels of the exchanges (or names of facts) without which nothing can be told
    """

    name: str
    holds: str
    source: str
    means: str
    test: Callable[[Evidence], Finding]
    needs: Sequence[str] = ()

    def look(self, evidence: Evidence) -> Finding:
        """Return what the evidence says of it."""
        for need in self.needs:
            if need in evidence.facts:
                continue
            exchange = evidence.exchanges.get(need)
            if exchange is None:
                return Finding(Outcome.UNKNOWN, f"not asked: {need}")
            if exchange.response is None:
                return Finding(Outcome.UNKNOWN, evidence.seen(exchange))
        return self.test(evidence)


def judge(holds: object, seen: str) -> Finding:
    """Return a finding."""
    return Finding(Outcome.HELD if holds else Outcome.NOT_HELD, seen)


def reads_as(label: str, *kinds: type[StarVideosError]) -> Callable[[Evidence], Finding]:
    """Return a test: the provider reads that answer as one of these errors."""

    def test(evidence: Evidence) -> Finding:
        exchange = evidence.exchanges[label]
        return judge(isinstance(exchange.read(), kinds), told(evidence, exchange))

    return test


def told(evidence: Evidence, exchange: Exchange) -> str:
    """Return an answer, and what the provider makes of it."""
    return f"{evidence.seen(exchange)}; read as {type(exchange.read()).__name__}"
