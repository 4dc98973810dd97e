"""Known weaknesses in what a constraints file pins, by pip-audit: `python -m dev.audit constraints/airflow-3.3.txt`.

Needs PyPI's vulnerability service, so it is no part of `make check`. Exit status: 0, none is known; 1, some are; 2,
the file isn't one of pins; 3, no source could be asked, so nothing is known (`make` shows the number as "Error 3").

pip-audit takes a package that its service doesn't know for one without weaknesses, so behind a mirror that has no such
service it finds "no known vulnerabilities". Here that counts as not asked.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

WELL, FOUND, UNUSABLE, NOT_ASKED = 0, 1, 2, 3
TOOL = "pip-audit>=2.10,<3"
OPTIONS = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15")
HOME = Path("build/audit")  # where the tool is put where there is no uv


@dataclass(frozen=True)
class Report:
    """What an audit has found.

    :param asked: packages that the service knows
    :param unknown: names of those that it doesn't
    :param weaknesses: one line each
    """

    asked: int
    unknown: list[str]
    weaknesses: list[str]


def pins_of(file: Path) -> list[Requirement]:
    """Return a constraints file's pins.

    :raises ValueError: a line is no pin
    """
    pins = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            pin = Requirement(text)
        except InvalidRequirement as error:
            raise ValueError(f"{file}:{number}: can't be read ({error})") from error
        if [one.operator for one in pin.specifier] != ["=="]:
            raise ValueError(f"{file}:{number}: must be a pin, name==version (got {text!r})")
        pins.append(pin)
    if not pins:
        raise ValueError(f"{file}: holds no pins")
    return pins


def tool() -> list[str]:
    """Return the command of pip-audit, in a separate environment: its dependencies aren't ours."""
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--quiet", "--from", TOOL, "pip-audit"]
    python = HOME / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", TOOL], check=True)
    return [str(python), "-m", "pip_audit"]


def read(output: str) -> Report:
    """Read pip-audit's JSON.

    :raises ValueError: it has none, because it didn't come to an end
    """
    packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    unknown = [str(one["name"]) for one in packages if "skip_reason" in one]
    found = [
        f"{one['name']} {one['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'no version yet'}"
        for one in packages
        for each in one.get("vulns", ())
    ]
    return Report(len(packages) - len(unknown), unknown, sorted(set(found)))


def audit(file: Path, command: Sequence[str]) -> int:
    """Audit a constraints file, print what was found, and return the exit status."""
    try:
        pins = pins_of(file)
    except (OSError, ValueError) as error:
        return _end(UNUSABLE, str(error))
    done = subprocess.run([*command, *OPTIONS, "-r", str(file)], capture_output=True, text=True, check=False)
    try:
        report = read(done.stdout)
    except (ValueError, KeyError, TypeError):
        why = " ".join((done.stderr.strip().splitlines() or ["it said nothing"])[-1].split())
        return _end(NOT_ASKED, f"pip-audit couldn't ask its service, so nothing is known: {why}")
    if not report.asked:
        return _end(
            NOT_ASKED,
            f"the vulnerability service knows none of {len(pins)} packages, so nothing is known: "
            "is the package index within reach, or a mirror of it?",
        )
    for line in report.weaknesses:
        print(line)
    left = f", not {', '.join(report.unknown)}" if report.unknown else ""
    told = f"{file}: {report.asked} packages looked up{left}; {len(report.weaknesses)} known weaknesses"
    return _end(FOUND if report.weaknesses else WELL, told)


def _end(status: int, message: str) -> int:
    print(f"audit: {message}", file=sys.stderr if status else sys.stdout)
    return status


def main() -> int:
    """Audit the file that the command line names."""
    parser = argparse.ArgumentParser(description="Known weaknesses in what a constraints file pins.")
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    try:
        command = tool()
    except (OSError, subprocess.CalledProcessError) as error:
        return _end(NOT_ASKED, f"pip-audit can't be installed, so nothing is known: {error}")
    return audit(file, command)


if __name__ == "__main__":
    sys.exit(main())
