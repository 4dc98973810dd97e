"""How fast a video is saved, and how much memory that takes; compared with curl and s3fs in the same run.

    python -m benchmarks.storage [--megabytes 512] [--rounds 5] [--large 2048]

Rounds of the two take turns, and the best of each is compared: a busy machine slows both. Exits with 1 where a
target is missed. Needs curl, s3fs and moto.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Fetch
from airflow_provider_starvideos.storage.guard import Guard
from tests.storage.buckets import S3

ROOT = Path(__file__).parents[1]
KEY = "benchmark-key"
MEGABYTE = 1_000_000
SMALL = 2
LEAST_RATIO = 0.9
MOST_MORE_MEMORY = 64
LOG = logging.getLogger("benchmarks.storage")
SAVE = """
import logging, sys
from pathlib import Path
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage.fetch import Limits
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.saving import save
target = Destination(sys.argv[2], sys.argv[1])
saved = save(StarVideosHook(), sys.argv[1], target, if_exists="overwrite", limits=Limits(), log=logging)
# Not ru_maxrss: that counts what the starting process held, too.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(saved.size_bytes, peak.split()[1])
"""


class Server:
    """An emulator in a separate process, with one finished video of any size."""

    def __init__(self, folder: Path) -> None:
        ready = folder / "emulator.json"
        options = ["--port", "0", "--seconds", "0", "--key", KEY, "--ready-file", str(ready)]
        argv = [sys.executable, "-m", "airflow_provider_starvideos.emulator", *options]
        self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not ready.exists() or not ready.read_text():
            if self.process.poll() is not None:
                raise RuntimeError("the emulator has ended")
            time.sleep(0.05)
        self.info: dict[str, Any] = json.loads(ready.read_text())
        body = {"model": "starvideos_o3", "prompt": "a benchmark"}
        order = requests.post(f"{self.base_url}/v1/starvideos/videos", json=body, headers=self._auth, timeout=30)
        self.video_id: str = order.json()["id"]
        while not self.url():
            time.sleep(0.1)
        requests.head(self.url(), timeout=60)  # it draws the video when it is asked for first

    @property
    def base_url(self) -> str:
        """What a client takes for the vendor's base URL."""
        return str(self.info["base_url"])

    @property
    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}

    def url(self) -> str:
        """Return a fresh URL of the video, once it is finished."""
        answer = requests.get(f"{self.base_url}/v1/result/{self.video_id}", headers=self._auth, timeout=30)
        return str(answer.json()["video_url"] or "")

    def resize(self, megabytes: int) -> None:
        """Make the video that large."""
        settings = {"pad_bytes": megabytes * MEGABYTE}
        requests.patch(f"{self.info['url']}/_control/settings", json=settings, timeout=30).raise_for_status()


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int, megabytes: int) -> float:
    """Run both by turns, print the best of each, and return ours relative to theirs, as throughput."""
    best = [float("inf"), float("inf")]
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            best[which] = min(best[which], timed((ours, theirs)[which]))
    ratio = best[1] / best[0]
    print(f"{name:34} {megabytes / best[0]:7.0f} MB/s   the other {megabytes / best[1]:7.0f} MB/s   ratio {ratio:.2f}")
    return ratio


def local_speed(server: Server, folder: Path, rounds: int, megabytes: int) -> float:
    """Compare a transfer to the disk, checked and hashed, with curl's."""
    guard, url = Guard(server.base_url), server.url()

    def ours() -> None:
        Fetch(lambda: url, folder / "ours", guard, LOG).run()

    def theirs() -> None:
        subprocess.run(["curl", "-sS", "-o", str(folder / "theirs"), url], check=True)

    ratio = compare("to a local file, compared with curl -o", ours, theirs, rounds, megabytes)
    for name in ("ours", "theirs"):
        (folder / name).unlink()
    return ratio


def upload_speed(s3: S3, folder: Path, rounds: int, megabytes: int) -> float:
    """Compare an upload with s3fs's own."""
    part = folder / "part"
    with part.open("wb") as file:
        for _ in range(megabytes):
            file.write(bytes(MEGABYTE))
    ours = Destination("s3://aws_default@videos/ours.mp4", "unused")
    theirs = Destination("s3://aws_default@videos/theirs.mp4", "unused")
    ratio = compare(
        "to an S3 server, compared with s3fs",
        lambda: ours.put(part, content_type="video/mp4", overwrite=True),
        lambda: theirs._fs.put_file(str(part), theirs._path),
        rounds,
        megabytes,
    )
    part.unlink()
    s3.empty("videos")
    return ratio


def memory(server: Server, destination: str, megabytes: int) -> float:
    """Return the peak memory of a process that saves a video of that size, in megabytes."""
    server.resize(megabytes)
    connection = {"conn_type": "starvideos", "host": server.base_url, "password": KEY}
    env = {**os.environ, "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection)}
    argv = [sys.executable, "-c", SAVE, server.video_id, destination]
    done = subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    size, peak = (int(word) for word in done.stdout.split()[-2:])
    if size < megabytes * MEGABYTE:
        raise RuntimeError(f"only {size} bytes were saved")
    return peak / 1024


def more_memory(name: str, server: Server, destination: str, large: int) -> float:
    """Print and return how much more memory a large video takes than a small one."""
    small = memory(server, destination, SMALL)
    big = memory(server, destination, large)
    print(f"{name:34} {SMALL} MB: {small:.0f} MB   {large} MB: {big:.0f} MB   more {big - small:.0f} MB")
    return big - small


def main() -> int:
    """Measure everything. Return which targets were missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512, help="size for the speeds (default: 512)")
    parser.add_argument("--rounds", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--large", type=int, default=2048, help="megabytes for the memory (default: 2048)")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"load {psutil.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    missed = []
    with tempfile.TemporaryDirectory(prefix="starvideos-bench-") as name, S3() as s3:
        folder = Path(name)
        os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = s3.airflow_connection
        s3.empty("videos")
        server = Server(folder)
        try:
            server.resize(given.megabytes)
            ratios = {"curl": local_speed(server, folder, given.rounds, given.megabytes)}
            upload = min(given.megabytes, 256)
            ratios["s3fs"] = upload_speed(s3, folder, given.rounds, upload)
            missed += [each for each, ratio in ratios.items() if ratio < LEAST_RATIO]
            more = {
                "disk": more_memory("memory, to a local file", server, f"{folder}/video.mp4", given.large),
                "S3": more_memory("memory, to S3", server, "s3://aws_default@videos/v.mp4", min(given.large, 512)),
            }
            missed += [each for each, megabytes in more.items() if megabytes > MOST_MORE_MEMORY]
        finally:
            server.process.kill()
            server.process.wait()
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
