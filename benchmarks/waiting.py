"""What a waiting trigger costs, compared with a bare aiohttp loop: CPU per poll, stalls, memory and connections.

    python -m benchmarks.waiting [--waits 400 4000] [--rounds 2] [--peers]

``--peers``: also the triggers of the dbt Cloud, Anthropic and OpenAI providers, where they are installed
(``make bench-peers``). Every way polls the same stand-in server (``standin``), in a separate process; the ways take
turns, and the best of each way's rounds counts. The ratios matter, the times are this machine's.

The interval is 1 s, and longer for many waits, so that there are at most ``MAX_RATE`` polls per second: with more, the
server would be measured. A peer that gets less than half of its polls done, or whose waits end, has reached
its limit and is left out at higher numbers. Exits with 1 where ours misses a target.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

MAX_RATE = 800.0
SECONDS = 8.0
TIMEOUT = 90.0
MAX_CPU_RATIO = 1.3
MAX_MEMORY_RATIO = 2.0
MAX_CONNECTIONS = 20
LEAST_WAITS_FOR_MEMORY = 1000  # fewer fit into the memory that is free after the imports
PEERS = {"dbt Cloud": "dbt.cloud", "Anthropic": "anthropic", "OpenAI": "openai"}

Figures = dict[str, float]


@contextmanager
def stand_in() -> Iterator[str]:
    """Run the stand-in server; give its URL."""
    argv = [sys.executable, "-m", "benchmarks.standin"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def installed(provider: str) -> bool:
    """Return whether a provider can be imported."""
    try:
        return find_spec(f"airflow.providers.{provider}") is not None
    except ModuleNotFoundError:
        return False


def run(way: str, waits: int) -> Figures | None:
    """Measure a way once, in a new process with a new server; None where it doesn't work."""
    interval = max(1.0, waits / MAX_RATE)
    with stand_in() as url:
        argv = [sys.executable, "-m", "benchmarks.ways", way, url, str(waits), str(interval), str(SECONDS)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            print(f"{way} at {waits} waits: not done within {TIMEOUT:g} s", file=sys.stderr)
            return None
    if done.returncode:
        print(f"{way} at {waits} waits: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    if figures["polls"] < figures["expected"] / 2:
        print(f"{way} at {waits} waits: {figures['polls']:.0f} of {figures['expected']:.0f} polls", file=sys.stderr)
        return None
    return figures


def table(waits: int, best: dict[str, Figures | None]) -> None:
    """Print one number of waits."""
    bare = best["bare loop"]
    assert bare is not None
    interval = max(1.0, waits / MAX_RATE)
    print(f"\n{waits} waits, a poll every {interval:g} to {interval * 1.2:g} s")
    print("way          CPU / poll  ratio  memory / wait  ratio  longest stall  stalls  connections")
    for way, found in best.items():
        if found is None:
            print(f"{way:<11}  doesn't work with so many")
            continue
        cpu, memory = found["ms"] / bare["ms"], found["kb"] / max(bare["kb"], 0.1)
        print(
            f"{way:<11}  {found['ms']:7.2f} ms  {cpu:5.2f}  {found['kb']:10.1f} KB  {memory:5.2f}"
            f"  {found['stall'] * 1000:10.0f} ms  {found['stalls']:6.0f}  {found['connections']:11.0f}"
        )


def missed(waits: int, best: dict[str, Figures | None]) -> list[str]:
    """Return what ours misses."""
    bare, ours = best["bare loop"], best["ours"]
    if bare is None or ours is None:
        return [f"{waits} waits: doesn't work"]
    found = {
        f"CPU at most {MAX_CPU_RATIO} times a bare loop's": ours["ms"] <= MAX_CPU_RATIO * bare["ms"],
        f"memory at most {MAX_MEMORY_RATIO:g} times a bare loop's": waits < LEAST_WAITS_FOR_MEMORY
        or ours["kb"] <= MAX_MEMORY_RATIO * bare["kb"],
        "no stall over 100 ms": not ours["stalls"],
        f"at most {MAX_CONNECTIONS} connections": ours["connections"] <= MAX_CONNECTIONS,
    }
    return [f"{waits} waits: {target}" for target, met in found.items() if not met]


def main() -> int:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waits", type=int, nargs="+", default=[400, 4000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peers", action="store_true")
    args = parser.parse_args()
    ways = ["bare loop", "ours"]
    if args.peers:
        ways += [way for way, provider in PEERS.items() if installed(provider)]
    misses: list[str] = []
    for waits in args.waits:
        rounds: dict[str, list[Figures | None]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for way, found in rounds.items():
                if None not in found:
                    found.append(run(way, waits))
        best = {way: None if None in found else least(found) for way, found in rounds.items()}
        table(waits, best)
        misses += missed(waits, best)
        ways = [way for way in ways if best[way] is not None]
    for miss in misses:
        print(f"MISSED: {miss}")
    return int(bool(misses))


def least(found: list[Figures | None]) -> Figures:
    """Return the least of each figure."""
    rounds = [one for one in found if one]
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


if __name__ == "__main__":
    sys.exit(main())
