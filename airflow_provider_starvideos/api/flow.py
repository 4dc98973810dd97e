"""Flows: generators that decide, and leave the doing to whoever drives them.

A flow yields a step (an ``HttpRequest``, a ``Sleep``, …), is sent what came of it, or is thrown the
``StarVideosError`` in which it ended. ``drive`` performs the steps with blocking functions and ``adrive`` with awaited
ones, so that no decision is written twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_starvideos.exceptions import StarVideosError

Step = TypeVar("Step")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sleep:
    """Do nothing for ``seconds``; ``notice`` says why, for the log (empty: not worth a line), ``warn`` how loudly."""

    seconds: float
    notice: str = ""
    warn: bool = False

    def tell(self, log: Any) -> None:
        """Write the notice into a log, if there is one.

        :param log: a ``logging.Logger``, or what Airflow has for one
        """
        if self.notice:
            (log.warning if self.warn else log.info)("%s", self.notice)


def drive(flow: Generator[Step, Any, Result], perform: Callable[[Step], Any]) -> Result:
    """Perform a flow's steps one after the other.

    :param flow: yields steps
    :param perform: does one step and returns what came of it
    :return: what the flow returns
    """
    try:
        step = next(flow)
        while True:
            try:
                outcome = perform(step)
            except StarVideosError as error:
                step = flow.throw(error)
            else:
                step = flow.send(outcome)
    except StopIteration as done:
        result: Result = done.value
        return result


async def adrive(flow: Generator[Step, Any, Result], perform: Callable[[Step], Awaitable[Any]]) -> Result:
    """Perform a flow's steps one after the other, awaiting each; see ``drive``."""
    try:
        step = next(flow)
        while True:
            try:
                outcome = await perform(step)
            except StarVideosError as error:
                step = flow.throw(error)
            else:
                step = flow.send(outcome)
    except StopIteration as done:
        result: Result = done.value
        return result
