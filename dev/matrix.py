"""`make matrix`: the tests on every supported Airflow and Python, and with the lowest versions that are allowed.

    python -m dev.matrix [--only 3.0 lowest] [--fast] [--keep] [-- pytest arguments]

Each row has a separate environment, which is removed afterwards (``--keep``: it stays, as with ``make test
AIRFLOW=…``). The tests on real Airflow processes run on the oldest and the newest Airflow; ``--fast`` leaves them out.
A row whose Python isn't there is an error, not a skip.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FAST = "not real_airflow and not crash_matrix and not dist"
ALL = "not crash_matrix and not dist"


class Row(NamedTuple):
    """One environment.

    :param airflow: minor version, as in ``constraints/airflow-….txt``; or ``lowest``
    :param python: minor version
    :param real: also the tests on real Airflow processes
    """

    airflow: str
    python: str
    real: bool = False

    @property
    def name(self) -> str:
        """As on the command line and in the table."""
        return self.airflow if self.python == "3.11" else f"{self.airflow}-py{self.python}"

    @property
    def venv(self) -> Path:
        """Where its environment is: the usual one, if that is of this Airflow and of this Python."""
        usual = self.airflow == NEWEST and self.python == HERE
        return USUAL if usual else ROOT / f".venv-{self.name}"


NEWEST = "3.3"
USUAL = ROOT / ".venv"
HERE = "{}.{}".format(*sys.version_info)  # the Python of the usual environment, in which this runs
ROWS = (
    Row("3.0", "3.11", real=True),
    Row("3.1", "3.11"),
    Row("3.2", "3.11"),
    Row("3.3", "3.11", real=True),
    Row("3.3", "3.12"),
    Row("3.3", "3.13"),
    Row("lowest", "3.11"),
)


def find_python(version: str) -> str | None:
    """Return an interpreter: on PATH, of pyenv, or of uv.

    :param version: ``3.12``
    """
    builds = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
    for candidate in (f"python{version}", *map(str, builds)):
        if _is(candidate, version):
            return candidate
    uv = shutil.which("uv")
    if not uv:
        return None
    found = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False).stdout.strip()
    return found if found and _is(found, version) else None


def _is(python: str, version: str) -> bool:
    code = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(row: Row, arguments: Sequence[str], *, fast: bool, keep: bool) -> str:
    """Build a row's environment and run its tests; return how it ended, in a few words."""
    python = find_python(row.python)
    if python is None:
        return f"no Python {row.python}"
    env = os.environ | {"PYTHON": python}
    if row.venv.exists() and not _is(str(row.venv / "bin" / "python"), row.python):
        shutil.rmtree(row.venv)  # of another Python, as `make test AIRFLOW=…` may have left it
    make = ["make", "--no-print-directory", f"AIRFLOW={row.airflow}", f"VENV={row.venv.name}"]
    try:
        if subprocess.run([*make, "venv"], cwd=ROOT, env=env, check=False).returncode:
            return "can't be installed"
        tests = [str(row.venv / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        tests += ["-n", "0" if arguments else "3"]  # as the Makefile does
        marks = ALL if row.real and not fast else FAST
        code = subprocess.run([*tests, "-m", marks, *arguments], cwd=ROOT, env=env, check=False).returncode
        return "passed" if code == 0 else f"failed ({code})"
    finally:
        if not keep and row.venv != USUAL:
            shutil.rmtree(row.venv, ignore_errors=True)


def main() -> int:
    """Run all rows, one after the other; exit with 1 if any didn't pass."""
    parser = argparse.ArgumentParser(description="The tests on every supported Airflow and Python.")
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=[row.name for row in ROWS], help="these rows")
    parser.add_argument("--fast", action="store_true", help="no tests on real Airflow processes")
    parser.add_argument("--keep", action="store_true", help="leave the environments")
    parser.add_argument("--list", action="store_true", help="print the rows, and do nothing")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    given = parser.parse_args()
    rows = [row for row in ROWS if not given.only or row.name in given.only]
    if given.list:
        print(*(row.name for row in rows), sep="\n")
        return 0
    ends: dict[str, str] = {}
    for row in rows:
        print(f"\n=== Airflow {row.airflow}, Python {row.python}", flush=True)
        began = time.monotonic()
        ends[row.name] = run(row, given.pytest, fast=given.fast, keep=given.keep)
        ends[row.name] += f" in {time.monotonic() - began:.0f} s"
    print("\n" + "\n".join(f"{name:12} {end}" for name, end in ends.items()))
    return 0 if all(end.startswith("passed") for end in ends.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
