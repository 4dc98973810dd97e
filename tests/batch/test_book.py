"""The book: what is on record outlives everything, in few small writes; what can't be read isn't taken for none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.batch.book import SHARD_ROWS, WRITE_ATTEMPTS, Book
from airflow_provider_starvideos.batch.entries import MAX_ERROR_BYTES, MEANINGS, Entry, RowState
from airflow_provider_starvideos.exceptions import StarVideosRecordError
from tests.batch.desk import LOG, Desk, Stores, prompts

MAX_VALUE_BYTES = 64 * 1024
"""More of a value is worth a warning to Airflow."""


def book_of(stores: Stores) -> Book:
    """Return a book that is loaded."""
    return stores.book()


def filled(stores: Stores, rows: int) -> Book:
    """Return a book with so many ordered rows, on record."""
    book = book_of(stores)
    book.begin("digest")
    entries = [book.open(f"key-{number}") for number in range(rows)]
    for number, entry in enumerate(entries):
        entry.become(RowState.ORDERED)
        entry.video_id = f"video-{number}"
    book.touch(entries)
    book.commit()
    return book


@pytest.mark.parametrize("rows", [1, SHARD_ROWS, SHARD_ROWS + 1, 1000])
def test_what_is_committed_is_found(rows: int) -> None:
    """All of it, in its order, over the bounds of shards, and again after more was added."""
    stores = Stores()
    first = filled(stores, rows)
    again = book_of(stores)
    assert [entry.video_id for entry in again.entries()] == [f"video-{number}" for number in range(rows)]
    assert (again.digest, again.reference) == ("digest", first.reference)
    more = again.open("one more")
    more.become(RowState.SENDING)
    again.touch([more, *again.entries()[:1]])
    again.commit()
    assert [entry.key for entry in book_of(stores).entries()][-1] == "one more"
    assert len(book_of(stores).entries()) == rows + 1


def test_a_record_of_an_earlier_version_is_read() -> None:
    """It doesn't number its rows; nor does this version mind what a later one adds."""
    stores = Stores()
    filled(stores, 2)
    head, shard = (json.loads(stores.texts[f"starvideos_batch_{name}"]) for name in ("head", "0"))
    del head["row_count"]
    shard["rows"][0]["of a later version"] = 1
    stores.texts |= {"starvideos_batch_head": json.dumps(head), "starvideos_batch_0": json.dumps(shard)}
    again = book_of(stores)
    assert ([entry.row for entry in again.entries()], again.rows) == ([None, None], None)


def test_a_change_rewrites_one_object() -> None:
    """Of a thousand rows, those that stand with the one that changed."""
    stores = Stores()
    book = filled(stores, 1000)
    stores.writes.clear()
    book.touch([book.open("key-500")])
    book.commit()
    assert [name for name, _ in stores.writes] == [f"starvideos_batch_{500 // SHARD_ROWS}"]


def test_a_value_stays_small() -> None:
    """Also where every row has the longest id, error or address that there is."""
    for entry in (
        Entry("k" * 39, RowState.TIMED_OUT, 1_795_391_234.123456, "v" * 200, None, 15.123, 1_795_391_234.123456),
        Entry("k" * 39, RowState.SAVED, 1_795_391_234.123456, "v" * 200, None, 15.123, 1_795_391_234.123456,
              "s3://" + "u" * 500, 10**10, "a" * 64),
    ):  # fmt: skip
        if entry.state == RowState.TIMED_OUT:
            entry.become(entry.state, "\u2028ü" * 2000)
            assert len(json.dumps(entry.error)) <= MAX_ERROR_BYTES
        assert SHARD_ROWS * (len(json.dumps(entry.to_json())) + 2) < MAX_VALUE_BYTES


def test_an_entry_survives_json() -> None:
    """Every state, and fields of a later version are left out."""
    for state in MEANINGS:
        entry = Entry("key", state, 1.5, "video", "why", 3.0, 2.5, "uri", 7, "sha")
        assert Entry.from_json(json.loads(json.dumps(entry.to_json())) | {"later": 1}) == entry
    assert set(MEANINGS) == set(RowState)


@pytest.mark.parametrize(
    "text", ['{"strange": 1}', "[]", '"text"', '{"digest": "a", "reference": "b", "shards": 1, "shard_rows": 0}']
)
def test_a_head_that_cannot_be_understood_is_not_taken_for_none(desk: Desk, text: str) -> None:
    """Orders may be behind it."""
    desk.run(prompts(2))
    desk.stores.texts["starvideos_batch_head"] = text
    _refused(desk)


@pytest.mark.parametrize("text", ['{"strange": 1}', '{"rows": [1]}', '{"rows": [{"key": "a", "state": "odd"}]}', "[]"])
def test_a_shard_that_cannot_be_understood_is_not_taken_for_none(desk: Desk, text: str) -> None:
    """The same."""
    desk.run(prompts(2))
    desk.stores.texts["starvideos_batch_0"] = text
    _refused(desk)


def test_a_shard_that_is_gone_is_not_taken_for_empty(desk: Desk) -> None:
    """Its rows would be ordered twice. Only the last ones may never have been written."""
    desk.run(prompts(SHARD_ROWS + 2))
    del desk.stores.texts["starvideos_batch_0"]
    _refused(desk)


def _refused(desk: Desk) -> None:
    orders = desk.emulator.requests["create"]
    desk.next_try()
    with pytest.raises(StarVideosRecordError, match="nothing was ordered"):
        desk.run(prompts(SHARD_ROWS + 3))
    assert desk.emulator.requests["create"] == orders


def test_a_record_out_of_reach_is_not_taken_for_none(desk: Desk) -> None:
    """Neither the head nor a shard."""
    desk.run(prompts(2))
    for name in ("starvideos_batch_head", "starvideos_batch_0"):
        desk.stores.refuses = lambda step, key, value, name=name: (step, key) == ("read", name)  # type: ignore[misc]
        _refused(desk)


def test_no_record_no_order(desk: Desk) -> None:
    """Where the intent can't be written, nothing is sent."""
    desk.stores.refuses = lambda step, key, value: step == "write"
    with pytest.raises(StarVideosRecordError, match="no more room"):
        desk.run(prompts(3))
    assert desk.emulator.requests["create"] == 0
    desk.stores.refuses = lambda step, key, value: step == "write" and key != "starvideos_batch_head"
    with pytest.raises(StarVideosRecordError, match="no more room"):
        desk.run(prompts(3))
    assert desk.emulator.requests["create"] == 0
    desk.stores.refuses = lambda step, key, value: False
    desk.next_try()
    desk.run(prompts(3))
    assert desk.billed == 3


def test_an_announcement_that_failed_is_made_again() -> None:
    """A shard that the head doesn't tell of would never be read, and its rows ordered twice."""
    stores = Stores()
    left = [True]

    def refuses(step: str, key: str, value: Any) -> bool:
        return bool(step == "write" and key.endswith("head") and value["shards"] and left and left.pop())

    stores.refuses = refuses
    book = book_of(stores)
    book.begin("digest")
    entry = book.open("key")
    book.touch([entry])
    with pytest.raises(StarVideosRecordError):
        book.commit()
    book.commit()
    assert [one.key for one in book_of(stores).entries()] == ["key"]


@pytest.mark.parametrize("failures", [1, WRITE_ATTEMPTS - 1])
def test_ids_are_kept_at_last(desk: Desk, failures: int) -> None:
    """Writes that fail for a moment, any of them, cost nothing: no id, no second order, not even the try."""
    left = [0]

    def refuses(step: str, key: str, value: Any) -> bool:
        if step != "write" or key.endswith("head"):
            return False
        left[0] += 1
        return left[0] % (failures + 1) != 0

    desk.stores.refuses = refuses
    ids = desk.run(prompts(20), max_submit_concurrency=4)
    assert len(set(ids)) == desk.billed == 20


def test_ids_that_cannot_be_kept_are_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing more is ordered then; the log names what was, and the next try asks a person."""
    caplog.set_level("INFO")
    desk.stores.refuses = lambda step, key, value: step == "write" and "video_id" in str(value)
    with pytest.raises(StarVideosRecordError):
        desk.run(prompts(20), max_submit_concurrency=4)
    assert desk.billed <= 4
    assert not [order.id for order in desk.emulator.orders if order.id not in caplog.text]
    assert set(desk.stores.states()) <= {"sending", "open"}


def test_forget(desk: Desk) -> None:
    """After the success nothing is left; run once more, the task orders anew."""
    desk.run(prompts(SHARD_ROWS + 1))
    desk.ti.state = "up_for_retry"
    desk.succeed()
    assert desk.stores.texts, "Airflow has refused the success"
    desk.ti.state = "success"
    desk.succeed()
    assert desk.stores.texts == {}
    desk.run(prompts(2))
    assert desk.billed == SHARD_ROWS + 3


def test_a_thousand_rows_take_a_few_round_trips(desk: Desk) -> None:
    """To order them, and to note how they ended; and each is small.

    One a row and step would be 2,000 and more; how many answers meet in one write depends on the machine: about 280.
    """
    desk.run(prompts(1000), max_submit_concurrency=16)
    assert desk.billed == 1000
    assert len(desk.stores.writes) < 700
    assert desk.stores.largest < MAX_VALUE_BYTES // 2
    print(len(desk.stores.writes), "writes,", desk.stores.largest, "bytes at most", LOG.name)
