"""What an API sees when a triggerer with many waits is killed and started again.

    python -m benchmarks.restart [--waits 1000] [--interval 10]

One process runs that many ``StarVideosTaskTrigger`` against the emulator. It gets SIGKILL, and another one starts them
all again, at once: harder than a real triggerer, which starts a few dozen per second. The emulator's journal shows when
all videos were polled again, and the most requests within a second and at the same time, in the burst and after it.
Exits with 1 where a wait isn't polled again, too many requests are under way at once, or polls stay bunched.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

from airflow_provider_starvideos.emulator import Emulator

MAX_AT_ONCE = 20
LATENCY = 0.1
INTERVALS_AFTER = 3
# Three intervals after the start, the fullest second may have so many times the requests of a mean one.
MOST_BUNCHED = 2.0
KEY = "key-of-the-benchmark"


async def wait_for_all(ids: list[str], interval: float) -> None:
    """Run the triggers, as a triggerer would."""
    from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger

    async def wait(video_id: str) -> None:
        async for event in StarVideosTaskTrigger(video_id, time.time() + 3600, poll_interval=interval).run():
            raise AssertionError(event)

    await asyncio.gather(*(wait(video_id) for video_id in ids))


def start(emulator: Emulator, ids: list[str], interval: float) -> subprocess.Popen[str]:
    """Start a process that waits for all."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": KEY}
    env = os.environ | {"AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection)}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.restart", "--child", str(interval)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(ids))
    process.stdin.close()
    return process


class Seen:
    """What the emulator saw since a moment.

    :param emulator: whose journal
    :param since: its number of the last entry before
    """

    def __init__(self, emulator: Emulator, since: int) -> None:
        asked = emulator.journal(since, event="request", kind="query")
        self.times = [entry["time"] for entry in asked]
        self.ids = [entry["id"] for entry in asked]
        self.begin = self.times[0] if asked else 0.0
        ended = [entry["time"] for entry in emulator.journal(since, event="answered", kind="query")]
        changes = sorted([(at, 1) for at in self.times] + [(at, -1) for at in ended])
        self.most_at_once, under_way = 0, 0
        for _, change in changes:
            under_way += change
            self.most_at_once = max(self.most_at_once, under_way)

    def all_polled_after(self, ids: list[str]) -> float | None:
        """Return the seconds until each was asked for once; None if not."""
        left = set(ids)
        for at, video_id in zip(self.times, self.ids, strict=True):
            left.discard(video_id)
            if not left:
                return at - self.begin
        return None

    def in_a_second(self, first: float, last: float) -> list[int]:
        """Return the requests of each second of a time, counted from the start."""
        found = Counter(int(at - self.begin - first) for at in self.times if first <= at - self.begin < last)
        return [found[second] for second in range(int(last - first))]


def order(emulator: Emulator, waits: int) -> list[str]:
    """Order so many videos."""
    import requests

    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {KEY}"
        url = f"{emulator.base_url}/v1/starvideos/videos"
        body = {"model": "starvideos_o3", "prompt": "wait"}
        return [session.post(url, json=body).json()["id"] for _ in range(waits)]


def main() -> int:
    """Kill, start again, and read the journal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--child", type=float)
    args = parser.parse_args()
    if args.child:
        asyncio.run(wait_for_all(json.loads(sys.stdin.read()), args.child))
        return 0
    with Emulator(seconds="hold", key=KEY, references="off") as emulator:
        ids = order(emulator, args.waits)
        emulator.add_fault(on="query", kind="delay", seconds=LATENCY)
        process = start(emulator, ids, args.interval)
        for wave in ("started", "killed and started again"):
            before = emulator.seq
            if wave != "started":
                process.send_signal(signal.SIGKILL)
                process.wait()
                time.sleep(2 * LATENCY)  # its last requests are still under way
                before = emulator.seq
                process = start(emulator, ids, args.interval)
            emulator.wait_for("request", since=before, timeout=60, kind="query")
            time.sleep(args.interval * (1.2 * INTERVALS_AFTER + 1.5))
            seen = Seen(emulator, before)
            good = report(wave, seen, ids, args.interval)
        process.kill()
        process.wait()
    return int(not good)


def report(wave: str, seen: Seen, ids: list[str], interval: float) -> bool:
    """Print a wave. Return whether it is as it has to be."""
    after = seen.all_polled_after(ids)
    first = seen.in_a_second(0, interval)
    late_begin = interval * 1.2 * INTERVALS_AFTER
    late = seen.in_a_second(late_begin, late_begin + interval)
    bunched = max(late) / (sum(late) / len(late))
    print(f"{wave}: {len(ids)} waits, interval {interval:g} s")
    print(f"  all polled once after   {'never' if after is None else f'{after:.1f} s'}")
    print(f"  most at the same time   {seen.most_at_once} (at most {MAX_AT_ONCE})")
    print(f"  requests each second    {first} at first")
    print(f"                          {late} {INTERVALS_AFTER} intervals later")
    print(f"  fullest / mean second   {bunched:.2f} by then (at most {MOST_BUNCHED})")
    return after is not None and seen.most_at_once <= MAX_AT_ONCE and bunched <= MOST_BUNCHED


if __name__ == "__main__":
    sys.exit(main())
