"""The person whom a task asks: one question in a try, and one answer to it.

Airflow has one question for each try. So a try that has to ask about something else leaves that to the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from airflow_provider_starvideos.compat.human_input import (
    Answer,
    NoAnswerError,
    NobodyAnsweredError,
    Question,
    read_answer,
)
from airflow_provider_starvideos.exceptions import StarVideosQuestionError

Leave = Callable[[Question, float | None], NoReturn]
"""Asks, and leaves the worker. The second argument is the end of the wait, in epoch seconds; None: it has no end."""


class Person:
    """Whom the running task asks.

    :param leave: how to ask
    :param log: a logger
    :param asked: what this try has asked already: ``digest`` and ``until`` of its question; None: nothing
    :param event: what Airflow gives as the answer
    """

    def __init__(self, leave: Leave, log: Any, *, asked: Mapping[str, Any] | None = None, event: Any = None) -> None:
        self._leave = leave
        self._log = log
        self._asked = asked
        self._event = event
        self._is_used = False

    @property
    def has_asked(self) -> bool:
        """Whether this try has asked a question already."""
        return self._asked is not None

    def answer(self, question: Question, *, timeout: float | None = None, otherwise: str = "") -> Answer | None:
        """Return the answer to a question, or ask it and leave the worker.

        :param question: about the orders as they are now
        :param timeout: seconds that it may wait; None: without end
        :param otherwise: what the error says besides, where this try can't ask
        :return: None: the time has passed
        :raises StarVideosQuestionError: this try has asked another question; the next one asks this
        """
        if self._asked is None:
            self._leave(question, None if timeout is None else time.time() + timeout)
        if self._is_used or self._asked.get("digest", question.digest) != question.digest:
            changed = "" if self._is_used else " What it was about has changed since, so its answer changes nothing."
            raise StarVideosQuestionError(
                f"Not asked: {question.subject}. Airflow has one question for each try, and this try has asked "
                f"another one.{changed}\nNothing was sent. The next try of the task asks: let it retry, or clear it."
                f"{otherwise}"
            )
        self._is_used = True
        try:
            return read_answer(self._event, question)
        except NobodyAnsweredError:
            return None
        except NoAnswerError as error:
            self.ask_again(question, str(error))

    def ask_again(self, question: Question, why: str) -> NoReturn:
        """Refuse the answer to a question, and leave the worker until there is another one.

        :param question: the one that ``answer`` was given
        :param why: the answer can't be used
        """
        self._log.error("The answer can't be used: %s Nothing was sent. The question is asked again.", why)
        self._leave(question, (self._asked or {}).get("until"))

    def says(self, option: str) -> bool:
        """Tell whether there is an answer that wasn't used, and it is this one.

        :param option: of some question
        """
        event = self._event if isinstance(self._event, Mapping) and not self._is_used else {}
        return event.get("chosen_options") == [option]

    def note_unused(self) -> None:
        """Log that an answer came too late to change anything, if one did."""
        if self._event is not None and not self._is_used:
            self._log.warning("The question isn't open any more, so its answer changes nothing: %s.", self._event)
            self._is_used = True


def nobody(question: Question, until: float | None) -> NoReturn:
    """Ask nobody: for tasks that never ask."""
    raise AssertionError(f"a question that no task asks: {question.subject}")
