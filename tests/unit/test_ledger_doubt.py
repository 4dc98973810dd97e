"""An order of which nobody knows whether it was accepted: unsent until a person, or the Dag's author, decides."""

from __future__ import annotations

import json

import pytest

from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import (
    StarVideosRecordError,
    StarVideosUnconfirmedError,
)
from airflow_provider_starvideos.ledger.record import OrderRecord
from tests.unit.fake_ledger import Bench, make_bench


@pytest.fixture
def bench(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A task instance that has ordered nothing."""
    return make_bench(emulator, monkeypatch)


def test_a_lost_answer_is_not_sent_again(bench: Bench) -> None:
    """Not by the next try either, and each says what was sent, when, and how to go on."""
    for message in (bench.lose_the_answer(), bench.be_refused()):
        record = bench.store.record
        assert record is not None
        for part in (
            "may or may not have been accepted",
            "prompt 'a red fox'",
            bench.emulator.base_url,
            f"starvideos_decision_{record.reference}",
            "'resubmit'",
            "Then clear the task",
        ):
            assert part in message
    assert bench.billed == 1


def test_a_try_that_ended_without_a_word(bench: Bench) -> None:
    """A process that was killed leaves an intent, and no more."""
    bench.store.text = json.dumps(OrderRecord(_fingerprint(bench), 1.5, "text to video").to_json())
    assert "the task ended before the answer was on record" in bench.be_refused()
    assert bench.billed == 0


def _fingerprint(bench: Bench, prompt: str = "a red fox") -> str:
    return build_request(prompt=prompt).fingerprint(bench.emulator.base_url)


def test_decision_the_id(bench: Bench) -> None:
    """A person names the video: it is taken up and on record, and the decision is gone."""
    bench.lose_the_answer()
    (order,) = bench.emulator.orders
    bench.decide(f" {order.id}\n")
    assert bench.place() == order.id
    assert bench.variables == {}
    assert bench.place() == order.id
    assert bench.billed == 1


@pytest.mark.parametrize("text", ["resubmit", "Resubmit "])
def test_decision_resubmit(bench: Bench, text: str) -> None:
    """A person has it sent again: once. The decision is gone, and it was about that order only."""
    bench.lose_the_answer()
    bench.decide(text)
    bench.place()
    assert bench.variables == {}
    bench.emulator.finish(bench.emulator.orders[1].id, "failed")
    bench.lose_the_answer()
    bench.be_refused()
    assert bench.billed == 3


@pytest.mark.parametrize("wrong", ["video_starvideos_1234567890", "not an id"])
def test_a_wrong_decision_can_be_corrected(bench: Bench, wrong: str) -> None:
    """It isn't put on record, the error names the Variable, and nothing is sent."""
    bench.lose_the_answer()
    bench.decide(wrong)
    record = bench.store.record
    assert record is not None
    assert f"starvideos_decision_{record.reference} doesn't name a video" in bench.be_refused()
    assert bench.store.record == record
    bench.decide(bench.emulator.orders[0].id)
    assert bench.place() == bench.emulator.orders[0].id
    assert bench.billed == 1


def test_a_video_that_the_api_has_forgotten(bench: Bench) -> None:
    """It was paid for, so it isn't ordered again by itself; a person may have that, or name another."""
    bench.place()
    bench.emulator.reset()
    with pytest.raises(StarVideosRecordError, match="An earlier try of this task ordered it"):
        bench.place()
    assert bench.billed == 0
    bench.decide("resubmit")
    bench.place()
    assert bench.billed == 1


def test_on_unconfirmed_resubmit(bench: Bench) -> None:
    """The try that lost the answer fails so that it is retried, and the retry sends the order again."""
    bench.emulator.add_fault(on="create", kind="reset", when="after", times=1)
    with pytest.raises(StarVideosUnconfirmedError, match="The next try of this task sends it again") as caught:
        bench.place(resubmit=True)
    assert not caught.value.permanent
    bench.place(resubmit=True)
    assert bench.billed == 2
