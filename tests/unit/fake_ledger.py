"""For the ledger's tests: a store that is watched and can fail, and one task instance with as many tries as wanted."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.clients.sync import SyncClient
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosUnconfirmedError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.ledger import ordering
from airflow_provider_starvideos.ledger.ordering import DurableOrder
from airflow_provider_starvideos.ledger.record import OrderRecord

LOG = logging.getLogger("tests.ledger")


class FakeStore:
    """Keeps JSON text, as Airflow does; notes every step with the number of orders billed by then."""

    def __init__(self, emulator: Emulator) -> None:
        self.text: str | None = None
        self.steps: list[tuple[str, int]] = []
        self.refuses: Callable[[str, Any], bool] = lambda step, value: False
        self._emulator = emulator

    def read(self) -> Any | None:
        self._note("read")
        return None if self.text is None else json.loads(self.text)

    def write(self, value: dict[str, Any]) -> None:
        self._note("id" if "video_id" in value else "doubt" if "doubt" in value else "intent", value)
        self.text = json.dumps(value)

    def delete(self) -> None:
        self._note("delete")
        self.text = None

    @property
    def record(self) -> OrderRecord | None:
        return None if self.text is None else OrderRecord.from_json(json.loads(self.text))

    def _note(self, step: str, value: Any = None) -> None:
        self.steps.append((step, self._emulator.billed.videos))
        if self.refuses(step, value):
            raise OSError("no more room")


class Hook(StarVideosHook):
    """The hook, without an Airflow connection, and without waiting between two requests."""

    def __init__(self, emulator: Emulator, store: FakeStore) -> None:
        super().__init__()
        self.endpoint = Endpoint(emulator.base_url, emulator.key, timeout=5, max_retries=2)
        self.slept: list[OrderRecord | None] = []
        self._store = store

    def get_conn(self) -> Endpoint:
        return self.endpoint

    def _transport(self) -> SyncClient:
        return SyncClient(sleep=lambda seconds: self.slept.append(self._store.record))


class Bench:
    """One task instance, with as many tries as a test wants."""

    def __init__(self, emulator: Emulator, variables: dict[str, str]) -> None:
        self.emulator, self.variables = emulator, variables
        self.store = FakeStore(emulator)
        self.hook = Hook(emulator, self.store)

    def place(self, prompt: str = "a red fox", *, resubmit: bool = False) -> str:
        """Run one try, and return the video's id."""
        order = DurableOrder(self.hook, self.store, LOG, resubmit=resubmit, sleep=lambda seconds: None)
        return order.place(build_request(prompt=prompt)).id

    def lose_the_answer(self) -> str:
        """Run one try whose order is accepted, but not confirmed; return the message."""
        self.emulator.add_fault(on="create", kind="reset", when="after", times=1)
        with pytest.raises(StarVideosUnconfirmedError) as caught:
            self.place()
        return str(caught.value)

    def be_refused(self) -> str:
        """Run one try that finds an order of which nobody knows; return the message."""
        with pytest.raises(StarVideosUnconfirmedError) as caught:
            self.place()
        assert caught.value.permanent
        return str(caught.value)

    def decide(self, decision: str) -> None:
        record = self.store.record
        assert record is not None
        self.variables[f"starvideos_decision_{record.reference}"] = decision

    @property
    def billed(self) -> int:
        return self.emulator.billed.videos


def make_bench(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a task instance, with Airflow Variables in a dict."""
    variables: dict[str, str] = {}

    class FakeVariable:
        delete = staticmethod(variables.pop)

    monkeypatch.setattr(ordering, "variable", variables.get)
    monkeypatch.setattr(ordering, "Variable", FakeVariable)
    return Bench(emulator, variables)
