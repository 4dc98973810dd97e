"""Ordering so that a video is paid for once, whatever is killed or lost, and whenever.

Write ahead: the intent is on record before the order is sent, the id as soon as the answer is there. A later try of
the task finds the record: it takes up the video that was ordered, or, where nobody can know whether it was, stops and
says so. All of that is decided here; ``record`` says what is kept, and ``stores`` where.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_starvideos.api.calls import unconfirmed
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint, check_video_id
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosRecordError,
    StarVideosUnconfirmedError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.ledger.record import OrderRecord
from airflow_provider_starvideos.ledger.stores import DECISION_PREFIX, Store, variable

RESUBMIT = "resubmit"
WRITE_ATTEMPTS = 5
WRITE_DELAY = 2.0
"""An id that was paid for is worth a few attempts to keep it, seconds apart."""
ENDED = "the task ended before the answer was on record (its log may name the video)."


class _LostOrderError(StarVideosUnconfirmedError):
    """Nobody can tell whether the order was accepted, and the Dag's author rather pays twice than asks a person."""

    permanent = False


class DurableOrder:
    """The order of one task instance.

    :param hook: the API
    :param store: where this task instance's record is kept
    :param log: a logger
    :param resubmit: send an order again of which nobody knows whether it was accepted
    :param sleep: how to wait between two attempts to write
    """

    def __init__(
        self,
        hook: StarVideosHook,
        store: Store,
        log: Any,
        *,
        resubmit: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hook = hook
        self._store = store
        self._log = log
        self._resubmit = resubmit
        self._sleep = sleep

    def place(self, request: VideoRequest) -> VideoTask:
        """Return the video of this task instance: the one that an earlier try ordered, or a new one.

        :raises StarVideosUnconfirmedError: it may or may not have been ordered
        :raises StarVideosRecordError: the record can't be read or written; nothing was sent
        :raises StarVideosError: it was not accepted, for that reason
        """
        endpoint = self._hook.get_conn()
        fingerprint = request.fingerprint(endpoint.base_url)
        record = self._read()
        if record is not None and record.fingerprint == fingerprint:
            task = self._take_up(record, request, endpoint)
            if task is not None:
                return task
        elif record is not None:
            self._log.warning(
                "An earlier try of this task ordered something else (%s, video %s). This request is a new order; that "
                "video isn't used.",
                record.summary,
                record.video_id or "unknown, perhaps not accepted",
            )
        task = self._send(_Entry(self, OrderRecord(fingerprint, time.time(), request.summary)), request, endpoint)
        self._log.info("Ordered StarVideos video %s: %s.", task.id, request.summary)
        if record is not None:
            self._drop_decision(record)
        return task

    def _take_up(self, record: OrderRecord, request: VideoRequest, endpoint: Endpoint) -> VideoTask | None:
        """Return the video that an earlier try ordered, or None if it must be ordered (again)."""
        task = self._look(record, request, endpoint)
        if task is None:
            self._log.warning("An earlier try's order may have been accepted. It is sent again, as asked for.")
            return None
        if task.is_failed:
            self._log.info(
                "StarVideos video %s of an earlier try failed (%s); ordering a new one.", task.id, task.error
            )
            return None
        self._log.info("Found StarVideos video %s (%s) of an earlier try: not ordered again.", task.id, task.status)
        return task

    def _look(self, record: OrderRecord, request: VideoRequest, endpoint: Endpoint) -> VideoTask | None:
        """Return the video as it is now, or None if it is to be ordered again though it may be there."""
        if record.video_id is not None:
            try:
                return self._hook.get_video(record.video_id)
            except StarVideosNotFoundError as error:
                decision = self._decision(record)
                if decision is None:
                    raise StarVideosRecordError(
                        f"{error} An earlier try of this task ordered it. {_how_to_decide(record)}"
                    ) from error
        else:
            decision = self._decision(record)
            if decision is None and self._resubmit:
                decision = RESUBMIT
            if decision is None:
                what = record.doubt or ENDED
                raise unconfirmed(request, endpoint.base_url, record.sent_at, what, _how_to_decide(record))
        return None if decision.lower() == RESUBMIT else self._decided(record, decision)

    def _decided(self, record: OrderRecord, decision: str) -> VideoTask:
        """Put the id that a person gave on record, if there is such a video."""
        try:
            video_id = check_video_id(decision)
            task = self._hook.get_video(video_id)
        except (StarVideosValidationError, StarVideosNotFoundError) as error:
            what = f"the Variable {DECISION_PREFIX}{record.reference} doesn't name a video: {error}"
            raise StarVideosUnconfirmedError(f"Nothing was sent: {what} {_how_to_decide(record)}", what=what) from error
        self._write(replace(record, video_id=video_id, doubt=None))
        self._drop_decision(record)
        return task

    def _decision(self, record: OrderRecord) -> str | None:
        decision = variable(DECISION_PREFIX + record.reference)
        return decision.strip() if decision and decision.strip() else None

    def _drop_decision(self, record: OrderRecord) -> None:
        """Delete a decision that was acted upon. It named this very order, so one that stays does no harm."""
        key = DECISION_PREFIX + record.reference
        with suppress(Exception):
            if variable(key) is not None:
                Variable.delete(key)

    def _send(self, entry: _Entry, request: VideoRequest, endpoint: Endpoint) -> VideoTask:
        try:
            task = self._hook.submit(request, endpoint, witness=entry)
        except StarVideosUnconfirmedError as error:
            entry.doubt(error.what)
            if self._resubmit:
                raise _LostOrderError(
                    f"{error.what} The order may or may not have been accepted (and billed). The next try of this task "
                    "sends it again, as on_unconfirmed='resubmit' asks for.",
                    what=error.what,
                ) from error
            raise type(error)(f"{error} {_how_to_decide(entry.record)}", what=error.what) from error
        except StarVideosError:
            entry.withdraw()
            raise
        entry.keep(task.id)
        return task

    def _read(self) -> OrderRecord | None:
        try:
            value = self._store.read()
        except Exception as error:
            raise _unusable("read", error) from error
        return OrderRecord.from_json(value) if value is not None else None

    def _write(self, record: OrderRecord) -> None:
        try:
            self._store.write(record.to_json())
        except Exception as error:
            raise _unusable("written", error) from error


class _Entry:
    """The record of an order that is being sent. The hook tells it what happens to the order."""

    def __init__(self, order: DurableOrder, record: OrderRecord) -> None:
        self._order = order
        self.record = record
        self._was_sent = self._is_written = False

    def before_sending(self) -> None:
        """Write the intent. If that fails, nothing is sent.

        :raises StarVideosRecordError: it can't be written; or, when it is sent again, there is another's
        """
        if self._was_sent:
            self._is_written = False  # not known any more
            if self._order._read() not in (None, self.record):
                # This process was frozen, or cut off, in its wait; Airflow has begun another try meanwhile.
                raise StarVideosRecordError(
                    "Another run of this task has put an order on record while this one waited to send its own again "
                    "(this one was given up for dead, cleared or marked), so this one sends nothing more."
                )
        self._was_sent = self._is_written = True
        self.record = replace(self.record, sent_at=time.time())
        self._order._write(self.record)

    def withdraw(self) -> None:
        """Take the intent away: the order provably wasn't accepted. What is on record else stays."""
        if not self._is_written:
            return
        try:
            self._order._store.delete()
            self._is_written = False
        except Exception as error:  # noqa: BLE001  the API's refusal is what the user must see
            self._order._log.warning("Could not withdraw the record of an order that wasn't accepted: %s", error)

    def doubt(self, what: str) -> None:
        """Add to the intent what happened, for the next try's message."""
        try:
            self._order._write(replace(self.record, doubt=what))
        except StarVideosRecordError as error:
            self._order._log.warning("What happened to the order can't be put on record: %s", error.__cause__)

    def keep(self, video_id: str) -> None:
        """Write the id, before anything else can go wrong."""
        record = replace(self.record, video_id=video_id)
        for attempt in range(WRITE_ATTEMPTS):
            try:
                self._order._write(record)
            except StarVideosRecordError as error:
                self._order._log.error(
                    "StarVideos video %s was ordered, but can't be put on record (attempt %d of %d): %s",
                    video_id,
                    attempt + 1,
                    WRITE_ATTEMPTS,
                    error.__cause__,
                )
                self._order._sleep(WRITE_DELAY)
            except BaseException:  # a signal, or the task's execution_timeout
                self._order._log.error("StarVideos video %s was ordered, but isn't on record.", video_id)
                raise
            else:
                return


def _how_to_decide(record: OrderRecord) -> str:
    return (
        f"To go on, set the Airflow Variable {DECISION_PREFIX}{record.reference} to the video's id, if the order is in "
        f"the StarVideos account, or to {RESUBMIT!r}, to order it (again). Then clear the task."
    )


def _unusable(done: str, error: Exception) -> StarVideosRecordError:
    return StarVideosRecordError(
        f"The record of this task's order can't be {done} ({type(error).__name__}: {error}). Without it a video might "
        "be paid for twice, so nothing was sent. "
        "(durable=False orders without.)"
    )
