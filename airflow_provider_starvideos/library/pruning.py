"""Which entries of a library are pruned: by their age, by their number, by the size of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airflow_provider_starvideos.library.claims import Claims
from airflow_provider_starvideos.library.entry import Entry, document_of
from airflow_provider_starvideos.library.library import Library
from airflow_provider_starvideos.library.listing import File

LOOSE_SECONDS = 24 * 3600.0  # a run that is still going may be about to write the document of a younger video


@dataclass(frozen=True)
class Limits:
    """What is kept; None: no limit."""

    seconds: float | None = None  # the age of an entry
    entries: int | None = None  # how many of the latest
    size_bytes: int | None = None  # of all videos that are kept, the latest first


def to_prune(entries: Iterable[Entry], limits: Limits) -> list[Entry]:
    """Return the entries beyond the limits, the oldest first."""
    now, size, pruned = time.time(), 0, []
    for number, entry in enumerate(sorted(entries, key=lambda one: one.moment, reverse=True), 1):
        size += entry.size_bytes
        is_old = limits.seconds is not None and entry.moment < now - limits.seconds
        is_beyond = limits.entries is not None and number > limits.entries
        is_too_much = limits.size_bytes is not None and size > limits.size_bytes
        if is_old or is_beyond or is_too_much:
            pruned.append(entry)
    return pruned[::-1]


def loose_to_prune(files: Iterable[File]) -> list[File]:
    """Return the videos that no entry names, and that no run is going to write a document for."""
    return [file for file in files if file.changed is not None and file.changed < time.time() - LOOSE_SECONDS]


def prune(library: Library, entries: Sequence[Entry], loose: Sequence[File]) -> None:
    """Delete entries, their documents first: an entry is complete or not there; and loose videos, and dead claims.

    :raises StarVideosStorageError: the store refuses it
    """
    for entry in entries:
        library.folder.delete(document_of(entry.name))
        library.folder.delete(entry.file)
    for file in loose:
        library.folder.delete(file.name)
    Claims(library.folder, "", 0).remove_dead()
