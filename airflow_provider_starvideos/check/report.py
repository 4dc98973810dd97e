"""What the check says in the end: as text, and as JSON that fits into a bug report."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from airflow_provider_starvideos import __version__
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.check.table import Assumption, Finding, Outcome

MARKS = {Outcome.HELD: "  held     ", Outcome.NOT_HELD: "  NOT HELD ", Outcome.UNKNOWN: "  unknown  "}
EXIT_HELD, EXIT_NOT_HELD, EXIT_COULD_NOT_RUN, EXIT_INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Report:
    """Every assumption and what became of it.

    :param evidence: what was asked
    :param rows: assumptions with their findings
    """

    evidence: Evidence
    rows: Sequence[tuple[Assumption, Finding]]

    @property
    def exit_code(self) -> int:
        """0: all held that could be told; 1: some didn't; 2: the check itself failed; 130: Ctrl-C ended it."""
        if self.evidence.facts.get("interrupted"):
            return EXIT_INTERRUPTED
        if "crashed" in self.evidence.facts:
            return EXIT_COULD_NOT_RUN
        wrong = any(finding.outcome is Outcome.NOT_HELD for _, finding in self.rows)
        return EXIT_NOT_HELD if wrong or self.evidence.in_doubt else EXIT_HELD

    @property
    def warnings(self) -> list[str]:
        """What somebody has to look for in the account."""
        evidence = self.evidence
        ordered = [f"A video was ordered, and may be billed: {video_id}." for video_id in evidence.ordered]
        return ordered + [
            f"Nobody can tell whether the {one.label} was accepted (and billed). It wasn't sent again. Look into the "
            f"StarVideos account for a video of that time. It was {evidence.what_to_look_for(one)}"
            for one in evidence.in_doubt
        ]

    def as_text(self) -> str:
        """Return it for people."""
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
        lines.append(", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome))
        if self.evidence.facts.get("interrupted"):
            lines.append("Interrupted: this is what was seen until then.")
        if "crashed" in self.evidence.facts:
            lines.append(f"The check itself failed. Please report it: {self.evidence.facts['crashed']}")
        lines += [f"!!! {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return it for a bug report, without secrets."""
        evidence = self.evidence
        kept = ("wait_seconds", "polls", "ended", "fetched")
        return {
            "provider": __version__,
            "python": platform.python_version(),
            "requests": version("requests"),
            "urllib3": version("urllib3"),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "base_url": evidence.endpoint.base_url,
            "interrupted": bool(evidence.facts.get("interrupted")),
            "crashed": evidence.facts.get("crashed"),
            "ordered": evidence.ordered,
            "in_doubt": [one.label for one in evidence.in_doubt],
            "warnings": self.warnings,
            "video": {name: evidence.facts[name] for name in kept if name in evidence.facts},
            "assumptions": [
                {
                    "name": assumption.name,
                    "holds": assumption.holds,
                    "source": assumption.source,
                    "outcome": finding.outcome.value,
                    "seen": finding.seen,
                    "means": assumption.means,
                }
                for assumption, finding in self.rows
            ],
            "exchanges": [evidence.shown(exchange) for exchange in evidence.exchanges.values()],
        }
