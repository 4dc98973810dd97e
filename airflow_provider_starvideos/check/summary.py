"""The report of the check: as text, and as JSON for a bug report. Decides the exit status."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from airflow_provider_starvideos import __version__
from airflow_provider_starvideos.check.assumptions import Assumption, Finding, Outcome
from airflow_provider_starvideos.check.evidence import Evidence

MARKS = {Outcome.HELD: "  held     ", Outcome.NOT_HELD: "  NOT HELD ", Outcome.UNKNOWN: "  unknown  "}
EXIT_HELD, EXIT_NOT_HELD, EXIT_COULD_NOT_RUN, EXIT_INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Report:
    """Every assumption and what became of it."""

    evidence: Evidence
    rows: Sequence[tuple[Assumption, Finding]]

    @property
    def exit_code(self) -> int:
        """0: none is known not to hold. 1: one doesn't hold. 2: the check itself failed. 130: the user ended it."""
        if self.evidence.interrupted:
            return EXIT_INTERRUPTED
        if self.evidence.crashed:
            return EXIT_COULD_NOT_RUN
        wrong = any(finding.outcome is Outcome.NOT_HELD for _, finding in self.rows)
        return EXIT_NOT_HELD if wrong or self.evidence.unconfirmed else EXIT_HELD

    @property
    def warnings(self) -> list[str]:
        """What the user has to search for in the account."""
        evidence = self.evidence
        ordered = [f"A video was ordered, and may be billed: {video_id}." for video_id in evidence.ordered]
        return ordered + [
            f"The outcome of the {one.label} is unknown. Billed: perhaps once. It wasn't sent again. Look into the "
            f"StarVideos account for a video of that time. It was {evidence.what_to_look_for(one)}"
            for one in evidence.unconfirmed
        ]

    def as_text(self) -> str:
        """Return the report for people."""
        lines = [
            f"StarVideos at {self.evidence.endpoint.base_url}, as airflow-provider-starvideos {__version__} sees it"
        ]
        for assumption, finding in self.rows:
            lines.append(f"{MARKS[finding.outcome]} {assumption.name:<16} {assumption.holds} [{assumption.source}]")
            if finding.outcome is not Outcome.HELD:
                lines.append(f"{'':13}saw:   {finding.seen}")
            if finding.outcome is Outcome.NOT_HELD:
                lines.append(f"{'':13}means: {assumption.means}")
        counts = Counter(finding.outcome for _, finding in self.rows)
        lines.append(", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome))
        if self.evidence.interrupted:
            lines.append("Interrupted: this is what was seen until then.")
        if self.evidence.crashed:
            lines.append(f"The check itself failed. Please report it: {self.evidence.crashed}")
        lines += [f"!!! {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the report for a bug report, without secrets."""
        evidence = self.evidence
        video = {"wait_seconds": evidence.wait_seconds, "ended": evidence.wait_error, "polls": len(evidence.polls)}
        return {
            "provider": __version__,
            "python": platform.python_version(),
            "requests": version("requests"),
            "urllib3": version("urllib3"),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "base_url": evidence.endpoint.base_url,
            "interrupted": evidence.interrupted,
            "crashed": evidence.crashed,
            "ordered": evidence.ordered,
            "unconfirmed": [one.label for one in evidence.unconfirmed],
            "warnings": self.warnings,
            "video": video | {"fetched": evidence.fetched},
            "assumptions": [
                {
                    "name": assumption.name,
                    "holds": assumption.holds,
                    "source": assumption.source,
                    "decides": assumption.decides,
                    "outcome": finding.outcome.value,
                    "seen": finding.seen,
                    "means": assumption.means,
                }
                for assumption, finding in self.rows
            ],
            "exchanges": [evidence.shown(exchange) for exchange in evidence.exchanges.values()],
        }
