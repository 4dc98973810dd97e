"""What a person is asked about orders, as Airflow's page shows it: Markdown, with nothing in it that grants access.

A question carries a code, a digest of the orders that it is about. So an answer can't be used for other orders, nor
twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from airflow_provider_starvideos.api.models import time_text
from airflow_provider_starvideos.api.redaction import hide_urls
from airflow_provider_starvideos.compat.human_input import Answer, Offer, Question
from airflow_provider_starvideos.orders.estimate import Estimate
from airflow_provider_starvideos.orders.record import MAX_PROMPT_BYTES, Order, Row, counted, shortened
from airflow_provider_starvideos.orders.states import STATES

APPROVE, REJECT = "Approve", "Reject"  # Airflow's page has buttons for exactly these two
THIS_VIDEO = "It is this video"
ROW_BY_ROW = "Row by row, as in the field"
AGAIN = "Order again (may be billed twice)"
GIVE_UP = "Give up"
VIDEO = {"video_id": "The video's id, if the order is in the StarVideos account"}
ROWS = {"rows": 'A JSON object of row numbers: {"12": "<video id>", "13": "resubmit"}'}
WITH_FIELD = {False: (THIS_VIDEO, VIDEO), True: (ROW_BY_ROW, ROWS)}  # of a single order, of a batch
MAX_SHOWN_ROWS = 100  # each takes some 500 bytes, and MySQL keeps 64 KB of a question
MAX_WHY_BYTES = 160  # of JSON

COMES_BACK = "An answer that can't be used changes nothing: the task's log says why, and the question comes back."


class UnusableAnswerError(Exception):
    """An answer says nothing, or two things at once. The question is asked again."""


def offer(*, approves: bool, asks: bool, is_batch: bool) -> Offer:
    """Return what all questions of a task need.

    :param approves: it may ask for an approval
    :param asks: it may ask about orders of unknown outcome
    :param is_batch: rows are named by their numbers
    """
    options = (APPROVE, REJECT) if approves else ()
    with_field, fields = WITH_FIELD[is_batch]
    return Offer((*options, with_field, AGAIN, GIVE_UP), fields) if asks else Offer(options)


def approval_question(new: Sequence[tuple[Row, Order | None]], estimate: Estimate) -> Question:
    """Return the question whether new orders may be sent.

    :param new: the rows to be ordered, with what is known of their orders
    :param estimate: of the task
    """
    videos = counted(estimate.new_orders, "video")
    lines = [estimate.text(), "", "Nothing is ordered before you approve."]
    lines += ["", "Prompts:", *(f"- {_shown_text(prompt)}" for prompt in estimate.prompts)]
    if len(estimate.prompts) < estimate.new_orders:
        lines.append(f"- and others: {estimate.new_orders} orders in all")
    if estimate.inputs:
        lines += ["", "Inputs:", *(f"- {_link(url)}" for url in estimate.inputs)]
    facts = [(row.key, order.times_ordered if order else 0) for row, order in new]
    return Question(f"Order {videos} at StarVideos?", (APPROVE, REJECT), _code_of("approve", facts), "\n".join(lines))


def unknown_question(asked: Sequence[tuple[Row, Order]], *, is_batch: bool) -> Question:
    """Return the question what has become of orders.

    :param asked: those whose outcome is unknown, or whose video the API doesn't know
    :param is_batch: rows are named by their numbers
    """
    facts = [(row.number, row.key, str(order.state), order.sent_at, order.video_id) for row, order in asked]
    code = _code_of("unknown", facts)
    shown = [_shown(row, order, is_batch=is_batch) for row, order in asked[:MAX_SHOWN_ROWS]]
    if len(asked) > MAX_SHOWN_ROWS:
        numbers = ", ".join(str(row.number) for row, _ in asked[MAX_SHOWN_ROWS:])
        shown.append(f"- And {len(asked) - MAX_SHOWN_ROWS} more, rows {numbers}"[:10_000])
    head = "The outcome of each order below is unknown. Nothing was sent again."
    with_field, fields = WITH_FIELD[is_batch]
    unnamed = ["Rows that the field doesn't name are asked about again."] if is_batch else []
    body = [head, "", *shown, "", *_steps(with_field), *unnamed, COMES_BACK]
    subject = f"Were these {len(asked)} orders accepted?" if is_batch else "Was this order accepted?"
    return Question(subject, (with_field, AGAIN, GIVE_UP), code, "\n".join(body), fields)


def answered_text(answer: Answer, again: str | None) -> str:
    """Return what an answer decides, as the Variable of a decision has it.

    :param answer: any but that to give up
    :param again: what decides to order all of them again; None: that isn't the answer
    :raises UnusableAnswerError: the answer says nothing, or two things at once
    """
    given = "".join(answer.fields.values())
    if again is not None:
        if given:
            raise UnusableAnswerError(f"It says {AGAIN!r}, and names {given[:100]!r} as well")
        return again
    if not given:
        raise UnusableAnswerError(f"It says {answer.option!r}, and the field is empty")
    return given


def _steps(with_field: str) -> list[str]:
    return [
        "1. Look for them in the StarVideos account.",
        f"2. What is there: write its id into the field, and choose **{with_field}**. The id is checked before use.",
        f"3. What isn't there: choose **{AGAIN}**. Billed again, if it was accepted after all.",
        f"4. **{GIVE_UP}** orders nothing and ends the task's wait for them. Cleared, the task asks again.",
        "",
    ]


def _shown(row: Row, order: Order, *, is_batch: bool) -> str:
    which = f"Row {row.number}: " if is_batch else ""
    sent = "unknown when" if order.sent_at is None else time_text(order.sent_at)
    prompt = _shown_text(shortened(hide_urls(row.request.prompt), MAX_PROMPT_BYTES))
    meaning = STATES[order.state]
    why = shortened(hide_urls(order.error or ""), MAX_WHY_BYTES)
    video = f", video {_shown_text(order.video_id or order.named or '')}" if order.video_id or order.named else ""
    what = f"{meaning.text}. Billed: {meaning.billed}. {_shown_text(why)}"
    return f"- {which}{prompt}, {row.request.mode.value}, sent {sent}{video}: {what}"


def _code_of(kind: str, facts: Sequence[Any]) -> str:
    # It begins with a word: Airflow's page makes a number of what looks like one.
    return f"{kind}-{hashlib.sha256(json.dumps(sorted(facts)).encode()).hexdigest()[:24]}"


def _shown_text(text: str) -> str:
    """Return a text as Markdown shows it, whatever is in it."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def _link(url: str) -> str:
    plain = "".join(url.split()).replace("<", "%3C").replace(">", "%3E")
    return f"<{plain}>" if plain.startswith(("http://", "https://")) else _shown_text(url)
