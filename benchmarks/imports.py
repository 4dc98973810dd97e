"""What it costs a Dag file to import operators and sensors, on top of ``airflow.sdk``, compared with other providers.

    python -m benchmarks.imports [--rounds 7]

CPU seconds, each import in a new process, in turns, the best of each. Providers that aren't installed are left out
(``make bench-peers`` has them all). Exits with 1 where ours costs more than ``MOST_TIMES`` the standard provider's: its
operators are the plainest that there are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.waiting import installed

MEASURE = """
import sys
from time import process_time
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator, Connection, Context, XComArg, task
before, modules = process_time(), set(sys.modules)
{imports}
print('[%f, %d]' % (process_time() - before, len(set(sys.modules) - modules)))
"""
INFO = """
import sys
from time import process_time
before, modules = process_time(), set(sys.modules)
from {package}.get_provider_info import get_provider_info
get_provider_info()
print('[%f, %d]' % (process_time() - before, len(set(sys.modules) - modules)))
"""
MODULES = {
    "ours": "from airflow_provider_starvideos.operators import batch, create, download\n"
    "from airflow_provider_starvideos.sensors import task",
    "standard": "from airflow.providers.standard.operators import bash, python\n"
    "from airflow.providers.standard.sensors import time",
    "http": "from airflow.providers.http.operators import http\nfrom airflow.providers.http.sensors import http",
    "dbt Cloud": "from airflow.providers.dbt.cloud.operators import dbt\n"
    "from airflow.providers.dbt.cloud.sensors import dbt",
    "OpenAI": "from airflow.providers.openai.operators import openai",
    "Anthropic": "from airflow.providers.anthropic.operators import batch\n"
    "from airflow.providers.anthropic.sensors import batch",
}
PACKAGES = {
    "ours": "airflow_provider_starvideos",
    "standard": "airflow.providers.standard",
    "http": "airflow.providers.http",
    "dbt Cloud": "airflow.providers.dbt.cloud",
    "OpenAI": "airflow.providers.openai",
    "Anthropic": "airflow.providers.anthropic",
}
MOST_TIMES = 1.5


def measured(code: str) -> tuple[float, int]:
    """Run some code in a new process; return the CPU seconds and the number of modules that it has loaded."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout.splitlines()[-1])
    return seconds, modules


def best(codes: dict[str, str], rounds: int) -> dict[str, tuple[float, int]]:
    """Measure each in turns, and return its best."""
    found: dict[str, list[tuple[float, int]]] = {who: [] for who in codes}
    for _ in range(rounds):
        for who, code in codes.items():
            found[who].append(measured(code))
    return {who: min(times) for who, times in found.items()}


def main() -> int:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    others = {who: package.removeprefix("airflow.providers.") for who, package in PACKAGES.items() if who != "ours"}
    present = ["ours", *(who for who, provider in others.items() if installed(provider))]
    imports = best({who: MEASURE.format(imports=MODULES[who]) for who in present}, args.rounds)
    infos = best({who: INFO.format(package=PACKAGES[who]) for who in present}, args.rounds)
    print("              operators and sensors      get_provider_info")
    print("           seconds  modules   ratio    seconds  modules")
    for who in present:
        (seconds, modules), (info, loaded) = imports[who], infos[who]
        ratio = seconds / imports["standard"][0]
        print(f"{who:<9}  {seconds:7.3f}  {modules:7}  {ratio:6.2f}    {info:7.4f}  {loaded:7}")
    if imports["ours"][0] > MOST_TIMES * imports["standard"][0]:
        print(f"MISSED: at most {MOST_TIMES} times the standard provider's")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
