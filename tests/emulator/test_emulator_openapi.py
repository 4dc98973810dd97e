"""The emulator's OpenAPI document, and schemathesis, which tries over real sockets whether the server keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.emulator.openapi import document
from airflow_provider_starvideos.emulator.validation import InvalidRequestError, check

KEY = "key-of-the-schema-tests"
OFF = {
    # An unknown method is an unknown handler, and that is 404 on the vendor's server ("No handler found for …").
    "unsupported_method",
    # No call deletes or creates anything that another path names; both need states that this API doesn't have.
    "use_after_free",
    "ensure_resource_availability",
    # There are no objects of several users: every key sees every video.
    "object_level_authorization",
}
"""Checks that say nothing here."""
TOO_OLD = tuple(map(int, version("schemathesis").split(".")[:2])) < (4, 15)
"""Sends headers that are no HTTP, and asks without the base URL; the emulator is the same on every Airflow."""


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    """A server that fetches no references, and whose videos are done when a test says so."""
    with Emulator(key=KEY, seconds="hold", references="off") as emulator:
        yield emulator


schema = schemathesis.openapi.from_dict(document("http://127.0.0.1:9"))


@schema.hook("filter_body")
def has_no_whole_float(context: Any, body: Any) -> bool:
    """7.0 is an integer to a JSON schema. The emulator is stricter: a typed server need not take it, nobody knows."""
    return not (isinstance(body, dict) and isinstance(body.get("duration"), float))


@pytest.mark.skipif(
    TOO_OLD, reason="a schemathesis of Airflow 3.0's time fails by itself; the other rows have a newer one"
)
@schema.parametrize()
@settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_schemathesis_finds_nothing(case: Any, running: Emulator) -> None:
    """Whatever fits the schema is accepted, whatever doesn't is refused, and every answer is as it says."""
    load_all_checks()
    excluded = CHECKS.get_by_names(sorted(OFF & set(CHECKS.get_all_names())))
    headers = {"Authorization": f"Bearer {KEY}"}
    case.call_and_validate(base_url=running.base_url, headers=headers, excluded_checks=excluded, timeout=10)


def test_the_document_is_open_api_and_names_the_real_calls_only(running: Emulator) -> None:
    """Two paths, below the base URL that the client came by; the emulator's own paths aren't in it."""
    told = requests.get(f"{running.url}/openapi.json", timeout=10).json()
    assert told == document(running.url)
    assert told["servers"] == [{"url": running.base_url}]
    assert list(told["paths"]) == ["/v1/starvideos/videos", "/v1/result/{video_id}"]
    for found in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(found)


IMAGES = [f"https://h.example/{n}.png" for n in range(9)]
ORDERS: list[dict[str, Any]] = [
    {},
    {"prompt": " "},
    {"model": "x"},
    *({"duration": seconds} for seconds in (2, 3, 15, 16)),
    *({"ratio": ratio} for ratio in ("1:1", "4:3", 1)),
    *({"referenceImages": IMAGES[:count]} for count in (0, 1, 7, 8)),
    *({"referenceImages": IMAGES[:count], "referenceVideos": IMAGES[:1]} for count in (0, 1, 4, 5)),
    *({"referenceVideos": IMAGES[:count], "duration": 99, "ratio": "4:3"} for count in (0, 1, 2)),
    {"referenceVideos": IMAGES[:1], "duration": "3"},
    {"referenceImages": ["cat.png"]},
    {"first_image": IMAGES[0]},
    {"last_image": IMAGES[0]},
    {"first_image": IMAGES[0], "last_image": IMAGES[1]},
    {"first_image": IMAGES[0], "last_image": IMAGES[1], "referenceImages": IMAGES[:1]},
    {"first_image": IMAGES[0], "last_image": IMAGES[1], "referenceVideos": IMAGES[:1]},
    {"unknown": 1},
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_the_schema_draws_the_border_where_the_server_does(order: dict[str, Any]) -> None:
    """On both sides of every rule."""
    told = document("http://h")
    body = {"model": "starvideos_o3", "prompt": "a red fox", **order}
    fits = jsonschema.Draft202012Validator(told["components"]["schemas"]["Order"]).is_valid(body)
    try:
        check(body)
    except InvalidRequestError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize("status", ["queued", "processing", "completed", "failed"])
def test_every_status_of_a_video_fits_the_schema(running: Emulator, status: str) -> None:
    """Schemathesis can't guess an id: the four statuses, by hand."""
    told = document(running.url)
    headers = {"Authorization": f"Bearer {KEY}"}
    body = {"model": "starvideos_o3", "prompt": "a red fox"}
    video = requests.post(f"{running.base_url}/v1/starvideos/videos", json=body, headers=headers, timeout=10).json()
    running.finish(video["id"], status)
    result = requests.get(f"{running.base_url}/v1/result/{video['id']}", headers=headers, timeout=10).json()
    assert result["status"] == status
    jsonschema.Draft202012Validator(told["components"]["schemas"]["Video"]).validate(video)
    jsonschema.Draft202012Validator(told["components"]["schemas"]["Result"]).validate(result)
