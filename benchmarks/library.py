"""A library of 100,000 entries, looked up for 20 to 10,000 rows: seconds, CPU, requests, memory.

    python -m benchmarks.library
    python -m benchmarks.library --entries 10000 --rows 1000

On a local disk, and in a bucket of moto's server, a process of its own, whose listings are made cheap
(``library_server.py``); at the end also of moto as it is. The peer is the least that lists the library: boto3's
paginator over the 16 folders, as many at once, which does nothing with what it gets. The first lookup of a bucket
reads documents and writes the index; later ones have it. CPU is given for our process, and for the server's. Memory
is what our process needs beyond what it had before.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.library_server import VIDEO, documents, name

NEW_SHARE = 0.012  # of the rows that aren't in the library: 12 of 1,000
AT_ONCE = 16  # questions at the same time, as many as a lookup lists folders
PAGE_SECONDS = (0.1, 0.3)  # assumed: from asking S3 for a page of 1,000 names until it is here
URI = "s3://shop/library/"
TABLE = [
    "| what | rows | seconds | CPU seconds | CPU seconds of the server | requests | memory, MB |",
    "| --- | --: | --: | --: | --: | --: | --: |",
]
Run = Callable[[], Any]
Prepare = Callable[[str, int, int, "Counter[str]"], Run]


def wanted(entries: int, rows: int) -> list[str]:
    """Return the names of the rows: spread over the entries, and some that aren't there."""
    new = _new(rows)
    step = entries / (rows - new)
    return [name(int(number * step)) for number in range(rows - new)] + [name(-number) for number in range(1, new + 1)]


def _new(rows: int) -> int:
    return max(1, int(rows * NEW_SHARE))


def look_up(uri: str, entries: int, rows: int, calls: Counter[str]) -> Run:
    """Look all rows up."""
    library, names = _library(uri, calls), wanted(entries, rows)

    def run() -> None:
        found = library.look_up(names)
        assert len(found.entries) == rows - _new(rows)
        assert not found.damaged

    return run


def ask_for_each(uri: str, entries: int, rows: int, calls: Counter[str]) -> Run:
    """Ask whether each row's document is there, as many at the same time as a lookup lists folders."""
    from airflow_provider_starvideos.library.entry import document_of

    library, names = _library(uri, calls), wanted(entries, rows)

    def run() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sizes = list(pool.map(lambda one: library.folder.size(document_of(one)), names))
        assert sum(size is not None for size in sizes) == rows - _new(rows)

    return run


def find_each(uri: str, entries: int, rows: int, calls: Counter[str]) -> Run:
    """Find each row's entry by itself: its document is read, and its video asked for. What a lookup answers."""
    library, names = _library(uri, calls), wanted(entries, rows)

    def run() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(library.find, names))
        assert sum(entry is not None for entry in found) == rows - _new(rows)

    return run


def list_only(uri: str, entries: int, rows: int, calls: Counter[str]) -> Run:
    """List the library with boto3, and do nothing with it: the peer."""
    import boto3
    from botocore.config import Config

    given = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    keys = {"aws_access_key_id": given["login"], "aws_secret_access_key": given["password"]}
    client = boto3.client("s3", config=Config(max_pool_connections=AT_ONCE), **given["extra"], **keys)
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    _count(client, calls)

    def run() -> None:
        def pages(digit: str) -> int:
            found = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}{digit}/")
            return sum(page["KeyCount"] for page in found)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert sum(pool.map(pages, "0123456789abcdef")) == 2 * entries

    return run


def _library(uri: str, calls: Counter[str]) -> Any:
    from airflow_provider_starvideos.library.folder import Folder
    from airflow_provider_starvideos.library.library import Library

    library = Library(Folder(uri, "aws_default"), logging.getLogger(__name__))
    library.find(name(0))  # imports, and connects
    if not library.folder.is_local:
        _count(library.folder._fs.s3, calls)
    return library


def _count(client: Any, calls: Counter[str]) -> None:
    client.meta.events.register("before-call.s3", lambda model, **_: calls.update([model.name]))


def measured(prepare: Prepare, uri: str, entries: int, rows: int, server: int | None = None) -> dict[str, Any]:
    """Measure in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (prepare, uri, entries, rows, server))


def _measure(prepare: Prepare, uri: str, entries: int, rows: int, server: int | None) -> dict[str, Any]:
    calls: Counter[str] = Counter()
    run = prepare(uri, entries, rows, calls)
    before, cpu, server_cpu = resource.getrusage(resource.RUSAGE_SELF), _cpu(os.getpid()), _cpu(server)
    began = time.monotonic()
    run()
    facts = {"seconds": round(time.monotonic() - began, 2), "cpu_seconds": round(_cpu(os.getpid()) - cpu, 2)}
    if server:
        facts |= {"server_cpu_seconds": round(_cpu(server) - server_cpu, 2), "requests": dict(calls)}
    return facts | {"megabytes": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before.ru_maxrss) / 1024)}


def _cpu(pid: int | None) -> float:
    return sum(psutil.Process(pid).cpu_times()[:2]) if pid else 0.0


def disk(entries: int, rows: list[int]) -> None:
    """Measure a library on a disk."""
    with tempfile.TemporaryDirectory(prefix="starvideos-library-") as folder:
        for part in "0123456789abcdef":
            (Path(folder) / part).mkdir()
        for entry in documents(entries):
            (Path(folder) / entry.file).write_bytes(VIDEO)
            (Path(folder) / f"{entry.file[:42]}.json").write_bytes(entry.to_json())
        for count in rows:
            say("disk, lookup", count, measured(look_up, f"{folder}/", entries, count))


def bucket(entries: int, rows: list[int]) -> None:
    """Measure a library in a bucket."""
    with _server(entries) as server:

        def step(what: str, prepare: Prepare, count: int) -> dict[str, Any]:
            facts = measured(prepare, URI, entries, count, server.pid)
            say(f"bucket, {what}", count, facts)
            return facts

        most, some = max(rows), sorted(rows)[len(rows) // 2]
        peer = step("peer: a listing, nothing else", list_only, most)
        step("first lookup", look_up, most)
        ours = {count: step("lookup", look_up, count) for count in rows}
        compare("lookup", ours[most], peer)
        for what, prepare in (("a HEAD per row", ask_for_each), ("a GET and a HEAD per row", find_each)):
            compare(what, step(what, prepare, some), ours[some])
        estimate(sum(peer["requests"].values()), ours[most]["cpu_seconds"])
        server.send_signal(signal.SIGUSR1)
        peer = step("moto as it is, peer", list_only, most)
        compare("lookup, moto as it is", step("moto as it is, lookup", look_up, most), peer)


@contextmanager
def _server(entries: int) -> Iterator[subprocess.Popen[bytes]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    extra = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {"conn_type": "aws", "login": "tests", "password": "tests", "extra": extra}
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "benchmarks.library_server", str(port), str(entries)]
    server = subprocess.Popen(command, **quiet)
    try:
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield server
    finally:
        server.kill()
        server.wait()


def say(what: str, rows: int, facts: dict[str, Any]) -> None:
    """Print a line."""
    print(f"{what}: {rows} rows: {json.dumps(facts)}", flush=True)
    cpu, requests = facts.get("server_cpu_seconds", ""), sum(facts.get("requests", {}).values()) or "none"
    cells = (what, f"{rows:,}", facts["seconds"], facts["cpu_seconds"], cpu, requests, facts["megabytes"])
    TABLE.append(f"| {' | '.join(map(str, cells))} |")


def compare(what: str, ours: dict[str, Any], other: dict[str, Any]) -> None:
    """Print how many times as long, and as much CPU, as the other."""
    ratios = {key: round(ours[key] / max(other[key], 0.01), 2) for key in ("seconds", "cpu_seconds")}
    print(f"  {what}: times the {'lookup' if 'per row' in what else 'peer'}: {json.dumps(ratios)}", flush=True)


def estimate(pages: int, cpu_seconds: float) -> None:
    """Print what S3 itself would take, as an estimate."""
    fast, slow = (math.ceil(pages / AT_ONCE) * one for one in PAGE_SECONDS)
    low, high = max(cpu_seconds, fast), cpu_seconds + slow
    print(
        f"  ESTIMATE for S3, not measured: {low:.1f} to {high:.1f} s: {pages} pages, {AT_ONCE} at once, "
        f"{PAGE_SECONDS[0]} to {PAGE_SECONDS[1]} s a page (assumed), during our CPU at best, and after it at worst",
        flush=True,
    )


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[20, 1_000, 10_000])
    given = parser.parse_args()
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    print(f"{given.entries} entries, load {psutil.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    disk(given.entries, given.rows)
    bucket(given.entries, given.rows)
    print("\n".join(TABLE))


if __name__ == "__main__":
    main()
