"""What comes next for a video, and what a person may do about it: in words, with commands, times and links."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from airflow.configuration import conf

from airflow_provider_starvideos.orders.decisions import RESUBMIT, UNDECIDED
from airflow_provider_starvideos.orders.states import OrderState
from airflow_provider_starvideos.orders.store import DECISION_PREFIX
from airflow_provider_starvideos.ui.queries import Kind, Task
from airflow_provider_starvideos.ui.states import PAGE_STATES, SAVE_FAILED, TaskState
from airflow_provider_starvideos.ui.videos import Video

VARIABLE = re.compile(DECISION_PREFIX + "[0-9a-f]{12}")
FAILED_ROW = "With retry_failed=True the batch's next try orders a new video, billed again; without it, none."
FREE_CLEARS: dict[str, str] = {
    **dict.fromkeys((OrderState.TIMED_OUT, TaskState.UNWATCHED), "Clear task {} to wait again. Nothing is ordered."),
    **dict.fromkeys((OrderState.NOT_SAVED, OrderState.UNSAVABLE), "Clear task {} to save it. Nothing is ordered."),
}  # where the failed task orders nothing, or its journal has the order


def next_steps(video: Video) -> list[dict[str, Any]]:
    """Return what comes next, and what a person may do: texts, each with commands to copy, a time, or a link."""
    state, meaning = video.state, PAGE_STATES[video.state].meaning
    steps: list[dict[str, Any]] = []
    for task in video.tasks:
        if task.is_asking:
            asks = {"task_id": task.task_id, "map_index": task.map_index}
            steps.append({"text": f"Task {task.label} waits for a person's decision.", "asks": asks})
        if task.state == "up_for_retry":
            again = " Billed again: yes." if state == OrderState.FAILED and task.kind is Kind.ORDER else ""
            then = FAILED_ROW if video.row and state == OrderState.FAILED else f"Its next try {meaning.retry}.{again}"
            steps.append({"text": f"Airflow runs task {task.label} again. {then}", "at": _retry_at(task)})
    if not steps and state in FREE_CLEARS:
        failed = next((task for task in video.tasks if task.state in SAVE_FAILED), None)
        is_free = failed is not None and (failed.kind in (Kind.WAIT, Kind.SAVE) or bool(video.record))
        return [{"text": FREE_CLEARS[state].format(failed.label)}] if failed and is_free else []
    if steps or not meaning.person:
        return steps
    if video.row and state == OrderState.FAILED:
        return [{"text": FAILED_ROW}]
    if state in UNDECIDED and (variable := _decision(video)):
        values = [json.dumps({str(video.row): one}) if video.row else one for one in ("<video id>", RESUBMIT)]
        commands = [f"airflow variables set {variable} '{value}'" for value in values]
        return [
            {"text": "1. Look for the video in the StarVideos account."},
            {"text": "2. If it is there, set its id; or order it again (billed again):", "commands": commands},
            {"text": f"3. Clear task {video.task.label}."},
        ]
    if state in UNDECIDED and video.row:
        return [
            {"text": f"Clear task {video.task.label}. It doesn't send this row again: its error says how to decide."}
        ]
    again = " Billed again: yes." if state == OrderState.FAILED else ""
    text = meaning.person.replace("the task", f"task {video.task.label}")
    return [{"text": f"{text[0].upper()}{text[1:]}.{again}"}]


def _decision(video: Video) -> str | None:
    """Return the Airflow Variable of a person's decision about an order; None: it isn't known here."""
    found = VARIABLE.search(str(video.task.failure.get("error") or ""))
    if found:
        return found[0]
    # A batch's comes from all of its rows, of which the journal has those that were sent.
    return None if video.row else video.record.get("decision")


def _retry_at(task: Task) -> str | None:
    """Return when Airflow runs a task again, as ISO 8601; None: it isn't known, as with an exponential delay."""
    ended, declared = task.times.get("ended_at"), {**task.declared.get("partial_kwargs", {}), **task.declared}
    if not isinstance(ended, datetime) or declared.get("retry_exponential_backoff") or declared.get("retry_policy"):
        return None
    delay = declared.get("retry_delay", conf.getfloat("core", "default_task_retry_delay", fallback=300.0))
    return (ended + timedelta(seconds=delay)).isoformat() if isinstance(delay, int | float) else None
