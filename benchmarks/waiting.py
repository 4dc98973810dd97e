"""What a waiting trigger costs: CPU per poll, stalls of the loop, memory and connections, against a bare aiohttp loop.

``python -m benchmarks.waiting --waits 400``. Both poll the same local server in turns, each in a process of its own;
the ratios matter, the times are this machine's. Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from typing import Any

import aiohttp

from airflow_provider_starvideos.emulator import Emulator

INTERVAL = 1.0
SECONDS = 15.0
MAX_CPU_RATIO = 1.3
MAX_MEMORY_RATIO = 2.0
MAX_STALL = 0.1


async def stalls(found: list[float]) -> None:
    """Note how late the loop wakes a sleeper of 10 ms."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        found.append(time.perf_counter() - before - 0.01)


async def bare(ids: list[str], base_url: str, key: str) -> None:
    """Poll with nothing but a shared session, a loop a video, and json."""
    connector = aiohttp.TCPConnector(limit=20)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {key}"}) as session:

        async def wait(video_id: str) -> None:
            while True:
                async with session.get(f"{base_url}/v1/result/{video_id}") as response:
                    assert (await response.json())["status"] != "completed"
                await asyncio.sleep(INTERVAL * random.uniform(1.0, 1.2))

        await asyncio.gather(*(wait(video_id) for video_id in ids))


async def ours(ids: list[str], base_url: str, key: str) -> None:
    """Wait with the provider's triggers."""
    from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger

    async def wait(video_id: str) -> None:
        trigger = StarVideosTaskTrigger(video_id, time.time() + 3600, poll_interval=INTERVAL)
        async for event in trigger.run():
            raise AssertionError(event)

    await asyncio.gather(*(wait(video_id) for video_id in ids))


async def measured(run: Any, ids: list[str], base_url: str, key: str) -> dict[str, float]:
    """Run a way of waiting for a while, and return its figures after the first round of polls."""
    import airflow_provider_starvideos.triggers.engine  # imports aren't what is measured
    import airflow_provider_starvideos.triggers.task  # noqa: F401

    before = resident()
    waits = asyncio.create_task(run(ids, base_url, key))
    await asyncio.sleep(3)
    late: list[float] = []
    watch = asyncio.create_task(stalls(late))
    cpu = time.process_time()
    await asyncio.sleep(SECONDS)
    cpu = time.process_time() - cpu
    memory = resident() - before
    waits.cancel()
    watch.cancel()
    await asyncio.gather(waits, watch, return_exceptions=True)
    return {"cpu": cpu, "stall": max(late), "kb": memory / len(ids)}


def resident() -> float:
    """Return this process's peak memory in KB."""
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def child(way: str, ids: list[str], emulator: Emulator) -> dict[str, float]:
    """Measure one way of waiting in a new process."""
    connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
    env = os.environ | {"AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection)}
    polls, connections = emulator.requests["query"], emulator.connections
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.waiting", "--child", way],
        input=json.dumps([ids, emulator.base_url, emulator.key]),
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    polls = emulator.requests["query"] - polls
    # The server counts the three seconds before the measurement too.
    figures["ms"] = figures["cpu"] / (polls * SECONDS / (SECONDS + 3)) * 1000
    figures["connections"] = emulator.connections - connections
    return figures


def main() -> int:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=["bare", "ours"])
    args = parser.parse_args()
    if args.child:
        given = json.loads(sys.stdin.read())
        print(json.dumps(asyncio.run(measured(bare if args.child == "bare" else ours, *given))))
        return 0
    rounds: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
    with Emulator(seconds="hold", key="key-of-the-benchmark") as emulator:
        import requests

        headers = {"Authorization": f"Bearer {emulator.key}"}
        body = {"model": "starvideos_o3", "prompt": "wait"}
        with requests.Session() as session:
            url = f"{emulator.base_url}/v1/starvideos/videos"
            ids = [session.post(url, json=body, headers=headers).json()["id"] for _ in range(args.waits)]
        for _ in range(args.rounds):
            for way, found in rounds.items():
                found.append(child(way, ids, emulator))
    best = {way: {name: min(one[name] for one in found) for name in found[0]} for way, found in rounds.items()}
    print(f"{args.waits} waits, {args.rounds} rounds, best of each")
    for way, figures in best.items():
        print(
            f"{way}: {figures['ms']:.2f} ms CPU a poll, {figures['kb']:.0f} KB a wait, "
            f"longest stall {figures['stall'] * 1000:.0f} ms, {figures['connections']:.0f} connections"
        )
    cpu, memory = (best["ours"][name] / best["bare"][name] for name in ("ms", "kb"))
    print(f"ours / bare: CPU {cpu:.2f} (at most {MAX_CPU_RATIO}), memory {memory:.2f} (at most {MAX_MEMORY_RATIO})")
    return int(cpu > MAX_CPU_RATIO or memory > MAX_MEMORY_RATIO or best["ours"]["stall"] > MAX_STALL)


if __name__ == "__main__":
    sys.exit(main())
