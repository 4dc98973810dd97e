"""`make crash-matrix`: run the whole crash matrix on a real Airflow, and write what was measured into the docs.

Arguments go to pytest. With ``-k batch``, say, only batches run, and only their table is written.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dev.figures import measured_with

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "crash-matrix.jsonl"
DOCS = ROOT / "docs" / "crash_matrix.md"
FOLDER = "tests/airflow/crash"
TESTS = (
    f"{FOLDER}/test_crash_matrix.py",
    f"{FOLDER}/test_crash_fast.py::test_retry_policy",
    f"{FOLDER}/test_crash_person.py",
    f"{FOLDER}/test_crash_batch.py",
    f"{FOLDER}/test_crash_library.py",
)
WAITS = ("none", "deferred", "blocking", "ended there")

# The columns of the batches' tables.
BATCH = {
    "what": "what happened",
    "rows": "rows",
    "billed": "billed",
    "twice": "billed twice",
    "delivered": "delivered",
    "unconfirmed": "unconfirmed, listed",
    "failed": "failed",
    "lost": "lost",
    "tries": "tries",
    "state": "task",
    "told": "log says",
}


# Of those with a library no row fails, and none is unconfirmed.
WITH_LIBRARY = {name: head for name, head in BATCH.items() if name not in ("unconfirmed", "failed", "told")} | {
    "reused": "reused",
    "library": "`library verify --sha256` says",
    "told": BATCH["told"],
}


def measured() -> dict[str, list[dict[str, Any]]]:
    """Return what the last run has measured, by table."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for line in RESULTS.read_text().splitlines():
        row = json.loads(line)
        tables.setdefault(row["table"], []).append(row)
    return tables


def joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return single orders; of those that differ by the wait only, the first names all waits."""
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        facts = tuple(row[name] for name in ("what", "billed", "delivered", "told", "tries"))
        waits = found.setdefault(facts, {**row, "waits": set()})["waits"]
        waits.add(row["wait"])
    return list(found.values())


def told(row: dict[str, Any]) -> str:
    """Return what the log said, for a cell."""
    return str(row["told"]).replace("|", "\\|").strip()


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| what happened | waiting | billed | delivered | tries | log says |",
        "| --- | --- | --: | --: | --: | --- |",
    ]
    for row in joined(rows):
        waits = ", ".join(wait for wait in WAITS if wait in row["waits"])
        cells = [row["what"], waits, row["billed"], row["delivered"], row["tries"], told(row)]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def batch_table(batches: list[dict[str, Any]], columns: Mapping[str, str] = BATCH) -> str:
    """Return batches as a Markdown table."""
    kinds = ["--:" if isinstance(batches[0][name], int) else "---" for name in columns]
    lines = [f"| {' | '.join(columns.values())} |", f"| {' | '.join(kinds)} |"]
    lines += [
        f"| {' | '.join(str(row[name]) for name in columns if name != 'told')} | {told(row)} |" for row in batches
    ]
    return "\n".join(lines)


TABLES: Mapping[str, Callable[[list[dict[str, Any]]], str]] = {
    "crash matrix": table,
    "person": table,
    "batches": batch_table,
    "libraries": lambda batches: batch_table(batches, WITH_LIBRARY),
}


def write(name: str, text: str) -> None:
    """Put a table between its marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = DOCS.read_text().partition(begin)
    _, _, after = rest.partition(end)
    DOCS.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> int:
    """Run the tests; write the table only if every row was as it must be."""
    RESULTS.unlink(missing_ok=True)
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", *TESTS, "-m", "crash_matrix or real_airflow", *sys.argv[1:]]
    code = subprocess.run(argv, cwd=ROOT, check=False).returncode
    if code == 0:
        stamp = measured_with()  # once: to write a table is a change
        for name, rows in measured().items():
            write(name, f"{stamp}\n\n{TABLES[name](rows)}")
        count = len(RESULTS.read_text().splitlines())
        print(f"{count} rows in {time.monotonic() - began:.0f} s; written to {DOCS.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
