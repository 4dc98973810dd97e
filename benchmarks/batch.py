"""What a batch costs its own process: CPU of reading, checking and recording 10 to 10,000 rows, and memory.

``python -m benchmarks.batch``. Each size in a separate process. No network: what orders and polls cost is measured by
``benchmarks.airflow_batch``. Exits with 1 where the cost of a row grows with their number, or memory is too large.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dev import figures

SIZES = (10, 100, 1000, 10_000)
MAX_GROWTH = 2.0  # CPU of a row among 10,000, against one among 100
MAX_MEMORY_MB = 120.0
PROMPT = "A red kite over the sea, slow pan from left to right, golden hour, no people, number "


class Store:
    """Keeps JSON text, as Airflow does."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def names(self, base: str) -> list[str]:
        """Return the names that begin with a text."""
        return [name for name in self._texts if name.startswith(base)]

    def read(self, name: str) -> Any:
        """Return the object."""
        return json.loads(self._texts[name]) if name in self._texts else None

    def write(self, name: str, value: Any) -> None:
        """Keep the object."""
        self._texts[name] = json.dumps(value)

    def delete(self, name: str) -> None:
        """Keep nothing."""


def resident() -> float:
    """Return this process's peak memory in MB."""
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def child(count: int) -> dict[str, float]:
    """Do everything for so many rows that doesn't go to the network."""
    from airflow_provider_starvideos.batch.manifest import lines
    from airflow_provider_starvideos.batch.plan import Plan
    from airflow_provider_starvideos.batch.rows import digest_of, read_rows
    from airflow_provider_starvideos.batch.sources import read_requests
    from airflow_provider_starvideos.orders.journal import Journal
    from airflow_provider_starvideos.orders.states import OrderState
    from airflow_provider_starvideos.orders.store import journal_name

    log, texts = logging.getLogger("benchmark"), dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests.jsonl"
        rows = ({"prompt": f"{PROMPT}{number}", "duration": 5, "ratio": "16:9"} for number in range(count))
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        read_requests(str(file), None)  # what is imported and connected once isn't what is measured
        memory, cpu, figures = resident(), time.process_time(), {}

        def lap(name: str) -> None:
            nonlocal cpu
            figures[name] = (time.process_time() - cpu) / count * 1e6
            cpu = time.process_time()

        given = read_requests(str(file), None)
        lap("read")
        checked = read_rows(given, {}, "https://example.com")
        digest_of(checked)
        lap("check")
        name = journal_name("dag", "run", "task", -1)
        journal = Journal(Store(texts), name, 1, log)
        journal.load()
        journal.rows = count
        for start in range(0, count, 16):  # as they are ordered: intents, then outcomes with the next intents
            orders = [journal.open(row.key) for row in checked[start : start + 16]]
            for state in (OrderState.SENDING, OrderState.ORDERED):
                for order in orders:
                    order.become(state)
                    order.video_id = f"video_{start:036d}"
                    order.sent_at = time.time()
                journal.touch(orders)
                journal.commit()
        lap("record")
        again = Journal(Store(texts), name, 1, log)
        again.load()
        lap("load")
        plan = Plan({f"video_{number:036d}": 1.8e9 + number for number in range(count)}, 30.0)
        Plan.from_json(json.loads(json.dumps(plan.to_json())))
        lap("plan")
        json.dumps(lines([(row, again.open(row.key)) for row in checked]))
        lap("manifest")
    return {**figures, "memory": resident() - memory, "bytes": float(max(len(text) for text in texts.values()))}


def main() -> int:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=int)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/batch.md")
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child)))
        return 0
    found: dict[int, dict[str, float]] = {}
    for count in SIZES:
        argv = [sys.executable, "-m", "benchmarks.batch", "--child", str(count)]
        output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        found[count] = json.loads(output.splitlines()[-1])
    print("CPU in µs per row")
    for count, one in found.items():
        parts = ", ".join(f"{name} {value:.0f}" for name, value in one.items() if name not in ("memory", "bytes"))
        print(f"{count} rows: {parts}; {one['memory']:.1f} MB; largest value in the store {one['bytes']:.0f} B")
    names = [name for name in found[SIZES[0]] if name not in ("memory", "bytes")]
    sums = {count: sum(one[name] for name in names) for count, one in found.items()}
    small, large = sums[100], sums[10_000]
    if args.write:
        rows = [
            (
                f"{count:,} rows",
                f"{sums[count] / 1000:.2f} ms",
                f"{one['memory']:.0f} MB",
                f"{one['bytes'] / 1000:.1f} KB",
            )
            for count, one in found.items()
        ]
        figures.write("batch.md", "batch", figures.table(("batch", "CPU per row", "memory", "largest Variable"), rows))
    print(f"a row among 10,000 / among 100: {large / small:.2f} (at most {MAX_GROWTH})")
    return int(large / small > MAX_GROWTH or found[10_000]["memory"] > MAX_MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
