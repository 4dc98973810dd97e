"""Ways of waiting for many jobs in one process, and the measuring of one of them; see ``waiting``.

Each way is a coroutine function that waits for one job and never ends. Imports of a way are its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

KEY = "key-of-the-benchmark"
LATE = 0.1  # seconds; a loop that is blocked for longer counts as stalled
STARTS_PER_SECOND = 1000  # A triggerer takes on fewer
TICK = 0.01

Wait = Callable[[int], Awaitable[None]]


def bare(url: str, interval: float) -> Wait:
    """Poll with nothing but a shared session, a loop a video, and json."""
    import aiohttp

    # The session is never closed: it lasts as long as the process.
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=20), headers={"Authorization": f"Bearer {KEY}"}
    )

    async def wait(number: int) -> None:
        while True:
            async with session.get(f"{url}/v1/result/video_{number:032}") as response:
                assert (await response.json())["status"] != "completed"
            await asyncio.sleep(interval * random.uniform(1.0, 1.2))

    return wait


def ours(url: str, interval: float) -> Wait:
    """Wait with the provider's triggers."""
    from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger

    connect("starvideos_default", conn_type="starvideos", host=url, password=KEY)
    return triggers(lambda n: StarVideosTaskTrigger(f"video_{n:032}", time.time() + 3600, poll_interval=interval))


def dbt(url: str, interval: float) -> Wait:
    """Wait with dbt Cloud's trigger, without the TLS that it always uses: in its favour."""
    from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudHook
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    def without_tls(tenant: str, endpoint: str, *_: Any, **__: Any) -> tuple[str, dict[str, Any]]:
        return f"http://{tenant}/api/v2/accounts/{endpoint}", {}

    DbtCloudHook.get_request_url_params = staticmethod(without_tls)
    connect("dbt", conn_type="dbt_cloud", host=url.removeprefix("http://"), login="1", password=KEY)
    return triggers(lambda number: DbtCloudRunJobTrigger("dbt", number, time.time() + 3600, interval, account_id=1))


def openai(url: str, interval: float) -> Wait:
    """Wait with OpenAI's trigger."""
    from airflow.providers.openai.triggers.openai import OpenAIBatchTrigger

    connect("openai", conn_type="openai", host=f"{url}/v1", password=KEY)
    return triggers(lambda number: OpenAIBatchTrigger("openai", f"batch_{number}", interval, timeout=3600))


def anthropic(url: str, interval: float) -> Wait:
    """Wait with Anthropic's trigger."""
    from airflow.providers.anthropic.triggers.batch import AnthropicBatchTrigger

    connect("anthropic", conn_type="anthropic", host=url, password=KEY)
    return triggers(
        lambda number: AnthropicBatchTrigger("anthropic", f"msgbatch_{number}", interval, time.time() + 3600)
    )


WAYS: dict[str, Callable[[str, float], Wait]] = {
    "bare loop": bare,
    "ours": ours,
    "dbt Cloud": dbt,
    "Anthropic": anthropic,
    "OpenAI": openai,
}


def connect(conn_id: str, **connection: str) -> None:
    """Make an Airflow connection."""
    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)


def triggers(make: Callable[[int], Any]) -> Wait:
    """Return the waiting of a kind of trigger."""

    async def wait(number: int) -> None:
        async for event in make(number).run():
            raise AssertionError(event)

    return wait


def counts(url: str) -> dict[str, int]:
    """Ask the stand-in what it has seen."""
    with urllib.request.urlopen(f"{url}/count") as response:
        found: dict[str, int] = json.load(response)
    return found


def peak_kb() -> float:
    """Return the most memory that this process has had. Not ru_maxrss: that counts the starting process, too."""
    status = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in status if line.startswith("VmHWM")))


async def lateness(found: list[float]) -> None:
    """Note how late the loop wakes a sleeper, without the time in which all of the machine's CPUs were busy."""
    schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def starved() -> float:
        return int(os.pread(schedule, 100, 0).split()[1]) / 1e9

    while True:
        before, starved_before = time.perf_counter(), starved()
        await asyncio.sleep(TICK)
        late = time.perf_counter() - before - TICK
        found.append(max(0.0, late - (starved() - starved_before)))


async def measured(way: str, url: str, waits: int, interval: float, seconds: float) -> dict[str, float]:
    """Run a way of waiting for a while.

    :return: ``ms``: CPU per poll, once all have begun; ``kb``: memory per wait; ``stall``: the longest, seconds;
        ``stalls``: how many; ``connections``; ``polls``: in the time that was measured
    """
    wait = WAYS[way](url, interval)
    first = asyncio.create_task(wait(0))  # its imports and first connection aren't what is measured
    await asyncio.sleep(2.0)
    # A full collection walks through all that was imported, 0.15 s for Airflow's modules, whatever the way of waiting.
    # Frozen, they aren't walked through, and what is left is what the waits themselves cost.
    gc.collect()
    gc.freeze()
    memory, late = peak_kb(), list[float]()
    watch = asyncio.create_task(lateness(late))
    tasks = [first]
    while len(tasks) < waits:
        tasks += [asyncio.create_task(wait(len(tasks) + n)) for n in range(min(waits - len(tasks), 20))]
        await asyncio.sleep(20 / STARTS_PER_SECOND)
    await asyncio.sleep(interval * 1.2)
    before, cpu = counts(url), time.process_time()
    await asyncio.sleep(seconds)
    cpu, after = time.process_time() - cpu, counts(url)
    polls = after["polls"] - before["polls"]
    assert not any(task.done() for task in tasks), "a wait ended"
    watch.cancel()
    return {
        "ms": cpu / max(polls, 1) * 1000,
        "kb": (peak_kb() - memory) / waits,
        "stall": max(late),
        "stalls": sum(one > LATE for one in late),
        "connections": after["connections"],
        "polls": polls,
        "expected": waits * seconds / interval / 1.1,
    }


if __name__ == "__main__":
    _, chosen, where, *numbers = sys.argv
    figures = asyncio.run(measured(chosen, where, int(numbers[0]), float(numbers[1]), float(numbers[2])))
    print(json.dumps(figures), flush=True)
    os._exit(0)  # nothing of it has to end well, and thousands of waits take their time
