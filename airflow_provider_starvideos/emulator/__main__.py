"""The command ``starvideos-emulator``: its options, and what it prints."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import airflow_provider_starvideos.emulator as package
from airflow_provider_starvideos.emulator.control import is_loopback
from airflow_provider_starvideos.emulator.dialects import DIALECTS
from airflow_provider_starvideos.emulator.fault_kinds import describe
from airflow_provider_starvideos.emulator.faults import FaultError, parse_fault, read_fault
from airflow_provider_starvideos.emulator.libraries import MissingLibraryError, require_libraries
from airflow_provider_starvideos.emulator.server import Server
from airflow_provider_starvideos.emulator.service import DEFAULT_KEY, connection_to, log
from airflow_provider_starvideos.emulator.settings import CHECKS, Settings, SettingsError

DEFAULT_PORT = 8642
FAULT_HELP = """\
faults: ON is create, query or download; every kind also takes
  times=N           spoil N requests (default: all)
  skip=N            let N fitting requests through first
  rate=SHARE        spoil that share of them, 0 to 1
  match=TEXT        only requests with TEXT in their prompt or id
  when=after        of a create: once the order is accepted and billed (default: before)
kinds of faults:"""


def limitations() -> str:
    """Return the list of what is not emulated, from the package's docstring."""
    return "What it does" + (package.__doc__ or "").partition("What it does")[2].rstrip()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    dialects = "\n".join(f"  {name:<17} {dialect.about}" for name, dialect in DIALECTS.items())
    parser = argparse.ArgumentParser(
        prog="starvideos-emulator",
        description="A local StarVideos server, to develop and test against without paying.",
        epilog=f"{FAULT_HELP}\n{describe()}\n\ndialects:\n{dialects}\n\n{limitations()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: loopback, the only protection)")
    add("--port", type=int, default=DEFAULT_PORT, help=f"port to listen on; 0 for a free one (default: {DEFAULT_PORT})")
    add("--key", action="append", metavar="KEY", help=f"API key to accept, repeatable (default: {DEFAULT_KEY})")
    add("--seconds", metavar="A|A-B|hold", help="how long a generation takes (default: 8-15); hold: until you end it")
    add("--fail-rate", type=float, metavar="SHARE", help="share of the videos that fail, 0 to 1 (default: 0)")
    add("--references", choices=("lenient", "required", "off"), help="what becomes of references (default: lenient)")
    add("--url-ttl", type=float, metavar="SECONDS", help="how long a result's URL works (default: 86400)")
    add("--expired-status", type=int, metavar="STATUS", help="status of an expired URL (default: 403)")
    add("--no-ranges", dest="ranges", action="store_const", const=False, help="ignore Range")
    add("--pad-bytes", type=int, metavar="BYTES", help="append so many bytes to every video (default: 0)")
    add("--max-requests-per-second", type=float, metavar="N", help="answer 429 beyond that (default: no limit)")
    add("--dialect", metavar="NAME,…", help="answer as sibling endpoints do, see below; several with commas")
    add("--price-per-second", type=float, metavar="AMOUNT", help="completed videos say an amount of so much per second")
    add("--files-url", metavar="URL", help="where result URLs point (default: the host that was asked)")
    add("--fault", action="append", default=[], metavar="ON:KIND[:NAME=VALUE,…]", help="set a fault; or JSON")
    add("--seed", type=int, help="make times and failures repeatable")
    add("--ready-file", type=Path, metavar="PATH", help="write JSON with URLs, key, port and pid there once listening")
    add("--quiet", action="store_true", help="no line per request")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator until SIGINT or SIGTERM.

    :param argv: the command line; None for the process's.
    :returns: exit status: 0, 1 if it can't start, 2 for a wrong command line.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        given = {name: getattr(arguments, name) for name in CHECKS}
        settings = Settings().changed({name: value for name, value in given.items() if value is not None})
        faults = [parse_fault(text) for text in arguments.fault]
        for fault in faults:
            read_fault(fault, "")
    except (SettingsError, FaultError) as exc:
        parser.error(str(exc))
    try:
        require_libraries()
    except MissingLibraryError as exc:
        print(exc, file=sys.stderr)
        return 1
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.WARNING if arguments.quiet else logging.INFO)
    keys = arguments.key or [DEFAULT_KEY]
    server = Server(settings, keys, host=arguments.host, port=arguments.port, seed=arguments.seed)
    for fault in faults:
        server.service.faults.add(fault)
    return asyncio.run(_run(server, keys[0], arguments))


async def _run(server: Server, key: str, arguments: argparse.Namespace) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start()
    except OSError as exc:
        print(f"can't listen on {arguments.host}:{arguments.port}: {exc.strerror or exc}", file=sys.stderr)
        return 1
    try:
        print(banner(server, key, arguments.host), flush=True)
        if arguments.ready_file:
            _write_ready(arguments.ready_file, server, key)
        await stop.wait()
    finally:
        await server.stop()
    return 0


def banner(server: Server, key: str, host: str) -> str:
    """Return what to know at the start."""
    connection = shlex.quote(connection_to(server.base_url, key))
    lines = [
        f"StarVideos emulator: {server.base_url}",
        f"  API key:           {key}",
        f"  page:              {server.url}/",
        f"  Airflow:           export AIRFLOW_CONN_STARVIDEOS_DEFAULT={connection}",
        f"  sample inputs:     {server.url}/samples/cat.png, {server.url}/samples/waves-5s.mp4 (any name)",
        "  to fail a video:   put [fail] or [fail: reason] into its prompt",
        "",
        limitations(),
    ]
    if not is_loopback(host):
        lines += [
            "",
            f"Warning: {host} is not loopback. Every client of this port controls the emulator, without a key.",
        ]
    return "\n".join(lines)


def _write_ready(path: Path, server: Server, key: str) -> None:
    ready: dict[str, Any] = {"base_url": server.base_url, "url": server.url, "key": key}
    ready |= {"pid": os.getpid(), "port": server.port}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    # A process that waits for the file must not find half of it.
    partial.write_text(json.dumps(ready))
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
