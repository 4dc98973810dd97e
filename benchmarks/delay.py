"""How long after a video is completed its wait knows, and how many polls that takes, for intervals that people use.

    python -m benchmarks.delay [--videos 2000] [--check 30]

A simulation: the provider's own ``api.polling.watch`` on a clock that jumps, against videos whose generation times are
spread as such times are (log-normal, minutes, a long tail). ``--check``: also one point of it in real time, so many
videos against the emulator, which takes a minute.

Then a question: would polls at predicted times do better? ``Predicted`` sleeps after the first poll until a tenth of
the videos seen before were completed, then from quantile to quantile, at least its interval and at most twice of it. It
is compared with plain intervals *at the same number of polls per video*. The answer is no, so the provider doesn't do
it: it gains where times are alike or drift slowly, and loses where they have a long tail or jump.
Exits with 1 where a delay is not what the interval promises.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import math
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from airflow_provider_starvideos.api.flow import Sleep, adrive, drive
from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.api.polling import POLL_JITTER, Poll, watch
from dev import figures

INTERVALS = (5.0, 10.0, 30.0, 60.0)
DAY = 86_400.0
SEEN = 100  # how many videos a prediction remembers; so that it follows a drift
LEAST_SEEN = 10
STEP = 0.2  # of the videos that are still under way, which share a predicted sleep waits for
FIRST = 0.1
CHECK_INTERVAL = 1.0
CHECK_SECONDS = (2.0, 20.0)
TOLERANCE = 0.1


def log_normal(median: float, sigma: float) -> Callable[[float], float]:
    """Return a spread of generation times, seconds; it doesn't change in the course of time (0 to 1)."""
    return lambda _: median * math.exp(random.gauss(0.0, sigma))


SPREADS: dict[str, Callable[[float], float]] = {
    "narrow": log_normal(120.0, 0.2),
    "wide": log_normal(180.0, 0.6),
    "long tail": log_normal(150.0, 1.0),
    "bimodal": lambda _: random.choice([log_normal(90.0, 0.15), log_normal(400.0, 0.15)])(0.0),
    "drift": lambda course: log_normal(80.0 + 320.0 * course, 0.2)(course),
    "jumps": lambda course: log_normal(80.0 if int(course * 10) % 2 else 300.0, 0.2)(course),
}


@dataclass
class Seen:
    """One video's wait.

    :param delay: seconds from its completion to the poll that saw it
    :param polls: how many there were
    """

    delay: float
    polls: int


def plain(seconds: float, interval: float) -> Seen:
    """Wait for a video that takes so long, as the provider does."""
    clock, polls = 0.0, 0

    def perform(step: Poll | Sleep) -> VideoTask | None:
        nonlocal clock, polls
        if isinstance(step, Sleep):
            clock += step.seconds
            return None
        polls += 1
        status = TaskStatus.COMPLETED if clock >= seconds else TaskStatus.PROCESSING
        return VideoTask("video_1", status, video_url="https://files.example/video.mp4")

    drive(watch("video_1", poll_interval=interval, end_time=DAY, now=lambda: clock), perform)
    return Seen(clock - seconds, polls)


class Predicted:
    """Waits whose polls follow the times of the videos before.

    :param interval: the shortest time between two polls, seconds
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def wait(self, seconds: float) -> Seen:
        """Wait for a video that takes so long."""
        clock, polls, before = 0.0, 1, 0.0
        while clock < seconds:
            before = clock
            clock += self._sleep(clock) * (1.0 + POLL_JITTER * random.random())
            polls += 1
        self._learn((before + clock) / 2)  # a real wait knows no better
        return Seen(clock - seconds, polls)

    def _sleep(self, age: float) -> float:
        at = bisect.bisect(self._sorted, age)
        left = len(self._sorted) - at
        if len(self._sorted) < LEAST_SEEN or not left:
            return self.interval
        until = self._sorted[at + int(left * (STEP if age else FIRST))] - age
        return max(self.interval, min(until, 2 * self.interval) if age else until)

    def _learn(self, seconds: float) -> None:
        self._recent.append(seconds)
        bisect.insort(self._sorted, seconds)
        if len(self._recent) > SEEN:
            del self._sorted[bisect.bisect_left(self._sorted, self._recent.popleft())]


def means(found: Iterable[Seen]) -> tuple[float, float, float]:
    """Return mean delay, 95th percentile of the delay, and polls per video."""
    seen = list(found)
    delays = sorted(one.delay for one in seen)
    return statistics.fmean(delays), delays[int(len(delays) * 0.95)], statistics.fmean(one.polls for one in seen)


def times(spread: str, videos: int) -> list[float]:
    """Return the generation times of videos one after the other; the same at each call."""
    random.seed(f"{spread} of the benchmark")
    return [SPREADS[spread](number / videos) for number in range(videos)]


def interval_with(polls: float, durations: list[float]) -> float:
    """Return the plain interval that takes so many polls per video."""
    low, high = 0.5, 600.0
    for _ in range(12):
        middle = math.sqrt(low * high)
        few = means(plain(seconds, middle) for seconds in durations)[2] < polls
        low, high = (low, middle) if few else (middle, high)
    return math.sqrt(low * high)


def show_plain(videos: int) -> tuple[bool, dict[float, list[tuple[float, float]]]]:
    """Print delay and polls of plain intervals.

    :return: whether they are what an interval promises; and delay and polls of each spread, by interval
    """
    print("spread     interval  mean delay  95 % within  polls per video")
    good = True
    found: dict[float, list[tuple[float, float]]] = {interval: [] for interval in INTERVALS}
    for spread in SPREADS:
        durations = times(spread, videos)
        for interval in INTERVALS:
            mean, most, polls = means(plain(seconds, interval) for seconds in durations)
            print(f"{spread:<9}  {interval:6.0f} s  {mean:8.1f} s  {most:9.1f} s  {polls:13.1f}")
            found[interval].append((mean, polls))
            longest = interval * (1.0 + POLL_JITTER)
            good = good and mean < longest / 2 * (1 + TOLERANCE) and most <= longest
    return good, found


def span(values: Sequence[float]) -> str:
    """Return the smallest and the largest of some numbers, rounded."""
    low, high = round(min(values)), round(max(values))
    return str(low) if low == high else f"{low}–{high}"


def write_plain(found: dict[float, list[tuple[float, float]]]) -> None:
    """Put the range over all spreads into the documentation."""
    rows = []
    for interval, seen in found.items():
        delays, polls = zip(*seen, strict=True)
        rows.append((f"{interval:g} s", f"{span(delays)} s", span(polls)))
    figures.write("performance.md", "delay", figures.table(("interval", "late on average", "polls per video"), rows))


def show_predicted(videos: int) -> None:
    """Print what predictions would gain."""
    print("\nspread     interval  predicted: delay, polls    plain: delay at the same polls (interval)    gain")
    for spread in SPREADS:
        durations = times(spread, videos)
        for interval in INTERVALS:
            predicted = Predicted(interval)
            delay, _, polls = means(predicted.wait(seconds) for seconds in durations)
            same = interval_with(polls, durations[:: max(1, videos // 500)])
            plain_delay = means(plain(seconds, same) for seconds in durations)[0]
            print(
                f"{spread:<9}  {interval:6.0f} s  {delay:16.1f} s  {polls:5.1f}"
                f"  {plain_delay:26.1f} s  ({same:5.1f} s)  {1 - delay / plain_delay:13.0%}"
            )


async def in_real_time(videos: int) -> list[Seen]:
    """Wait for videos of the emulator, at once, with the hook."""
    from airflow_provider_starvideos.api import calls
    from airflow_provider_starvideos.api.protocol import Endpoint
    from airflow_provider_starvideos.api.validation import build_request
    from airflow_provider_starvideos.clients.aio import AioClient
    from airflow_provider_starvideos.emulator import Emulator

    with Emulator(seconds="hold") as emulator:
        endpoint = Endpoint(emulator.base_url, emulator.key)

        async def wait(transport: AioClient, seconds: float) -> Seen:
            polls = 0

            async def perform(step: Poll | Sleep) -> VideoTask | None:
                nonlocal polls
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                    return None
                polls += 1
                return await transport.run(calls.query(endpoint, step.video_id))

            def finish() -> None:
                emulator.finish(video.id)
                done.append(time.monotonic())

            video = await transport.run(calls.create(endpoint, build_request(prompt="fox")))
            done: list[float] = []
            asyncio.get_running_loop().call_later(seconds, finish)
            await adrive(watch(video.id, poll_interval=CHECK_INTERVAL, end_time=time.time() + 3600), perform)
            return Seen(time.monotonic() - done[0], polls)

        async with AioClient() as transport:
            return await asyncio.gather(*(wait(transport, random.uniform(*CHECK_SECONDS)) for _ in range(videos)))


def show_check(videos: int) -> bool:
    """Print one point in real time next to the simulation. Return whether they agree."""
    real = means(asyncio.run(in_real_time(videos)))
    low, high = CHECK_SECONDS
    simulated = means(plain(low + (high - low) * number / 2000, CHECK_INTERVAL) for number in range(2000))
    print(f"\nin real time, {videos} videos of {low:g} to {high:g} s, interval {CHECK_INTERVAL:g} s:")
    for name, (mean, most, polls) in {"emulator": real, "simulated": simulated}.items():
        print(f"{name:<9}  mean delay {mean:.2f} s, 95 % within {most:.2f} s, {polls:.1f} polls per video")
    deviation = 3 * CHECK_INTERVAL / math.sqrt(12 * videos)
    return abs(real[0] - simulated[0]) < deviation + 0.1 * CHECK_INTERVAL


def main() -> int:
    """Simulate, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--check", type=int, default=30)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    args = parser.parse_args()
    good, found = show_plain(args.videos)
    if args.write:
        write_plain(found)
    show_predicted(args.videos)
    agrees = not args.check or show_check(args.check)
    for text, met in {"delays are what the interval promises": good, "real time agrees": agrees}.items():
        if not met:
            print(f"MISSED: {text}")
    return int(not (good and agrees))


if __name__ == "__main__":
    sys.exit(main())
