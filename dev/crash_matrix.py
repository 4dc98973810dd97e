"""`make crash-matrix`: run the whole crash matrix on a real Airflow, and write what was measured into the docs."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "crash-matrix.jsonl"
DOCS = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- crash matrix: begin -->", "<!-- crash matrix: end -->"
FOLDER = "tests/airflow/crash"
TESTS = (f"{FOLDER}/test_crash_matrix.py", f"{FOLDER}/test_crash_fast.py::test_retry_policy")
WAITS = ("none", "deferred", "blocking")


def measured() -> list[dict[str, Any]]:
    """Return the rows of the last run; of rows that differ by the wait only, the first names all waits."""
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for line in RESULTS.read_text().splitlines():
        row = json.loads(line)
        facts = tuple(row[name] for name in ("what", "billed", "delivered", "told", "tries"))
        waits = rows.setdefault(facts, {**row, "waits": set()})["waits"]
        waits.add(row["wait"])
    return list(rows.values())


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what happened | waiting | billed | delivered | tries | told |", "| --- | --- | --: | --: | --: | --- |"]
    for row in rows:
        waits = ", ".join(wait for wait in WAITS if wait in row["waits"])
        told = row["told"].replace("|", "\\|").strip()
        cells = [row["what"], waits, row["billed"], row["delivered"], row["tries"], told]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between its marks."""
    before, _, rest = DOCS.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> int:
    """Run the tests; write the table only if every row was as it must be."""
    RESULTS.unlink(missing_ok=True)
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", *TESTS, "-m", "crash_matrix or real_airflow", *sys.argv[1:]]
    code = subprocess.run(argv, cwd=ROOT, check=False).returncode
    if code == 0:
        rows = measured()
        write(table(rows))
        count = len(RESULTS.read_text().splitlines())
        print(f"{count} rows in {time.monotonic() - began:.0f} s; written to {DOCS.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
