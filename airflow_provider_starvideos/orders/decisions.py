"""What a person decides about orders of unknown outcome, and how it is carried out.

A decision comes as an Airflow Variable that the task's error names, or as the answer to a question
(``on_unconfirmed="ask"``). The Variable's name comes from the task instance and what it orders, so its decision holds
also where the journal was lost. Its value is ``resubmit``, a video's id, or a JSON object: row number → one of the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_starvideos.api.protocol import check_video_id
from airflow_provider_starvideos.compat import supervisor
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosRecordError,
    StarVideosUnconfirmedError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.person import Person
from airflow_provider_starvideos.orders.questions import (
    AGAIN,
    GIVE_UP,
    UnusableAnswerError,
    answered_text,
    unknown_question,
)
from airflow_provider_starvideos.orders.record import Order, Row
from airflow_provider_starvideos.orders.states import OrderState

RESUBMIT = "resubmit"
UNDECIDED = (OrderState.UNCONFIRMED, OrderState.UNKNOWN)


@dataclass(frozen=True)
class Decision:
    """One row's decision; no ``video_id``: order it (again)."""

    row: Row
    video_id: str | None


def carry_out_decision(hook: StarVideosHook, journal: Journal, variable: str, rows: Sequence[Row], log: Any) -> bool:
    """Do what a person has decided about rows, if anything, and delete the decision.

    :param hook: the API, to check that videos which are named exist
    :param journal: loaded; those of the rows that are unresolved are unconfirmed in it
    :param variable: the Variable of the decision
    :param rows: all rows, each with the key of its order
    :return: a person has decided something
    :raises StarVideosUnconfirmedError: the decision can't be read, or names a video that isn't there; nothing was sent
    :raises StarVideosRecordError: it can't be asked for, written or deleted; nothing was sent
    :raises StarVideosError: the API can't be asked for a video that is named
    """
    text = _read(variable)
    if not text:
        return False
    source = f"the Variable {variable}"
    _carry_out(_decided(hook, journal, source, text, rows), journal, source, log)
    # Before anything is sent: found again, it would decide about an order that no person has checked.
    _delete(variable)
    return True


def ask_about(
    person: Person,
    hook: StarVideosHook,
    journal: Journal,
    variable: str,
    rows: Sequence[Row],
    log: Any,
    *,
    is_batch: bool = False,
) -> bool:
    """Ask a person about orders of unknown outcome, and do what the answer says.

    :param person: to be asked; without an answer yet, this leaves the worker
    :param hook: the API, to check that videos which are named exist
    :param journal: loaded
    :param variable: the Variable of the decision. It decides too, until the next run of the task
    :param rows: all rows of the task; some of their orders have an unknown outcome
    :param is_batch: rows are named by their numbers
    :return: False: the person gave up, and nothing was done
    :raises StarVideosQuestionError: Airflow can't ask
    :raises StarVideosRecordError: the decision can't be written; nothing was sent
    :raises StarVideosError: the API can't be asked for a video that is named
    """
    asked = [(row, order) for row in rows if (order := journal.get(row.key)) and order.state in UNDECIDED]
    question = unknown_question(asked, is_batch=is_batch)
    if not person.has_asked(question):
        discard_earlier_decision(variable, log)
    answer = person.answer(question)
    if answer is None or answer.option == GIVE_UP:
        log.warning("A person (%s) gave up on orders of unknown outcome: %d.", answer.who if answer else "", len(asked))
        return False
    who = answer.who or "a person"
    source = f"the answer of {who}"
    subject = [row for row, _ in asked]
    try:
        text = json.dumps({str(row.number): RESUBMIT for row in subject}) if answer.option == AGAIN else None
        decisions = _decided(hook, journal, source, answered_text(answer, text), subject)
        if not decisions:
            raise _unusable(f"{source} names no row")
    except UnusableAnswerError as error:
        person.ask_again(question, f"{error}.")
    except StarVideosUnconfirmedError as error:
        person.ask_again(question, f"{error.what}.")
    _carry_out(decisions, journal, source, log, approved_by=who)
    return True


def discard_earlier_decision(variable: str, log: Any) -> None:
    """Delete a decision that was set before its question is asked: it may be about another one.

    :param variable: the Variable of the decision
    """
    try:
        if text := supervisor.read_variable(variable):
            supervisor.delete_variable(variable)
            log.warning("The Variable %s was set before this question, so it is deleted: %s.", variable, text[:100])
    except Exception as error:  # noqa: BLE001  the question is what a person must see
        log.warning(
            "Is the Variable %s set? Delete it before you decide: %s: %s", variable, type(error).__name__, error
        )


def how_to_decide(variable: str, *, is_batch: bool = False) -> str:
    """Return what a person can do about orders of unknown outcome, as numbered steps.

    :param variable: the Variable of the decision
    :param is_batch: rows are named by their numbers
    """
    rows = f'{{"12": "<video id>", "13": "{RESUBMIT}"}}' if is_batch else f"<video id, or {RESUBMIT}>"
    which = "for all rows, or a JSON object of row numbers and decisions" if is_batch else "to order it again"
    return (
        "\n1. Look for it in the StarVideos account."
        f"\n2. Set the Airflow Variable {variable}: the video's id, if it is there; or {RESUBMIT}, {which} "
        f"(billed again, if it was accepted): airflow variables set {variable} '{rows}'"
        "\n3. Clear the task."
    )


def _carry_out(
    decisions: Sequence[Decision], journal: Journal, source: str, log: Any, *, approved_by: str | None = None
) -> None:
    for one in decisions:
        order = journal.open(one.row.key)
        order.row = one.row.number
        order.become(OrderState.ORDERED if one.video_id else OrderState.OPEN)
        order.video_id, order.sent_at = one.video_id, order.sent_at if one.video_id else None
        if approved_by and not one.video_id:
            order.approve(approved_by)  # the question was whether to order it again
        journal.touch([order])
        log.warning("Row %d: decided by %s: %s.", one.row.number, source, one.video_id or RESUBMIT)
    journal.commit_surely()


def _decided(hook: StarVideosHook, journal: Journal, source: str, text: str, rows: Sequence[Row]) -> list[Decision]:
    asked = {str(row.number): row for row in rows if _is_asked(journal.get(row.key))}
    undecided = {number: row for number, row in asked.items() if journal.get(row.key)}
    decisions = _parse(text, source, undecided or asked, {str(row.number): row for row in rows}, journal)
    mine = {row.key for number, row in asked.items() if number in decisions}
    taken = {order.video_id for order in journal.orders() if order.video_id and order.key not in mine}
    decided: list[Decision] = []
    for number, decision in decisions.items():
        row = asked[number]
        if decision.lower() == RESUBMIT:
            decided.append(Decision(row, None))
            continue
        video_id = _existing(hook, row, decision, source)
        if video_id in taken:
            raise _unusable(f"{source} gives row {row.number} the video of another row")
        taken.add(video_id)
        decided.append(Decision(row, video_id))
    return decided


def _is_asked(order: Order | None) -> bool:
    """Return whether a decision can be about an order: its outcome is unknown, or its record was lost."""
    return order is None or order.state in UNDECIDED


def _parse(
    text: str, source: str, subject: Mapping[str, Row], all_rows: Mapping[str, Row], journal: Journal
) -> dict[str, str]:
    """Return the decisions by row number; those that were carried out before are left out."""
    if text.lower() == RESUBMIT:
        orders = {number: journal.get(row.key) for number, row in subject.items()}
        lost = [number for number, order in orders.items() if order is None or order.state is not OrderState.UNKNOWN]
        return dict.fromkeys(lost or subject, RESUBMIT)  # orders whose answers were lost first
    try:
        decisions = json.loads(text, object_pairs_hook=_unique)
    except ValueError:
        decisions = {next(iter(all_rows)): text} if len(all_rows) == 1 else None
    if isinstance(decisions, int | float):  # an id of digits only
        decisions = {next(iter(all_rows)): text} if len(all_rows) == 1 else None
    if not isinstance(decisions, dict) or not all(isinstance(one, str) and one.strip() for one in decisions.values()):
        raise _unusable(f"{source} must be {RESUBMIT!r}, a video's id, or a JSON object of row numbers and those")
    given = {str(number).strip(): decision.strip() for number, decision in decisions.items()}
    given = {number: one for number, one in given.items() if not _is_done(all_rows.get(number), one, journal)}
    strange = [number for number in given if number not in all_rows or not _is_asked(journal.get(all_rows[number].key))]
    if strange:
        raise _unusable(f"{source} names rows whose outcome isn't unknown: {', '.join(strange)[:200]}")
    return given


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """Return a JSON object; None: it gives a name twice, so which one is meant is unknown."""
    return dict(pairs) if len({name.strip() for name, _ in pairs}) == len(pairs) else None


def _is_done(row: Row | None, decision: str, journal: Journal) -> bool:
    order = journal.get(row.key) if row else None
    if order is None or order.state in UNDECIDED:
        return False
    return decision == order.video_id or (decision.lower() == RESUBMIT and order.state is OrderState.OPEN)


def _existing(hook: StarVideosHook, row: Row, decision: str, source: str) -> str:
    try:
        return hook.get_video(check_video_id(decision)).id
    except (StarVideosValidationError, StarVideosNotFoundError) as error:
        raise _unusable(f"{source} names no video for row {row.number}: {error}") from error


def _read(variable: str) -> str:
    try:
        return (supervisor.read_variable(variable) or "").strip()
    except Exception as error:
        raise StarVideosRecordError(
            f"The Airflow Variable {variable}, a person's decision, can't be read ({type(error).__name__}: {error}). "
            "Not billed: nothing was sent. A retry of the task reads it again."
        ) from error


def _delete(variable: str) -> None:
    try:
        supervisor.delete_variable(variable)
    except Exception as error:
        raise StarVideosRecordError(
            f"The Airflow Variable {variable}, a decision that was carried out, can't be deleted "
            f"({type(error).__name__}: {error}). Not billed: nothing was sent. A retry of the task goes on."
        ) from error


def _unusable(what: str) -> StarVideosError:
    return StarVideosUnconfirmedError(f"Not billed: nothing was sent, because {what}.", what=what)
