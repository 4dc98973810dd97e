"""Flows: generators that decide and yield steps; a driver performs the steps, blocking or awaited.

A step is an ``HttpRequest``, a ``Sleep``, … The driver sends its result back, or throws the ``StarVideosError`` of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_starvideos.exceptions import StarVideosError

Step = TypeVar("Step")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sleep:
    """Do nothing for ``seconds``. ``notice`` is the log line about it (empty: none), ``warn`` makes it a warning."""

    seconds: float
    notice: str = ""
    warn: bool = False

    def log_to(self, log: Any) -> None:
        """Write the notice to a logger, if there are both."""
        if self.notice and log is not None:
            (log.warning if self.warn else log.info)("%s", self.notice)


def drive(flow: Generator[Step, Any, Result], perform: Callable[[Step], Any]) -> Result:
    """Perform a flow's steps in order with a blocking function, and return what the flow returns."""
    return at_once(adrive(flow, awaited(perform)))


def awaited(call: Callable[..., Result]) -> Callable[..., Coroutine[Any, Any, Result]]:
    """Return a blocking function as one that is awaited: for ``at_once``. So one rule serves both kinds of callers."""

    async def blocking(*args: Any) -> Result:
        return call(*args)

    return blocking


def at_once(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in which nothing really awaits, and return what it returns."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("a blocking function never suspends")


async def adrive(flow: Generator[Step, Any, Result], perform: Callable[[Step], Awaitable[Any]]) -> Result:
    """Perform a flow's steps in order with an awaited function, and return what the flow returns."""
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
