"""One batch, over its legs and tries: what is to be done next, and how it ends.

A leg on a worker orders what it may, saves what is there, and says what to wait for. Everything that outlives a leg
stands in the book, or travels with the trigger.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.api.retry import LONGEST_DELAY
from airflow_provider_starvideos.batch import report
from airflow_provider_starvideos.batch.book import Book
from airflow_provider_starvideos.batch.decisions import apply_decision
from airflow_provider_starvideos.batch.entries import MEANINGS, Entry, RowState
from airflow_provider_starvideos.batch.matching import match, tell_of_others
from airflow_provider_starvideos.batch.plan import Outcome, Plan
from airflow_provider_starvideos.batch.report import Ending
from airflow_provider_starvideos.batch.rows import Row, digest_of
from airflow_provider_starvideos.batch.submitting import Halt, Submission
from airflow_provider_starvideos.exceptions import StarVideosRequestsChangedError

if TYPE_CHECKING:
    from airflow_provider_starvideos.batch.saver import Saving
    from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

ENDED = "the task ended before the answer was on record (its log may name the video)"
CLOCK_SECONDS = 5.0
"""How far a triggerer's clock may be ahead of a worker's."""
SHARE_OF_PLACES = 4
"""Places are filled up when a quarter of them is free: a leg on a worker for each would cost more than it brings."""


@dataclass(frozen=True)
class Options:
    """How a batch is carried out; the meaning of each is told at ``StarVideosBatchOperator``."""

    max_submit_concurrency: int
    max_in_flight: int
    max_failures: int | float
    retry_failed: bool
    resubmit: bool
    poll_interval: float
    timeout: float
    save_interval: float


class Batch:
    """The batch of one task instance.

    :param rows: checked
    :param book: the record, loaded
    :param hook: the API
    :param options: how
    :param log: a logger
    :param saving: saves videos; None: they aren't saved
    :param stopping: tells that the task is being ended
    """

    def __init__(
        self,
        rows: Sequence[Row],
        book: Book,
        hook: StarVideosHook,
        options: Options,
        log: Any,
        *,
        saving: Saving | None,
        stopping: Callable[[], bool],
    ) -> None:
        self.rows = rows
        self.book = book
        self._hook = hook
        self._options = options
        self._log = log
        self._saving = saving
        self._stopping = stopping
        self._halt: Halt | None = None
        self._blocked_since: float | None = None
        self._lost_in_a_row = 0
        self._ends: dict[str, float] = {}

    # -- the beginning of a leg

    def begin(self) -> None:
        """Begin a try: take up what earlier ones have left.

        :raises StarVideosUnconfirmedError: a person's decision about unconfirmed rows can't be carried out
        :raises StarVideosRecordError: the record can't be written
        :raises StarVideosValidationError: the destination can't take what is to be ordered
        :raises StarVideosDownloadError: the destination can't be asked
        """
        self.rows = match(self.rows, self.book.entries(), anew=True)
        tell_of_others(self.rows, self.book.entries(), self._log)
        for entry in self.book.entries():
            entry.row = None  # those that are asked for get theirs below
        found = list(self._known())
        unknown = [(row, entry) for row, entry in found if entry.state == RowState.UNKNOWN]
        before = Counter(self._begin_with(row, entry) for row, entry in found)
        if found:
            self._log.info("Found of an earlier try: %s.", ", ".join(f"{n} {text}" for text, n in before.items()))
        self.book.begin(digest_of(self.rows), len(self.rows))
        self.book.touch(self.book.entries())
        self.book.commit()
        doubtful = [(row, entry) for row, entry in found if entry.state == RowState.UNCONFIRMED]
        apply_decision(self._hook, self.book, doubtful, unknown, self._log)
        self._ends = {entry.video_id or "": time.time() + self._options.timeout for entry in self._ordered()}
        if self._saving and (open_rows := self._open()):
            self._saving.check(open_rows)

    def _begin_with(self, row: Row, entry: Entry) -> str:
        """Put a row where this try goes on with it, and say where that is."""
        entry.row = row.number
        if entry.state == RowState.SENDING:
            entry.become(RowState.UNCONFIRMED, ENDED)
        elif entry.state == RowState.FAILED and self._options.retry_failed:
            failed = "Row %d: video %s of an earlier try failed (%s); ordering a new one."
            self._log.info(failed, row.number, entry.video_id, entry.error)
            entry.become(RowState.OPEN)
        elif entry.state == RowState.SAVED and self._saving and not self._saving.is_under_its_name(row, entry):
            self._log.warning("Row %d has another name now: its video is saved again.", row.number)
            entry.become(RowState.COMPLETED)
        elif again := MEANINGS[entry.state].again:
            entry.become(again)
        if entry.state == RowState.UNCONFIRMED and self._options.resubmit:
            resent = "Row %d: an earlier try's order may have been accepted. It is sent again, as asked for."
            self._log.warning(resent, row.number)
            entry.become(RowState.OPEN)
        return MEANINGS[entry.state].text

    def resume(self, outcomes: Mapping[str, Outcome], ends: Mapping[str, float], carry: Mapping[str, Any]) -> None:
        """Go on after a wait of this very try.

        :param outcomes: how videos ended, by id
        :param ends: epoch seconds at which the wait for each video has failed, of those that go on
        :param carry: what ``carry`` returned before the wait
        :raises StarVideosRequestsChangedError: the requests aren't those that this try began with
        """
        self.rows = match(self.rows, self.book.entries(), anew=False)
        if self.book.digest != digest_of(self.rows):
            raise StarVideosRequestsChangedError(
                "The batch's requests aren't the same as when this try began (a template with the time or with chance "
                "in it, or a file that was changed?), so nothing more was ordered. What was ordered stays on record. "
                "Make the requests the same in each rendering, and clear the task: it goes on from there."
            )
        self.book.own()
        self._ends = dict(ends)
        self._blocked_since = carry.get("blocked_since")
        self._lost_in_a_row = carry.get("lost_in_a_row", 0)
        self._halt = Halt(**carry["halt"]) if carry.get("halt") else None
        self.end_pause()
        self.take(outcomes)

    def take(self, outcomes: Mapping[str, Outcome]) -> None:
        """Put on record how videos ended."""
        changed = []
        for row, entry in self._known():
            outcome = outcomes.get(entry.video_id or "")
            if outcome is None or entry.state != RowState.ORDERED:
                continue
            entry.become(outcome.state, outcome.error)
            if outcome.state in (RowState.COMPLETED, RowState.FAILED):
                entry.duration, entry.completed_at = outcome.duration, outcome.seen_at
            changed.append(entry)
            if outcome.state != RowState.COMPLETED:
                text = MEANINGS[outcome.state].text
                self._log.error("Row %d, video %s: %s: %s", row.number, entry.video_id, text, outcome.error)
        self.book.touch(changed)
        self.book.commit_surely()

    # -- its work

    def order(self) -> None:
        """Order as many rows as there are places for.

        :raises StarVideosRecordError: the record can't be written
        """
        open_rows = self._open()
        places = self._options.max_in_flight - len(self._ordered())
        if not open_rows or places <= 0 or self._halt:
            return
        before = len(self._ordered())
        submission = Submission(
            self._hook,
            self._hook.get_conn(),
            self.book,
            self._log,
            concurrency=self._options.max_submit_concurrency,
            lost_in_a_row=self._lost_in_a_row,
            blocked_since=self._blocked_since,
            stopping=self._stopping,
        )
        self._halt = submission.run(open_rows, places)
        self._lost_in_a_row = submission.lost_in_a_row
        for entry in self._ordered():
            if entry.video_id and entry.video_id not in self._ends:
                self._ends[entry.video_id] = (entry.sent_at or time.time()) + self._options.timeout
        self._note_block(accepted=len(self._ordered()) > before)

    def save(self) -> None:
        """Save the completed videos.

        :raises StarVideosRecordError: the record can't be written
        """
        done = [(row, entry) for row, entry in self._known() if entry.state == RowState.COMPLETED]
        if self._saving and done:
            self._saving.run(done, self._stopping)

    def plan(self) -> Plan | None:
        """Return what to wait for before there is more to do; None: there is nothing left to wait for."""
        ordered, open_rows = self._ordered(), self._open()
        more = bool(open_rows) and (self._halt is None or self._halt.resume_at is not None)
        if not ordered and not more:
            return None
        enough = None
        if more and self._halt is None:
            share = max(1, self._options.max_in_flight // SHARE_OF_PLACES)
            enough = min(share, len(open_rows), len(ordered))
        return Plan(
            videos={entry.video_id or "": self._ends[entry.video_id or ""] for entry in ordered},
            poll_interval=self._options.poll_interval,
            enough=enough,
            resume_at=self._halt.resume_at if more and self._halt else None,
            save_after=self._options.save_interval if self._saving else None,
            rows=len(self.rows),
            done=len(self.rows) - len(ordered) - len(open_rows),
        )

    def carry(self) -> dict[str, Any]:
        """Return what the leg after a wait must know, as JSON."""
        return {
            "blocked_since": self._blocked_since,
            "lost_in_a_row": self._lost_in_a_row,
            "halt": asdict(self._halt) if self._halt else None,
        }

    def end_pause(self) -> None:
        """Go on ordering, if the pause that the API asked for is over."""
        until = self._halt.resume_at if self._halt else None
        if until is not None and time.time() >= until - CLOCK_SECONDS:
            self._halt = None

    # -- its end

    def results(self) -> list[tuple[Row, Entry]]:
        """Return every row with its entry."""
        return [(row, self.book.get(row.key) or Entry(row.key)) for row in self.rows]

    def ids(self) -> list[str | None]:
        """Return the ids of the completed videos in the order of the rows; None for a row without one."""
        return [entry.video_id if MEANINGS[entry.state].video else None for _, entry in self.results()]

    def counts(self) -> dict[str, int]:
        """Return how many rows there are, in all and in each state."""
        states = Counter(str(entry.state) for _, entry in self.results())
        return {"rows": len(self.rows), **dict(sorted(states.items()))}

    def check(self, where: str) -> None:
        """Fail the batch if too many rows have no video; see ``report.check``."""
        options = self._options
        ending = Ending(
            self._halt,
            options.max_failures,
            retry_failed=options.retry_failed,
            resubmit=options.resubmit,
            saves=bool(self._saving),
        )
        report.check(self.results(), ending, self.book.reference, where, self._log)

    # -- looks at the book

    def _known(self) -> Iterator[tuple[Row, Entry]]:
        for row in self.rows:
            entry = self.book.get(row.key)
            if entry is not None:
                yield row, entry

    def _open(self) -> list[Row]:
        entries = ((row, self.book.get(row.key)) for row in self.rows)
        return [row for row, entry in entries if entry is None or entry.state == RowState.OPEN]

    def _ordered(self) -> list[Entry]:
        return [entry for _, entry in self._known() if entry.state == RowState.ORDERED]

    def _note_block(self, *, accepted: bool) -> None:
        """Bound the time in which the API takes no order at all."""
        if not self._halt or self._halt.resume_at is None:
            return
        now, timeout = time.time(), self._options.timeout
        self._blocked_since = now if accepted or self._blocked_since is None else self._blocked_since
        asked = self._halt.resume_at - now
        if now - self._blocked_since > timeout:
            self._halt = Halt(f"No order was taken for {now - self._blocked_since:.0f} s: {self._halt.why}")
        elif asked > timeout + LONGEST_DELAY:  # that much is added to what the API asks for
            self._halt = Halt(f"The API asks to wait {asked:.0f} s, which is more than the timeout: {self._halt.why}")
