"""Ordering a batch's rows: several at once, each paid for once, as fast as the API takes them.

One thread, the task's own, decides, and speaks with Airflow; the others only send. Before an order is sent, its intent
is on record; its place is free for the next one only when its outcome is on record too. So whatever is killed, no more
rows are in doubt than orders were out. One write holds the outcomes of some orders and the intents of the next.
"""

from __future__ import annotations

import queue
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.retry import LONGEST_INLINE_WAIT, was_not_accepted
from airflow_provider_starvideos.batch.book import Book
from airflow_provider_starvideos.batch.entries import Entry, RowState
from airflow_provider_starvideos.batch.pace import Pace
from airflow_provider_starvideos.batch.rows import Row
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConnectionError,
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosServerError,
    StarVideosUnconfirmedError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

GATHER_SECONDS = 0.2
"""How long outcomes are gathered for one write of the record."""
MAX_LOST_IN_A_ROW = 12
"""So many orders without a readable answer, and the rest isn't sent: each is a video that may have been paid for."""
AFFECTS_ALL = (StarVideosAuthenticationError, StarVideosQuotaError, StarVideosNotFoundError)
"""Refusals that every other row would meet too: the key, the account, the path."""
TRY_LATER = (StarVideosRateLimitError, StarVideosServerError, StarVideosConnectionError)


@dataclass(frozen=True)
class Halt:
    """Why ordering ended with rows left.

    :param why: for people
    :param resume_at: epoch seconds at which to go on; None: not in this try
    :param permanent: no retry can mend it
    """

    why: str
    resume_at: float | None = None
    permanent: bool = False


@dataclass
class _Posting:
    """An order that is out, once it was ``handed`` to a thread, which sets ``outcome``, once."""

    row: Row
    entry: Entry
    sent_at: float
    handed: bool = False
    outcome: VideoTask | BaseException | None = None


class Submission:
    """Orders rows, until all are ordered or something stands against it.

    :param hook: the API
    :param endpoint: where it is
    :param book: the record
    :param log: a logger
    :param concurrency: orders at once, at most
    :param lost_in_a_row: orders without a readable answer, before this
    :param blocked_since: epoch seconds since when the API takes no order, before this
    :param stopping: tells that no more may be sent
    :param sleep: how to wait
    """

    def __init__(
        self,
        hook: StarVideosHook,
        endpoint: Endpoint,
        book: Book,
        log: Any,
        *,
        concurrency: int,
        lost_in_a_row: int = 0,
        blocked_since: float | None = None,
        stopping: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hook = hook
        # Whether an order is sent again is decided here, where all of them are seen.
        self._endpoint = replace(endpoint, max_retries=0)
        self._presign_endpoint = endpoint
        self._book = book
        self._log = log
        self._concurrency = concurrency
        self._stopping = stopping
        self._sleep = sleep
        self._pace = Pace(concurrency, blocked_since)
        self._out: dict[str, _Posting] = {}
        self._answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.lost_in_a_row = lost_in_a_row
        self._places = 0
        self._halt: Halt | None = None
        self._last_refusal = ""
        self._finishing = False

    def run(self, rows: Iterable[Row], places: int) -> Halt | None:
        """Order rows.

        :param rows: those to order, in their order
        :param places: how many may be ordered now
        :return: why it ended early; None: all rows are ordered, or no place is left
        :raises StarVideosRecordError: the record can't be written; nothing more was sent
        """
        waiting, self._places = deque(rows), places
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="starvideos-order")
        try:
            try:
                while self._goes_on(waiting):
                    self._send(pool, self._choose(waiting))
                    waiting.extendleft(reversed(self._gather()))
            finally:
                self._finish(pool)
        finally:
            if not self._finishing:  # a signal came just before
                self._finish(pool)
        return self._halt

    def _finish(self, pool: ThreadPoolExecutor) -> None:
        """Wait for what is out, and put it on record. Also where a signal ends the task, between any two lines."""
        self._finishing = True
        all_ended = False
        try:
            pool.shutdown(wait=True)
            all_ended = True
        finally:  # a second signal may end the waiting
            self._take_answers()
            for posting in self._out.values():
                if all_ended or not posting.handed:
                    posting.entry.become(RowState.OPEN)  # was noted, and not sent
                    self._book.touch([posting.entry])
            self._book.commit_surely()

    def _goes_on(self, waiting: deque[Row]) -> bool:
        if self._out:
            return True
        self._note_stop()
        if self._halt or not waiting or self._places <= 0:
            return False
        pause = self._pace.pause_left(time.time())
        blocked = self._pace.blocked_since
        if pause and (pause > LONGEST_INLINE_WAIT or (blocked and time.time() - blocked > LONGEST_INLINE_WAIT)):
            # Too long to hold a worker for it.
            self._halt = Halt(self._last_refusal, resume_at=time.time() + max(pause, LONGEST_INLINE_WAIT))
            return False
        return True

    def _note_stop(self) -> None:
        if self._halt is None and self._stopping():
            # Where Airflow goes on with the task elsewhere (its machine is taken away), ordering goes on at once.
            self._halt = Halt("the task's process is being ended", resume_at=time.time())
            self._log.warning("Ordering pauses: %s.", self._halt.why)

    def _choose(self, waiting: deque[Row]) -> list[tuple[Row, VideoRequest]]:
        """Take the next rows that may go out, with their stored inputs signed."""
        self._note_stop()
        room = 0 if self._halt else min(self._places, self._pace.room(len(self._out), time.time()))
        chosen: list[tuple[Row, VideoRequest]] = []
        while waiting and len(chosen) < room:
            row = waiting.popleft()
            entry = self._book.open(row.key)
            entry.row = row.number
            try:
                signed = self._hook.with_signed_inputs(row.request, self._presign_endpoint)
            except StarVideosError as error:
                entry.become(RowState.REJECTED if error.permanent else RowState.NOT_SENT, str(error))
                self._book.touch([entry])
                self._log.error("Row %d isn't ordered: %s", row.number, error)
                continue
            chosen.append((row, signed))
        if not chosen and not self._out and waiting and not self._halt:
            self._book.commit_surely()  # before it sleeps: ids may be among it
            self._sleep(min(self._pace.pause_left(time.time()), LONGEST_INLINE_WAIT))
        return chosen

    def _send(self, pool: ThreadPoolExecutor, chosen: Sequence[tuple[Row, VideoRequest]]) -> None:
        now = time.time()
        postings = [_Posting(row, self._book.open(row.key), now) for row, _ in chosen]
        if self._book.spreads(posting.entry for posting in postings):
            # Outcomes first, where one write can't hold both: else a crash in between would add up their doubts.
            self._book.commit_surely()
        # First of all, so that ``_finish`` finds them, whatever happens in between.
        self._out.update({posting.row.key: posting for posting in postings})
        for posting in postings:
            posting.entry.become(RowState.SENDING)
            posting.entry.sent_at, posting.entry.video_id = now, None
        self._book.touch(posting.entry for posting in postings)
        self._book.commit_surely()
        self._places -= len(postings)
        for posting, (_, request) in zip(postings, chosen, strict=True):
            posting.handed = True
            pool.submit(self._post, posting, request)

    def _post(self, posting: _Posting, request: VideoRequest) -> None:
        try:
            posting.outcome = self._hook.submit(request, self._endpoint)
        except BaseException as error:  # noqa: BLE001  it is handed over to the deciding thread
            posting.outcome = error
        self._answered.put(None)

    def _gather(self) -> list[Row]:
        """Wait for outcomes, take those that come at about the same time, and return the rows to send again."""
        if not self._out:
            return []
        try:
            # Not longer than a pause that the API asked for: others may go out then, though these hang.
            self._answered.get(timeout=self._pace.pause_left(time.time()) or None)
        except queue.Empty:
            return []
        until, enough = time.monotonic() + GATHER_SECONDS, max(1, len(self._out) // 2)
        while sum(posting.outcome is not None for posting in self._out.values()) < enough:
            try:
                self._answered.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
        return self._take_answers()

    def _take_answers(self) -> list[Row]:
        answered = [posting for posting in self._out.values() if posting.outcome is not None]
        names = [f"row {one.row.number} {one.outcome.id}" for one in answered if isinstance(one.outcome, VideoTask)]
        if names:
            # Before it is on record: if this process dies now, the log names the videos.
            self._log.info("Ordered StarVideos videos: %s.", ", ".join(names))
        again = []
        for posting in answered:
            if self._took(posting):
                again.append(posting.row)
            del self._out[posting.row.key]
        return again

    def _took(self, posting: _Posting) -> bool:
        """Take one outcome; tell whether its row is to be sent again."""
        entry, outcome = posting.entry, posting.outcome
        self._book.touch([entry])
        if isinstance(outcome, VideoTask):
            entry.become(RowState.ORDERED)
            entry.video_id = outcome.id
            self.lost_in_a_row = 0
            self._pace.accepted()
            return False
        if isinstance(outcome, StarVideosError) and was_not_accepted(outcome):
            return self._refused(posting, outcome)
        what = (
            outcome.what if isinstance(outcome, StarVideosUnconfirmedError) else f"{type(outcome).__name__}: {outcome}"
        )
        entry.become(RowState.UNCONFIRMED, what)
        doubt = "Row %d may or may not have been ordered (and billed), and isn't sent again: %s"
        self._log.error(doubt, posting.row.number, what)
        self._places += 1
        self.lost_in_a_row += 1
        if self.lost_in_a_row >= MAX_LOST_IN_A_ROW:
            why = f"{self.lost_in_a_row} orders in a row had no readable answer, the last: {what}"
            self._stop(Halt(why, permanent=True))  # each try would lose as many more: a person looks first
        return False

    def _refused(self, posting: _Posting, error: StarVideosError) -> bool:
        entry = posting.entry
        self._places += 1
        if isinstance(error, TRY_LATER):
            asked = error.retry_after if isinstance(error, StarVideosAPIError) else None
            now = time.time()
            if self._pace.pause_left(now) == 0:
                self._log.warning("Ordering slows down: %s", error)
            self._last_refusal = str(error)
            self._pace.refused(posting.sent_at, now, asked, random.random())
            entry.become(RowState.OPEN)
            return True
        redirected = isinstance(error, StarVideosAPIError) and error.status_code < 400
        if isinstance(error, AFFECTS_ALL) or redirected:
            entry.become(RowState.OPEN, str(error))
            self._stop(Halt(str(error), permanent=True))
            return False
        entry.become(RowState.REJECTED, str(error))
        self._log.error("Row %d was refused, and isn't billed: %s", posting.row.number, error)
        return False

    def _stop(self, halt: Halt) -> None:
        if self._halt is None:
            self._halt = halt
            self._log.error("No more rows are ordered: %s", halt.why)
