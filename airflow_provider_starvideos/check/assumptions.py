"""What an assumption is, and what the answers of a server can say of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.check.evidence import Evidence, Exchange, NoEvidenceError
from airflow_provider_starvideos.exceptions import StarVideosError

Answer = VideoTask | StarVideosError


class Outcome(StrEnum):
    """Whether an assumption held."""

    HELD = "held"
    NOT_HELD = "not held"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What a test found, and what it saw."""

    outcome: Outcome
    seen: str


@dataclass(frozen=True)
class Assumption:
    """One thing that the provider takes for granted."""

    name: str  # short, for reports
    holds: str
    source: str  # ``documented``, ``observed`` by other clients of this server, or ``assumed``
    decides: str  # what the provider does because of it
    means: str  # what it means for the user if it doesn't hold
    test: Callable[[Evidence], Finding]

    def judge(self, evidence: Evidence) -> Finding:
        """Return what the evidence says of it."""
        try:
            return self.test(evidence)
        except NoEvidenceError as error:
            return Finding(Outcome.UNKNOWN, str(error))


def found(holds: object, seen: str) -> Finding:
    """Return a finding.

    :param holds: true or false; None: this can't be known from what was seen
    """
    if holds is None:
        return Finding(Outcome.UNKNOWN, seen)
    return Finding(Outcome.HELD if holds else Outcome.NOT_HELD, seen)


def answer(label: str, rule: Callable[[Answer], object], *names: str) -> Callable[[Evidence], Finding]:
    """Return a test of one answer.

    :param label: of the exchange
    :param rule: judges the answer as the provider reads it; see ``found`` for what it returns
    :param names: attributes of the answer to show; none: the answer is shown as it came
    """

    def test(evidence: Evidence) -> Finding:
        exchange = evidence.exchange(label)
        read = exchange.read()
        seen = ", ".join(f"{name}: {getattr(read, name, None)}" for name in names)
        return found(rule(read), evidence.redact(seen) or described(evidence, exchange))

    return test


def described(evidence: Evidence, exchange: Exchange) -> str:
    """Return an answer, and how the provider reads it."""
    return f"{evidence.seen(exchange)}; read as {type(exchange.read()).__name__}"
