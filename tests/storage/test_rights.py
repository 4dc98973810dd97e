"""Least privilege, over an S3 that checks signatures and rights (CASES C11, C12, C13)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosValidationError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.storage.destinations import Destination
from airflow_provider_starvideos.storage.fetch import Limits
from airflow_provider_starvideos.storage.saving import save
from tests.storage.buckets import S3, SECRET
from tests.storage.hosts import LOG
from tests.storage.strict_store import StrictStore

Start = Callable[..., StrictStore]


@pytest.fixture
def strict_store(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts stores, each with its own Airflow connection: Airflow keeps stores by connection."""
    running: list[StrictStore] = []

    def start(*rights: str, region: str = "us-east-1", **extra: Any) -> StrictStore:
        one = StrictStore(s3.port, *rights, region=region).__enter__()
        running.append(one)
        one.conn_id = f"strict_store_{one.url.rpartition(':')[2]}"  # type: ignore[attr-defined]
        monkeypatch.setenv(f"AIRFLOW_CONN_{one.conn_id.upper()}", one.connection(**extra))  # type: ignore[attr-defined]
        return one

    yield start
    for one in running:
        one.__exit__(None, None, None)


@pytest.fixture
def picture(s3: S3, emulator: Emulator) -> bytes:
    """A picture in a bucket."""
    data = requests.get(emulator.sample("cat.png"), timeout=10).content
    s3.put("inputs", "shop/cat 1.png", data)
    return data


def order(hook: StarVideosHook, uri: str) -> Any:
    """Order a video of one picture."""
    return hook.create_video(prompt="a cat", reference_images=[uri])


def input_of(store: Any, name: str = "shop/cat 1.png") -> str:
    """Return the URI of an input in a strict store."""
    return f"s3://{store.conn_id}@inputs/{name}"


def test_c11_inputs_need_the_right_to_read_the_object(
    emulator: Emulator, hook: StarVideosHook, strict_store: Start, picture: bytes
) -> None:
    """GetObject alone: nothing is listed, no bucket is checked. The API reads it with the URL."""
    emulator.update(references="required")
    store = strict_store("s3:GetObject")
    task = order(hook, input_of(store))
    emulator.wait_for("status", id=task.id, status="completed", timeout=30)
    assert {*store.actions} == {"s3:GetObject"}


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
@pytest.mark.parametrize("configured", ["us-east-1", "ap-southeast-2", None])
def test_c12_v4_whatever_the_region(
    emulator: Emulator, hook: StarVideosHook, strict_store: Start, picture: bytes, region: str, configured: str | None
) -> None:
    """Also where the connection names another region than the bucket's, or none: the store names it."""
    store = strict_store("s3:GetObject", region=region, region_name=configured)
    task = order(hook, input_of(store))
    (url,) = emulator.order(task.id).request["referenceImages"]
    assert requests.get(url, timeout=10).content == picture


@pytest.mark.parametrize(
    ("rights", "name", "rule"),
    [
        (["s3:PutObject"], "shop/cat 1.png", "403 AccessDenied"),
        (["s3:GetObject"], "missing.png", "must exist"),
        (["s3:GetObject"], "empty.png", "must not be empty"),
    ],
)
def test_c12_what_can_not_be_read_costs_nothing(
    emulator: Emulator, hook: StarVideosHook, strict_store: Start, s3: S3, rights: list[str], name: str, rule: str
) -> None:
    """It is found before the order, by one byte, without the key; the signature isn't shown."""
    s3.put("inputs", "shop/cat 1.png", b"a cat")
    s3.put("inputs", "empty.png", b"")
    with pytest.raises(StarVideosValidationError, match=rule) as caught:
        order(hook, input_of(strict_store(*rights), name))
    assert emulator.billed.videos == emulator.requests["create"] == 0
    assert not [word for word in ("X-Amz", SECRET, emulator.key) if word in str(caught.value)]


def test_c12_the_check_can_be_turned_off(
    emulator: Emulator, connect: Callable[..., StarVideosHook], strict_store: Start, picture: bytes
) -> None:
    """Then the store isn't asked at all."""
    emulator.update(references="off")  # else the API itself reads the input, sooner or later
    store = strict_store()
    order(connect(emulator, skip_input_checks=True), input_of(store))
    assert emulator.requests["create"] == 1
    assert store.actions == []


@pytest.mark.parametrize("name", ["versionId", "versionid", "VersionId"])
def test_c13_that_version(
    emulator: Emulator, hook: StarVideosHook, strict_store: Start, s3: S3, picture: bytes, name: str
) -> None:
    """A version that the URI names is the one that is signed; the right to read versions is needed."""
    s3.client.put_bucket_versioning(Bucket="inputs", VersioningConfiguration={"Status": "Enabled"})
    old = s3.client.put_object(Bucket="inputs", Key="v.png", Body=picture)["VersionId"]
    s3.put("inputs", "v.png", b"newer")
    store = strict_store("s3:GetObjectVersion")
    task = order(hook, input_of(store, f"v.png?{name}={old}"))
    (url,) = emulator.order(task.id).request["referenceImages"]
    assert requests.get(url, timeout=10).content == picture
    with pytest.raises(StarVideosValidationError):
        order(hook, input_of(store, "v.png?versionId=none"))


@pytest.mark.parametrize(
    "uri",
    [
        "gs://b/cat.png#1700000000000000",
        "gs://b/cat.png?generation=17",
        "abfs://b@a/cat.png?versionid=2026-01-01T00",
        "abfs://b@a/cat.png?snapshot=2026",
        "s3://b/cat.png?versionId=",
        "s3://b/cat.png?generation=3",
    ],
)
def test_c13_or_refused(emulator: Emulator, hook: StarVideosHook, uri: str) -> None:
    """Never the latest one in silence."""
    with pytest.raises(StarVideosValidationError, match="must name no version"):
        order(hook, uri)
    assert emulator.requests["create"] == 0


@pytest.mark.parametrize("size", [0, 12_000_000], ids=["in one piece", "in parts"])
def test_c11_a_destination_needs_the_right_to_write(
    emulator: Emulator, hook: StarVideosHook, video_id: str, strict_store: Start, s3: S3, size: int
) -> None:
    """PutObject alone, for if_exists="overwrite"; over a file that is there, too."""
    emulator.update(pad_bytes=size)
    store = strict_store("s3:PutObject")
    for _ in range(2):
        target = Destination(f"s3://{store.conn_id}@videos/", video_id)  # type: ignore[attr-defined]
        saved = save(hook, video_id, target, if_exists="overwrite", limits=Limits(), log=LOG)
    assert {*store.actions} == {"s3:PutObject"}
    head = s3.client.head_object(Bucket="videos", Key=f"{video_id}.mp4")
    assert (head["ContentLength"], head["ContentType"]) == (saved.size_bytes, "video/mp4")


def test_a_bucket_that_can_not_be_written_is_found_before_the_order(strict_store: Start, s3: S3) -> None:
    """As a batch asks; with the right to write, nothing is left of the question, if it may clean up."""
    with pytest.raises(StarVideosDownloadError, match="can't be written"):
        Destination(f"s3://{strict_store('s3:GetObject').conn_id}@videos/", "video_1").check()  # type: ignore[attr-defined]
    for rights, left in ((["s3:PutObject"], 1), (["s3:PutObject", "s3:AbortMultipartUpload"], 1)):
        Destination(f"s3://{strict_store(*rights).conn_id}@videos/", "video_1").check()  # type: ignore[attr-defined]
        assert len(s3.uploads("videos")) == left
    assert s3.names("videos") == []


def test_errors_of_the_reading_hold_no_url(
    emulator: Emulator, hook: StarVideosHook, strict_store: Start, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that breaks off, whatever its library says of it."""
    store = strict_store("s3:GetObject")
    store.refusal = lambda *_: 1 / 0  # type: ignore[assignment,return-value]
    with pytest.raises(Exception, match="can't be read before the order") as caught:
        order(hook, input_of(store))
    caplog.set_level("INFO")
    logging.getLogger("tests").error("failed", exc_info=caught.value)
    assert "X-Amz" not in caplog.text
    assert emulator.requests["create"] == 0
