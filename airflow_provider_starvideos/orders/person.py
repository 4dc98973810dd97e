"""The person whom a task asks: an answer is good for the question that it is about, and is used once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from airflow_provider_starvideos.compat.human_input import (
    Answer,
    NoAnswerError,
    NobodyAnsweredError,
    Question,
    code_of,
    read_answer,
)

Leave = Callable[[Question, float | None], NoReturn]
"""Asks, and leaves the worker. The second argument is the end of the wait, in epoch seconds; None: it has no end."""


class Person:
    """Whom the running task asks.

    :param leave: how to ask
    :param asked: what this try has asked last: ``code`` and ``until`` of its question; None: nothing
    :param event: what Airflow gives as the answer to that
    """

    def __init__(self, leave: Leave, log: Any, *, asked: Mapping[str, Any] | None = None, event: Any = None) -> None:
        self._leave = leave
        self._log = log
        self._asked = asked or {}
        self._event = event

    def answer(self, question: Question, *, timeout: float | None = None) -> Answer | None:
        """Return the answer to a question, or ask it and leave the worker.

        :param question: about the orders as they are now
        :param timeout: seconds that it may wait; None: without end
        :return: None: the time has passed
        """
        event, self._event = self._event, None
        if event is not None:
            try:
                return read_answer(event, question)
            except NobodyAnsweredError:
                if self._asked.get("code", question.code) == question.code:
                    return None
            except NoAnswerError as error:
                self._log.error("The answer can't be used: %s Nothing was sent. The question is asked again.", error)
        return self._leave(question, self._end(question, timeout))

    def ask_again(self, question: Question, why: str) -> NoReturn:
        """Refuse the answer to a question, and leave the worker until there is another one.

        :param question: the one that ``answer`` was given
        :param why: the answer can't be used
        """
        self._log.error("The answer can't be used: %s Nothing was sent. The question is asked again.", why)
        self._leave(question, self._end(question, None))

    def has_asked(self, question: Question) -> bool:
        """Return whether this try has asked this question last.

        :param question: about the orders as they are now
        """
        return question.code in (self._asked.get("code"), code_of(self._event))

    def says(self, option: str) -> bool:
        """Return whether there is an answer that wasn't used, and it is this one.

        :param option: of some question
        """
        return isinstance(self._event, Mapping) and self._event.get("chosen_options") == [option]

    def note_unused(self) -> None:
        """Log that an answer came too late to change anything, if one did."""
        if self._event is not None:
            self._log.warning("The question isn't open any more, so its answer changes nothing: %s.", self._event)
            self._event = None

    def _end(self, question: Question, timeout: float | None) -> float | None:
        """Return when the wait ends. Asked again, a question doesn't get more time."""
        if self._asked.get("code") == question.code:
            until: float | None = self._asked.get("until")
            return until
        return None if timeout is None else time.time() + timeout
