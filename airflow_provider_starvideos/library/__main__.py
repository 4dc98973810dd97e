"""The command ``python -m airflow_provider_starvideos.library``."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.library.entry import Entry
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.library.pruning import Limits, loose_to_prune, prune, to_prune

EPILOG = """\
exit status: 0 done, 1 verify found a damaged entry, 2 the library can't be read or written"""
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
PROMPT_CHARACTERS = 60


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_starvideos.library",
        description="Look at a library of finished videos, check it, make it smaller. Nothing is ordered.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("ls", "list the entries, one a line"),
        ("verify", "list what is damaged: its rows would be ordered again"),
        ("prune", "delete entries beyond limits, and videos without an entry; says only what it would do"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("library", help="its folder, or a storage URI that ends in '/'")
        command.add_argument("--conn-id", metavar="ID", help="Airflow connection of the store")
        if name == "ls":
            command.add_argument("--json", action="store_true", help="print the documents, as JSON Lines")
        if name == "verify":
            command.add_argument(
                "--sha256", action="store_true", help="read each video, too: of stores that costs money"
            )
        if name == "prune":
            add = command.add_argument
            add("--older-than", type=_seconds, metavar="AGE", help="such as 90d: entries saved before that")
            add("--keep-latest", type=_count, metavar="N", help="keep so many of the latest entries")
            add("--max-size", type=_bytes, metavar="SIZE", help="such as 100G: keep the latest entries of that size")
            add("--delete", action="store_true", help="do it; a request whose entry is deleted is ordered again")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command."""
    given = build_parser().parse_args(argv)
    try:
        library = Library(Folder(given.library, given.conn_id), logging.getLogger(__name__))
        return COMMANDS[given.command](library, given)
    except StarVideosError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except BrokenPipeError:  # ls | head
        sys.stderr.close()
        return 0


def _ls(library: Library, given: argparse.Namespace) -> int:
    count, size, amount = 0, 0, Decimal()
    for found in library.folders():
        for entry in found.entries.values():
            _say(json.dumps(json.loads(entry.to_json())) if given.json else _line(entry))
            count, size, amount = count + 1, size + entry.size_bytes, amount + (entry.price or 0)
    if not given.json:
        _say(f"{count} entries, {size} bytes, {amount:f} billed")
    return 0


def _verify(library: Library, given: argparse.Namespace) -> int:
    whole, damaged, loose = 0, 0, 0
    for found in library.folders():
        wrong = dict(found.damaged)
        if given.sha256:
            wrong |= {
                name: "its video has another sha256"
                for name, one in found.entries.items()
                if library.folder.place(one.file).sha256() != one.sha256
            }
        for name, problem in sorted(wrong.items()):
            _say(f"{name}  {problem}")
        for file in found.loose:
            _say(f"{file.name}  no entry names it ({file.size} bytes)")
        damaged, loose = damaged + len(wrong), loose + len(found.loose)
        whole += len(found.entries) - len(wrong.keys() & found.entries.keys())
    _say(f"{whole} entries are whole, {damaged} damaged; {loose} videos without an entry")
    return 1 if damaged else 0


def _prune(library: Library, given: argparse.Namespace) -> int:
    entries: list[Entry] = []
    loose = []
    for found in library.folders():
        entries += found.entries.values()
        loose += loose_to_prune(found.loose)
    pruned = to_prune(entries, Limits(given.older_than, given.keep_latest, given.max_size))
    for entry in pruned:
        _say(_line(entry))
    for file in loose:
        _say(f"{file.name}  no entry names it ({file.size} bytes)")
    freed = sum(entry.size_bytes for entry in pruned) + sum(file.size for file in loose)
    counted = f"{len(pruned)} of {len(entries)} entries, and {len(loose)} videos without one, {freed} bytes"
    if not given.delete:
        _say(f"Would delete {counted}. Nothing was deleted: give --delete.")
        return 0
    prune(library, pruned, loose)
    _say(f"Deleted {counted}.")
    return 0


COMMANDS: Mapping[str, Callable[[Library, argparse.Namespace], int]] = {"ls": _ls, "verify": _verify, "prune": _prune}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _line(entry: Entry) -> str:
    prompt = " ".join(str(entry.request.get("prompt", "")).split())
    prompt = prompt if len(prompt) <= PROMPT_CHARACTERS else f"{prompt[: PROMPT_CHARACTERS - 1]}…"
    facts = (entry.saved_at[:19], f"{entry.size_bytes:>10}", f"{entry.amount or '-':>6}", entry.video_id, repr(prompt))
    return "  ".join((entry.name, *facts, *([f"variant {entry.variant!r}"] if entry.variant else [])))


def _seconds(text: str) -> float:
    return _number(text, SECONDS, "90d, 12h")


def _bytes(text: str) -> int:
    return int(_number(text.upper().removesuffix("B"), BYTES, "100G, 500M"))


def _count(text: str) -> int:
    return int(_number(text, {"": 1}, "1000"))


def _number(text: str, units: Mapping[str, int], example: str) -> float:
    found = re.fullmatch(r"([0-9]{1,15})([a-z]?)", text.strip().lower())
    if not found or found[2] not in units:
        raise argparse.ArgumentTypeError(f"must be a number with its unit, such as {example} (got {text})")
    return int(found[1]) * units[found[2]]


if __name__ == "__main__":
    sys.exit(main())
