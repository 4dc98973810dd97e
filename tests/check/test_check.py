"""What the check says of a server that is as assumed, and of one that differs in each way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.check.evidence import Redactor
from airflow_provider_starvideos.check.free import FREE
from airflow_provider_starvideos.check.paid import PAID
from airflow_provider_starvideos.check.probes import WRONG_KEY
from airflow_provider_starvideos.emulator import Emulator
from tests.check.standin import KEY, SIGNATURE, Change, Reply, error, outcomes

ORDER = ("--order-one-video", "--poll-interval", "0.01")


def changed(**fields: Any) -> Change:
    """Return the usual answer with other fields; ``...`` takes one away."""

    def change(usual: Reply, number: int) -> Reply:
        body = {name: value for name, value in (usual.body | fields).items() if value is not ...}
        return replace(usual, body=body)

    return change


def only(numbers: set[int], change: Any) -> Change:
    """Change only those of the requests."""
    return lambda usual, number: (change(usual, number) if callable(change) else change) if number in numbers else usual


_elsewhere = changed(video_url="http://127.0.0.1:9/a.mp4")

# For each assumption a server that differs in it, and perhaps in more.
DIFFERENT: dict[str, dict[str, Any]] = {
    "path-apart": {"path": error(404, "not here")},
    "id-unknown": {"id": Reply(500, {"message": "null pointer"})},
    "key-wrong": {"key": error(404, "No such video.")},
    "key-wrong-order": {"key order": error(400, "model is required")},
    "order-path": {"invalid": Reply(404, {"message": "No handler found for POST"})},
    "order-refused": {"invalid": Reply(500, {"message": "null pointer"})},
    "error-words": {"id": Reply(500, b"oops")},
    "order-accepted": {"order": error(402, "no credit")},
    "known-at-once": {"query": only({1}, Reply(500, {"message": "not yet"}))},
    "id-repeated": {"query": only({2}, changed(id="video_other"))},
    "statuses": {"query": only({2}, changed(status="rendering"))},
    "completes": {"query": changed(status="failed", error="no good")},
    "url": {"query": only({4}, error(404, "gone"))},
    "url-public": {"query": lambda usual, number: _elsewhere(usual, number) if number > 2 else usual},
    "whole": {"file": Reply(200, b"no video at all", {"Content-Type": "video/mp4"})},
    "amount": {"query": changed(amount="free")},
    "length": {"query": changed(actualDuration="three")},
}


UNUSABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "the key is refused": ("id-unknown", {"id": error(401, "no")}),
    "the path of queries is unknown": ("id-unknown", {"id": Reply(404, {"message": "No handler found for GET"})}),
    "the result needs the key": ("whole", {"file": error(403, "forbidden")}),
    "a completed video has no URL": ("url", {"query": changed(video_url=...)}),
}


def test_the_emulator_is_as_assumed(check: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing differs and nothing is spent: exit status 0, and no videos."""
    with Emulator(key=KEY) as emulator:
        status, report = check(emulator.base_url)
        assert (status, emulator.billed.videos) == (0, 0)
    unsure = {name for name, outcome in outcomes(report).items() if outcome != "held"}
    assert unsure == set()
    assert "0 not held" in capsys.readouterr().out
    assert outcomes(report).keys() == {assumption.name for assumption in FREE}


def test_one_video_of_the_emulator_the_whole_way(check: Any) -> None:
    """One video of three seconds is ordered, waited for and fetched; everything holds."""
    with Emulator(key=KEY, seconds=0.3, price_per_second=0.25) as emulator:
        status, report = check(emulator.base_url, "--order-one-video", "--poll-interval", "0.1")
        assert (status, emulator.billed.videos, emulator.billed.seconds) == (0, 1, 3.0)
        assert report["ordered"] == [emulator.orders[0].id]
        assert {entry["had_authorization"] for entry in emulator.journal(event="download")} == {False}
    unsure = {name for name, outcome in outcomes(report).items() if outcome != "held"}
    assert unsure == set()
    assert report["video"]["polls"] > 1


def test_the_table_is_whole() -> None:
    """Each assumption has its own name, names the decision that rests on it, and has a server that differs in it."""
    table = [*FREE, *PAID]
    assert len({assumption.name for assumption in table}) == len(table)
    assert {assumption.name for assumption in table} == DIFFERENT.keys()
    assert {assumption.source for assumption in table} == {"documented", "observed", "assumed"}
    assert all(text.endswith(".") for assumption in table for text in (assumption.decides, assumption.means))


@pytest.mark.parametrize(
    ("name", "changes"), [*DIFFERENT.items(), *(pytest.param(*case, id=why) for why, case in UNUSABLE.items())]
)
def test_what_differs_is_said(
    name: str,
    changes: dict[str, Any],
    start: Any,
    check: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The report says that the assumption didn't hold, what was seen, and what it means."""
    monkeypatch.setattr("airflow_provider_starvideos.check.one_video.FETCH_SECONDS", 3.0)
    paid = name in {assumption.name for assumption in PAID}
    status, report = check(start(changes).base_url, *(ORDER if paid else ()))
    row = next(row for row in report["assumptions"] if row["name"] == name)
    assert (status, row["outcome"]) == (1, "not held"), row
    assert row["seen"]
    text = capsys.readouterr().out
    assert row["means"] in text
    assert row["seen"] in text


def test_nothing_secret_is_shown(start: Any, check: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A server that echoes the key, whole and in part, and signatures, in body and headers: none gets into a report."""
    echo = {"error": f"bad {KEY}, {KEY[:12]}…, …{KEY[-10:]}; see https://u:{KEY}@files.example/x?{SIGNATURE}"}
    leaky = {"X-Request-Id": KEY, "Set-Cookie": f"session={KEY}", "Server": KEY, "Retry-After": KEY, "Allow": KEY}
    standin = start({"id": Reply(404, echo, leaky), "key": Reply(401, echo, leaky), "invalid": Reply(400, echo, leaky)})
    check(standin.base_url, *ORDER)
    said = capsys.readouterr()
    whole = said.out + said.err + (tmp_path / "report.json").read_text("utf-8")
    assert standin.counts["file"] >= 1
    for secret in (KEY, KEY[:8], KEY[-8:], "recognisable", "session="):
        assert secret not in whole


def test_the_key_goes_to_the_api_alone(start: Any, check: Any) -> None:
    """The result is fetched without it, also from another host."""
    other = start()
    moved = changed(video_url=f"{other.url}/files/b.mp4?{SIGNATURE}")
    standin = start({"query": lambda usual, number: moved(usual, number) if number > 2 else usual})
    check(standin.base_url, *ORDER)
    keys = {headers.get("authorization") for _, path, headers in standin.requests if path.startswith("/kyy")}
    assert keys == {f"Bearer {KEY}", f"Bearer {WRONG_KEY}"}
    assert all("authorization" not in headers for _, _, headers in other.requests)


def test_without_a_server_it_could_not_run(check: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """No server listens: exit status 2, and why."""
    status, report = check("http://127.0.0.1:9/x")
    assert (status, report) == (2, {})
    assert "The check couldn't run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "key", "why"), [("", "", "export STARVIDEOS_API_KEY="), ("http://h.example", KEY, "https")]
)
def test_what_the_environment_gives_is_checked(url: str, key: str, why: str, check: Any, capsys: Any) -> None:
    """The same rules as for an Airflow connection; exit status 2."""
    status, _ = check(url, key=key)
    assert status == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(("conn_id", "status"), [("check_me", 0), ("no_such_connection", 2)])
def test_an_airflow_connection(conn_id: str, status: int, start: Any) -> None:
    """--conn-id takes URL and key from the connection. One that doesn't exist: exit status 2."""
    connection = {"conn_type": "starvideos", "password": KEY, "host": start().base_url}
    # The connection is in the environment: Airflow's database isn't read.
    env = {**os.environ, "AIRFLOW_CONN_CHECK_ME": json.dumps(connection), "_AIRFLOW_PROCESS_CONTEXT": "client"}
    command = [sys.executable, "-m", "airflow_provider_starvideos.check", "--conn-id", conn_id]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    assert ("0 not held" in done.stdout) == (status == 0)
    assert ("no_such_connection" in done.stderr) == (status == 2)


@pytest.mark.parametrize("key", ["a", "abc", "abcdef", 'sk-äö"\\/+= x'])
def test_keys_of_any_length_are_removed(key: str) -> None:
    """Short keys too, and in the forms that URLs and JSON have for them."""
    text = Redactor(key)(f"<{key}> {json.dumps(key)}")
    assert key not in text
    assert "***" in text
