"""Videos that a batch adds to its library, and copies out of it.

A video is added when it is whole, its document last; and only while its inputs are still what they were when it was
ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_starvideos.api.redaction import hide, hide_url
from airflow_provider_starvideos.exceptions import StarVideosError, StarVideosVideoFailedError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.library.claims import Claims
from airflow_provider_starvideos.library.entry import DamagedEntryError, Entry, now_text, video_of
from airflow_provider_starvideos.library.library import Copied, Library
from airflow_provider_starvideos.library.names import as_taken, name_of
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.storage.contents import contents_of
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.saving import SavedVideo

OTHERS = "others"  # folder of videos that no request finds: their inputs can't be asked for, or have changed


@dataclass
class Names:
    """The names that a batch's rows have in a library."""

    hook: StarVideosHook
    log: Any
    _: KW_ONLY
    head: bool  # ask the hosts of http(s) inputs whether these have changed
    _names: dict[str, str | None] = field(default_factory=dict)  # by the row's key
    _contents: dict[str, Any] = field(default_factory=dict)  # by the input's URL

    def of(self, row: Row) -> str | None:
        """Return a row's name; None: one of its inputs can't be asked for."""
        return self._names.get(row.key)

    def knows(self, row: Row) -> bool:
        """Return whether a row's inputs were asked for."""
        return row.key in self._names

    def inputs_of(self, row: Row) -> dict[str, Any]:
        """Return what is known of the content of a row's inputs, to be shown."""
        return {hide_url(url): hide(self._contents.get(url)) for url in row.request.inputs}

    def find(self, rows: Sequence[Row]) -> None:
        """Find the names of rows: their inputs are asked for what they hold. On the task's own thread.

        :raises StarVideosError: a store or a host can't be asked now, or can't tell whether an input has changed
        """
        endpoint = self.hook.get_conn()
        found = contents_of([url for row in rows for url in row.request.inputs], endpoint, head=self.head)
        self._contents |= found
        unknown = []
        for row in rows:
            is_known = all(found[url] is not None for url in row.request.inputs)
            self._names[row.key] = name_of(row.request, endpoint.base_url, found, row.variant) if is_known else None
            if not is_known:
                unknown.append(row.number)
        if unknown:
            what = "%d rows aren't looked up in the library, such as row %d: their inputs can't be asked for."
            self.log.warning(what, len(unknown), unknown[0])

    def find_again(self, rows: Sequence[Row]) -> None:
        """Find the names of rows whose videos are about to be added: their inputs may have changed meanwhile."""
        try:
            self.find(rows)
        except StarVideosError as error:
            self.log.warning("These videos aren't added to the library: their inputs can't be asked for: %s", error)
            self._names |= dict.fromkeys((row.key for row in rows), None)


@dataclass
class Additions:
    """What a batch adds to its library, and copies out of it."""

    library: Library  # where finished videos are
    claims: Claims  # of this task instance; one ends with its video
    names: Names  # of the rows
    hook: StarVideosHook
    log: Any
    made_by: Mapping[str, Any]  # the task instance, for the documents
    entries: dict[str, Entry] = field(default_factory=dict)  # found or added, by name

    def transfer(
        self,
        row: Row,
        order: Order,
        to: Destination | None,
        if_exists: str,
        save: Callable[[Destination, str], SavedVideo],
    ) -> SavedVideo | Copied:
        """Bring a row's video to its destination: out of the library, or into it first.

        :param row: whose name was found again by ``Names.find_again``
        :param order: ``completed``, or ``reused``
        :param to: the destination; None: the library is
        :param if_exists: ``overwrite``, ``skip`` or ``error``
        :param save: saves a completed video to a destination, with an ``if_exists``
        :raises DamagedEntryError: the library's video is gone, or isn't the one of its document
        :raises StarVideosError: it can't be saved
        """
        if order.state is OrderState.REUSED and to:
            return self._copy(self.entries[order.entry or ""], to, if_exists)
        name, video_id = order.entry, order.video_id or ""
        if not name or self.names.of(row) != name:
            what = "Row %d: its video isn't added to the library: its inputs have changed since it was ordered."
            self.log.warning(what if name else "Row %d: its video isn't added to the library.", row.number)
            self.claims.release(name or "")
            return save(to or self.library.folder.place(f"{OTHERS}/{video_id}.mp4"), if_exists)
        try:
            saved = self._add(row, order, name, save)
        except StarVideosVideoFailedError:
            raise
        except StarVideosError as error:
            if to is None:
                raise
            self.log.warning("Row %d: its video can't be added to the library: %s", row.number, error)
            self.claims.release(name)
            return save(to, if_exists)
        return saved if to is None else self._copied(saved, name, to, if_exists)

    def _add(self, row: Row, order: Order, name: str, save: Callable[[Destination, str], SavedVideo]) -> SavedVideo:
        video_id = order.video_id or ""
        saved = save(self.library.folder.place(video_of(name, video_id)), "overwrite")
        amount = saved.task.amount if order.amount is None else order.amount
        entry = Entry(
            name=name,
            video_id=video_id,
            size_bytes=saved.size_bytes,
            sha256=saved.sha256,
            saved_at=now_text(),
            seconds=saved.task.actual_duration or order.duration,
            amount=None if amount is None else str(amount),
            ordered_at=datetime.fromtimestamp(order.sent_at, UTC).isoformat(timespec="milliseconds")
            if order.sent_at
            else None,
            api=hide_url(self.hook.get_conn().base_url),
            request=hide(as_taken(row.request)),
            variant=hide(row.variant),
            inputs=self.names.inputs_of(row),
            made_by=self.made_by,
        )
        self.library.add(entry)
        self.entries[name] = entry
        self.claims.release(name)  # only now: a run that claims it from now on finds the entry
        return saved

    def _copied(self, saved: SavedVideo, name: str, to: Destination, if_exists: str) -> SavedVideo:
        copied = self._copy(self.entries[name], to, if_exists)
        return replace(saved, uri=copied.uri, size_bytes=copied.size_bytes, sha256=copied.sha256)

    def _copy(self, entry: Entry, to: Destination, if_exists: str) -> Copied:
        try:
            return self.library.copy(entry, to, if_exists=if_exists)
        except DamagedEntryError:
            self.library.discard(entry)  # else it would be found again
            raise
