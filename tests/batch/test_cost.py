"""What a batch costs: said before its first order, refused beyond the limits, summed up at its end."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Stats

from airflow_provider_starvideos.exceptions import StarVideosBatchError
from airflow_provider_starvideos.lineage import MOST_DATASETS, of_batch
from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from tests.batch.desk import Desk, prompts

CLIP = "https://cdn.example.com/clip.mp4"
PRICE = 0.25


@pytest.fixture
def priced(desk: Desk) -> Iterator[Desk]:
    """Completed videos say what they cost."""
    desk.emulator.update(price_per_second=PRICE)
    yield desk
    desk.emulator.update(price_per_second=None)


def limit(desk: Desk, monkeypatch: pytest.MonkeyPatch, **extras: Any) -> None:
    """Set limits at the connection, as an administrator does."""
    extra = {"timeout": 5, "allow_private_downloads": True, **extras}
    connection = {"conn_type": "starvideos", "host": desk.emulator.base_url, "password": desk.emulator.key}
    monkeypatch.setenv("AIRFLOW_CONN_STARVIDEOS_DEFAULT", json.dumps(connection | {"extra": extra}))


def refused(desk: Desk, rows: Any, **kwargs: Any) -> str:
    """Run a try that must be refused for good; return why, and let the next one come."""
    with pytest.raises(AirflowFailException) as caught:
        desk.run(rows, **kwargs)
    desk.next_try()
    assert "because of a limit" in str(caught.value)
    return str(caught.value)


def test_the_log_says_what_is_about_to_be_ordered_before_it_is(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Rows, what is ordered already, new orders, seconds and modes; at each try anew."""
    caplog.set_level(logging.INFO)
    rows = [*prompts(2, duration=5), {"prompt": "clip.", "reference_videos": [CLIP]}]
    desk.run(rows)
    lines = [record.getMessage() for record in caplog.records if record.name == "tests.batch"]
    about, *_ = lines = [line for line in lines if "outside of the Task Runner" not in line]
    assert "Ordered StarVideos video" in lines[1]
    assert about == (
        "About to order 3 videos, 10 s, and 1 as long as their clips: 2 text to video, 1 video reference. "
        "Rows: 3, ordered already: 0. Each order is billed."
    )
    caplog.clear()
    desk.next_try()
    desk.run([*rows, *prompts(3)[2:]])
    assert "About to order 1 video, 3 s: 1 text to video. Rows: 4, ordered already: 3." in caplog.text


@pytest.mark.parametrize("by", ["max_orders", "max_orders_per_task"])
def test_a_batch_of_too_many_rows_orders_none(desk: Desk, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """A query returned 5 rows, not 4. The tighter limit holds, whoever set it."""
    limits: dict[str, Any] = {"max_orders": 4}
    if by == "max_orders_per_task":
        limit(desk, monkeypatch, max_orders_per_task=4)
        limits = {"max_orders": 100}
    assert "5 orders: 5 new, and 0 of this task before" in refused(desk, prompts(5), **limits)
    assert not desk.emulator.requests.get("create")
    assert len(desk.run(prompts(4), **limits)) == 4


def test_retries_do_not_creep_past_the_limit(desk: Desk) -> None:
    """Failed videos that are ordered again count, and rows that aren't asked for any more."""
    desk.emulator.update(fail_rate=1)
    with pytest.raises(StarVideosBatchError):
        desk.run(prompts(2), max_orders=5, retry_failed=True)
    desk.next_try()
    with pytest.raises(StarVideosBatchError):
        desk.run(prompts(2), max_orders=5, retry_failed=True)
    desk.next_try()
    why = "6 orders: 2 new, and 4 of this task before, over all its tries; the task allows 5 (max_orders)"
    assert why in refused(desk, prompts(2), max_orders=5, retry_failed=True)
    assert why in refused(desk, [{"prompt": "other."}, {"prompt": "more."}], max_orders=5)
    assert desk.billed == 4


def test_a_row_that_is_too_long_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ordered, of the others neither."""
    limit(desk, monkeypatch, max_seconds_per_order=5)
    rows = [*prompts(2, duration=5), {"prompt": "long.", "duration": 6}, {"prompt": "c.", "reference_videos": [CLIP]}]
    text = refused(desk, rows)
    assert "Row 3: a video 6 s long; the connection 'starvideos_default' allows 5 s" in text
    assert "Row 4: a video as long as its clip, up to 10 s" in text
    assert not desk.emulator.requests.get("create")


def test_what_is_paid_for_is_saved_before_a_refusal_ends_the_task(desk: Desk, tmp_path: Path) -> None:
    """Also with ``max_failures``: a refused batch never succeeds."""
    desk.first_leg(prompts(3), destination=f"{tmp_path}/", max_orders=4)
    desk.next_try()
    options = {"destination": f"{tmp_path}/", "max_orders": 4, "max_failures": 1.0}
    refused(desk, prompts(5), **options)
    assert desk.billed == 3
    assert len(list(tmp_path.glob("*.mp4"))) == 3
    manifest = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [line["status"] for line in manifest] == ["saved"] * 3 + ["open"] * 2


def test_a_limit_that_is_set_while_a_try_waits_holds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that are left aren't ordered; the videos that are made are waited for."""
    deferred = desk.first_leg(prompts(4), max_in_flight=2)
    limit(desk, monkeypatch, max_orders_per_task=3)
    with pytest.raises(AirflowFailException, match="4 orders: 2 new, and 2 of this task before"):
        desk.resume(deferred)
    assert desk.billed == 2
    assert desk.variables.states() == {"completed": 2}


def test_an_unconfirmed_order_counts(desk: Desk) -> None:
    """It may have been billed."""
    desk.emulator.add_fault(on="create", kind="reset", when="after", match="fox 2.", times=1)
    with pytest.raises(StarVideosBatchError):
        desk.run(prompts(2), max_orders=2, on_unconfirmed="resubmit")
    desk.next_try()
    assert "3 orders: 1 new, and 2" in refused(desk, prompts(2), max_orders=2, on_unconfirmed="resubmit")
    assert desk.billed == 2


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "10"])
def test_max_orders_is_checked_when_the_dag_is_parsed(value: Any) -> None:
    """A limit of nothing would be a task that does nothing."""
    with pytest.raises(ValueError, match="max_orders must be a whole number"):
        StarVideosBatchOperator(task_id="batch", requests=[], max_orders=value)


def test_what_was_billed_is_in_every_result(priced: Desk, tmp_path: Path) -> None:
    """XComs, JSON Lines and Parquet: as decimals. A failed video said nothing, and counts as unknown."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    priced.emulator.update(fail_rate=1)
    with pytest.raises(StarVideosBatchError):
        priced.run(prompts(1, duration=7), destination=f"{tmp_path}/", retry_failed=True)
    assert "amount" not in priced.ti.xcoms["counts"]
    assert priced.ti.xcoms["spending"]["amount"] is None
    priced.next_try()
    priced.emulator.update(fail_rate=0)
    priced.run(prompts(2, duration=7), destination=f"{tmp_path}/", retry_failed=True)
    assert priced.ti.xcoms["counts"] == {"rows": 2, "saved": 2, "amount": "3.50", "amount_unknown": 1}
    assert priced.ti.xcoms["spending"] == {
        "orders": 3,
        "unconfirmed": 0,
        "seconds_ordered": 21,
        "seconds_unknown": 0,
        "videos": 2,
        "reused": 0,
        "seconds_delivered": 14.0,
        "delivered_unknown": 0,
        "amount": "3.50",
        "amount_unknown": 1,
    }
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [(line["amount"], line["orders"]) for line in lines] == [("1.75", 2), ("1.75", 1)]
    table = parquet.read_table(tmp_path / "manifest.parquet")
    assert str(table.schema.field("amount").type) == "decimal128(38, 18)"
    assert table.column("amount").to_pylist() == [Decimal("1.75")] * 2
    assert table.column("orders").to_pylist() == [2, 1]


def test_what_is_not_known_to_be_billed_is_no_zero(desk: Desk, tmp_path: Path) -> None:
    """The API said nothing of it."""
    desk.run(prompts(2), destination=f"{tmp_path}/")
    assert desk.ti.xcoms["counts"] == {"rows": 2, "saved": 2}
    assert (desk.ti.xcoms["spending"]["amount"], desk.ti.xcoms["spending"]["amount_unknown"]) == (None, 2)
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [line["amount"] for line in lines] == [None, None]


def test_a_batch_is_counted_as_single_orders_are(priced: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So an alarm on failed and ordered videos works for it."""
    sent: list[tuple[str, Any]] = []
    for kind in ("incr", "timing"):
        note = staticmethod(lambda name, value, tags: sent.append((name.removeprefix("starvideos."), value)))
        monkeypatch.setattr(Stats, kind, note)
    priced.emulator.add_fault(on="create", kind="reset", when="after", match="fox 3.", times=1)
    priced.emulator.update(seconds="hold")
    deferred = priced.first_leg(prompts(3), destination=f"{tmp_path}/", max_submit_concurrency=1)
    for order, status in zip(priced.emulator.orders, ("completed", "failed", "completed"), strict=True):
        priced.emulator.finish(order.id, status)
    with pytest.raises(AirflowFailException):
        priced.resume(deferred)
    names = [name for name, _ in sent if name != "polls"]
    expected = ["ordered"] * 2 + ["unconfirmed", "completed", "seconds", "amount_micros", "failed", "saved_bytes"]
    assert sorted(names) == sorted(expected)
    assert dict(sent)["amount_micros"] == 750_000


def test_openlineage_of_a_batch(desk: Desk, tmp_path: Path) -> None:
    """From the inputs, without their signatures, to the videos at the API and the files, with their sizes."""
    image = "https://cdn.example.com/a.png?signature=SECRET"
    rows = [*prompts(1, reference_images=[image]), *prompts(2, reference_images=[image])[1:]]
    desk.run(rows, destination=f"{tmp_path}/", max_submit_concurrency=1)
    assert desk.operator is not None
    lineage = desk.operator.get_openlineage_facets_on_complete(None)
    assert [(one.namespace, one.name) for one in lineage.inputs] == [("https://cdn.example.com", "/a.png")]
    ids = [order.id for order in desk.emulator.orders]
    names = [(one.namespace, one.name) for one in lineage.outputs]
    assert names == [("starvideos", one) for one in ids] + [("file", f"{tmp_path}/{one}.mp4") for one in ids]
    size = (tmp_path / f"{ids[0]}.mp4").stat().st_size
    assert lineage.outputs[2].outputFacets["outputStatistics"].size == size


def test_openlineage_of_a_batch_that_came_to_nothing(desk: Desk) -> None:
    """No results, no lineage; of a huge batch a bounded part."""
    assert desk.make(requests=prompts(1)).get_openlineage_facets_on_complete(None).outputs == []
    files = {f"file:///data/{number}.mp4": 1 for number in range(5000)}
    lineage = of_batch(files, files, files)
    assert (len(lineage.inputs), len(lineage.outputs)) == (MOST_DATASETS, 2 * MOST_DATASETS)
