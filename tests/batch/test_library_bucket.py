"""Batches whose library, inputs and destination are in buckets, over the real protocol."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

import pytest

from tests.batch.desk import Desk, prompts
from tests.storage.buckets import S3

pytestmark = pytest.mark.usefixtures("quick_saves")
LIBRARY = "s3://aws_batch@shop/library/"


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The S3 server, with empty buckets, and an Airflow connection ``aws_batch`` to it."""
    return s3_server.ready(monkeypatch, "aws_batch", "shop", "videos", "inputs")


def new_run(desk: Desk, number: int) -> Desk:
    """Return another run of the Dag."""
    run = Desk(desk.emulator, desk.variables)
    run.ti.run_id = f"run {number}"
    return run


def run(desk: Desk, rows: Any, **options: Any) -> Any:
    """Run a batch to its end."""
    destination = f"s3://aws_batch@videos/{desk.ti.run_id}/"
    return desk.run(rows, **{"library": LIBRARY, "destination": destination, "timeout": 60, **options})


def test_an_input_that_is_replaced_under_its_name(desk: Desk, s3: S3) -> None:
    """One order; the same picture in another night's folder is none."""
    rows = []
    for number in range(4):
        uri = s3.put("inputs", f"1/{number}.png", f"picture {number}".encode()).replace("aws_default", "aws_batch")
        s3.put("inputs", f"2/{number}.png", f"picture {number}".encode())
        rows.append({"prompt": f"A shoe {number}.", "name": f"shoe-{number}", "reference_images": [uri]})
    run(new_run(desk, 1), rows)
    assert desk.billed == 4
    s3.put("inputs", "1/2.png", b"another picture")
    second = new_run(desk, 2)
    run(second, rows)
    assert desk.billed_prompts() == Counter({f"A shoe {number}.": 1 + (number == 2) for number in range(4)})
    assert second.ti.xcoms["counts"]["reused"] == 3
    moved = [{**row, "reference_images": [row["reference_images"][0].replace("/1/", "/2/")]} for row in rows]
    third = new_run(desk, 3)
    run(third, moved)
    assert (desk.billed, third.ti.xcoms["counts"]["reused"]) == (5, 4)
    for number in (1, 2, 3):
        kept = [one for one in s3.names("videos") if one.startswith(f"run {number}/shoe-")]
        assert len(kept) == 4
    documents = [one for one in s3.names("shop") if one.endswith(".json")]
    texts = [s3.client.get_object(Bucket="shop", Key=one)["Body"].read().decode() for one in documents]
    assert len(texts) == 5
    assert all("Signature" not in text and json.loads(text)["inputs"] for text in texts)
    assert not [one for one in s3.names("shop") if "/claims/" in one]


def test_two_at_once(desk: Desk, s3: S3) -> None:
    """Over the same 50 rows: 50 orders; claims are made by S3's conditional writes."""
    rows, wrong = prompts(50), []

    def work(each: Desk) -> None:
        try:
            run(each, rows, deferrable=False)
        except BaseException as error:  # noqa: BLE001
            wrong.append(str(error))

    runs = [new_run(desk, number) for number in (1, 2)]
    threads = [threading.Thread(target=work, args=(each,)) for each in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert desk.billed_prompts() == Counter(row["prompt"] for row in rows)
    assert sum(each.ti.xcoms["counts"].get("reused", 0) for each in runs) == 50
    assert not [one for one in s3.names("shop") if "/claims/" in one]
