"""One task instance that orders one video, with as many tries as a test wants; the emulator says what was billed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosUnconfirmedError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.orders.journal import Journal
from airflow_provider_starvideos.orders.single import SingleOrder
from tests.orders.variables import LOG, NAME, NOBODY, Variables


class Hook(StarVideosHook):
    """The hook, without an Airflow connection."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__()
        self.endpoint = Endpoint(emulator.base_url, emulator.key, timeout=5, max_retries=2)

    def get_conn(self) -> Endpoint:
        return self.endpoint


class Task:
    """The task instance. What happens between two tries is Airflow's: it leaves its Variables alone."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.emulator = emulator
        self.variables = Variables()
        self.variables.install(monkeypatch)
        self.hook = Hook(emulator)
        self.try_number = 0
        self.lease: Callable[[], None] = lambda: None
        self.stopping: Callable[[], bool] = lambda: False
        self.slept: list[dict[str, str]] = []

    def order(self, prompt: str = "a red fox", **request: Any) -> str:
        """Run one try, and return the video's id."""
        self.try_number += 1
        return self.again(prompt, **request)

    def again(
        self, prompt: str = "a red fox", *, on_unconfirmed: str = "fail", try_number: int | None = None, **request: Any
    ) -> str:
        """Run a process of the same try, or of the one that is named."""
        journal = Journal(self.variables, NAME, try_number or self.try_number, LOG, sleep=lambda seconds: None)
        order = SingleOrder(
            self.hook,
            journal,
            lambda: self.lease(),
            LOG,
            person=NOBODY,
            on_unconfirmed=on_unconfirmed,
            stopping=lambda: self.stopping(),
            sleep=lambda seconds: self.slept.append(dict(self.variables.journals)),
        )
        return order.obtain(build_request(prompt=prompt, **request)).id

    def lose_the_answer(self, prompt: str = "a red fox") -> str:
        """Run one try whose order is accepted, and its answer lost; return the message."""
        self.emulator.add_fault(on="create", kind="reset", when="after", times=1)
        return self.stop(prompt)

    def stop(self, prompt: str = "a red fox") -> str:
        """Run one try that stops for an unknown outcome; return the message."""
        with pytest.raises(StarVideosUnconfirmedError) as caught:
            self.order(prompt)
        assert caught.value.permanent
        return str(caught.value)

    def decide(self, message: str, decision: str) -> None:
        """Set the Variable that a message names."""
        found = re.search(r"starvideos_decision_\w+", message)
        assert found
        self.variables.texts[found[0]] = decision

    @property
    def billed(self) -> int:
        return self.emulator.billed.videos
