"""A library of 100,000 entries, looked up for 10,000 rows: seconds, requests, memory; compared with requests per row.

    python -m benchmarks.library
    python -m benchmarks.library --entries 10000 --rows 1000

On a local disk, and in a bucket of moto's server, a process of its own. The first look-up of a bucket reads documents
and writes the index; the second one has it. Memory is what a process needs beyond what it had before the look-up.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

NEW_SHARE = 0.012  # of the rows that aren't in the library: 12 of 1,000
VIDEO = b"v"
AT_ONCE = 16  # questions at the same time, as many as a look-up lists folders
SERVER = """
import sys
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import main
from benchmarks.library import VIDEO, documents
backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
backend.create_bucket("shop", "us-east-1")
for entry in documents(int(sys.argv[2])):
    backend.put_object("shop", f"library/{entry.file}", VIDEO)
    backend.put_object("shop", f"library/{entry.file[:42]}.json", entry.to_json())
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


def name(number: int) -> str:
    """Return the name of a request."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]


def documents(count: int) -> Iterator[Any]:
    """Yield entries."""
    from airflow_provider_starvideos.library.entry import Entry, now_text

    sha256, now = hashlib.sha256(VIDEO).hexdigest(), now_text()
    request = {"model": "starvideos_o3", "prompt": "Red kite over the sea in a stiff breeze. " * 4, "duration": 5}
    made_by = {"dag_id": "catalogue", "run_id": "scheduled__2026-11-29T02:00:00+00:00", "task_id": "videos"}
    for number in range(count):
        facts = {"seconds": 5.0, "amount": "0.76", "request": request, "made_by": made_by}
        yield Entry(name(number), f"video_starvideos_{number}", len(VIDEO), sha256, now, **facts)


def wanted(entries: int, rows: int) -> list[str]:
    """Return the names of the rows: spread over the entries, and some that aren't there."""
    new = int(rows * NEW_SHARE)
    step = entries / (rows - new)
    return [name(int(number * step)) for number in range(rows - new)] + [name(-number) for number in range(1, new + 1)]


def look_up(uri: str, entries: int, rows: int) -> dict[str, Any]:
    """Look all rows up."""
    library, names = _library(uri), wanted(entries, rows)
    calls = _counted(library)
    found = library.look_up(names)
    assert len(found.entries) == rows - int(rows * NEW_SHARE)
    assert not found.damaged
    return {"requests": dict(calls)}


def ask_for_each(uri: str, entries: int, rows: int) -> dict[str, Any]:
    """Ask whether each row's document is there, as many at the same time as a look-up lists folders."""
    from airflow_provider_starvideos.library.entry import document_of

    library, names = _library(uri), wanted(entries, rows)
    calls = _counted(library)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = list(pool.map(lambda one: library.folder.size(document_of(one)), names))
    assert sum(size is not None for size in sizes) == rows - int(rows * NEW_SHARE)
    return {"requests": dict(calls)}


def find_each(uri: str, entries: int, rows: int) -> dict[str, Any]:
    """Find each row's entry by itself: its document is read, and its video asked for. What a look-up answers."""
    library, names = _library(uri), wanted(entries, rows)
    calls = _counted(library)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(library.find, names))
    assert sum(entry is not None for entry in found) == rows - int(rows * NEW_SHARE)
    return {"requests": dict(calls)}


def _library(uri: str) -> Any:
    from airflow_provider_starvideos.library.folder import Folder
    from airflow_provider_starvideos.library.library import Library

    return Library(Folder(uri, "aws_default"), logging.getLogger(__name__))


def _counted(library: Any) -> Counter[str]:
    calls: Counter[str] = Counter()
    store = getattr(library.folder, "_fs", None)
    if store is not None:
        plain = store._call_s3

        async def counted(method: str, *args: Any, **kwargs: Any) -> Any:
            calls[method] += 1
            return await plain(method, *args, **kwargs)

        store._call_s3 = counted
        store.call_s3 = lambda method, **kwargs: _synced(store, counted, method, **kwargs)
    return calls


def _synced(store: Any, function: Callable[..., Any], method: str, **kwargs: Any) -> Any:
    from fsspec.asyn import sync

    return sync(store.loop, function, method, **kwargs)


def measured(function: Callable[..., dict[str, Any]], uri: str, entries: int, rows: int) -> dict[str, Any]:
    """Run a function in a new process, once for its imports with one row, then as it is measured."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (function, uri, entries, rows))


def _measure(function: Callable[..., dict[str, Any]], uri: str, entries: int, rows: int) -> dict[str, Any]:
    _library(uri).find(name(0))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    facts = function(uri, entries, rows)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    megabytes = (after.ru_maxrss - before.ru_maxrss) / 1024
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "megabytes": round(megabytes), **facts}


def disk(entries: int, rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure a library on a disk."""
    with tempfile.TemporaryDirectory(prefix="starvideos-library-") as folder:
        for part in "0123456789abcdef":
            (Path(folder) / part).mkdir()
        for entry in documents(entries):
            (Path(folder) / entry.file).write_bytes(VIDEO)
            (Path(folder) / f"{entry.file[:42]}.json").write_bytes(entry.to_json())
        yield "disk, look-up", measured(look_up, f"{folder}/", entries, rows)


def bucket(entries: int, rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure a library in a bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    extra = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {"conn_type": "aws", "login": "tests", "password": "tests", "extra": extra}
    )
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port), str(entries)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        uri = "s3://shop/library/"
        yield "bucket, first look-up", measured(look_up, uri, entries, rows)
        yield "bucket, look-up", measured(look_up, uri, entries, rows)
        yield "bucket, a HEAD per row", measured(ask_for_each, uri, entries, rows)
        yield "bucket, a GET and a HEAD per row", measured(find_each, uri, entries, rows)
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args()
    results = {}
    for store in (disk, bucket):
        for what, facts in store(given.entries, given.rows):
            results[what] = facts
            print(f"{what}: {given.rows} rows, {given.entries} entries: {json.dumps(facts)}", flush=True)
    for what in ("a HEAD per row", "a GET and a HEAD per row"):
        ratio = results[f"bucket, {what}"]["seconds"] / results["bucket, look-up"]["seconds"]
        print(f"{what}: {ratio:.1f} times as long as a look-up")


if __name__ == "__main__":
    main()
