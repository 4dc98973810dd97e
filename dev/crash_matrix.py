"""`make crash-matrix`: run the whole crash matrix on a real Airflow, and write what was measured into the docs.

Arguments go to pytest. With ``-k batch``, say, only batches run, and only their table is written.
"""

import json
import subprocess
import sys
import time
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
    f"{FOLDER}/test_crash_batch.py",
)
WAITS = ("none", "deferred", "blocking", "ended there")


# The columns of the batches' table.
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


def measured() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the last run's rows, and its batches; of rows that differ by the wait only, the first names all waits."""
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    batches: list[dict[str, Any]] = []
    for line in RESULTS.read_text().splitlines():
        row = json.loads(line)
        if "rows" in row:
            batches.append(row)
            continue
        facts = tuple(row[name] for name in ("what", "billed", "delivered", "told", "tries"))
        waits = rows.setdefault(facts, {**row, "waits": set()})["waits"]
        waits.add(row["wait"])
    return list(rows.values()), batches


def told(row: dict[str, Any]) -> str:
    """Return what the log said, for a cell."""
    return str(row["told"]).replace("|", "\\|").strip()


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| what happened | waiting | billed | delivered | tries | log says |",
        "| --- | --- | --: | --: | --: | --- |",
    ]
    for row in rows:
        waits = ", ".join(wait for wait in WAITS if wait in row["waits"])
        cells = [row["what"], waits, row["billed"], row["delivered"], row["tries"], told(row)]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def batch_table(batches: list[dict[str, Any]]) -> str:
    """Return the batches as a Markdown table."""
    kinds = ["--:" if isinstance(batches[0][name], int) else "---" for name in BATCH]
    lines = [f"| {' | '.join(BATCH.values())} |", f"| {' | '.join(kinds)} |"]
    lines += [f"| {' | '.join(str(row[name]) for name in BATCH if name != 'told')} | {told(row)} |" for row in batches]
    return "\n".join(lines)


def write(name: str, text: str) -> None:
    """Put a table between its marks, with what it was measured with."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = f"{measured_with()}\n\n{text}"
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
        rows, batches = measured()
        if rows:
            write("crash matrix", table(rows))
        if batches:
            write("batches", batch_table(batches))
        count = len(RESULTS.read_text().splitlines())
        print(f"{count} rows in {time.monotonic() - began:.0f} s; written to {DOCS.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
