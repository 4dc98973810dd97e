"""What the check orders: nothing by default, with an option one video, and never a second one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_starvideos.api.validation import build_request
from airflow_provider_starvideos.check.__main__ import main
from airflow_provider_starvideos.check.one_video import PROMPT
from airflow_provider_starvideos.check.probes import INVALID_ORDER, UNKNOWN
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.exceptions import StarVideosValidationError
from tests.check.standin import KEY, VIDEO_ID, Reply, StandIn, error, outcomes

ORDER = ("--order-one-video", "--poll-interval", "0.01")
TAKEN = Reply(200, {"id": VIDEO_ID, "status": "queued"})
UNCLEAR = {"500": error(500, "null pointer"), "html": Reply(200, b"<html>"), "empty": Reply(200, b"")}
WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def posts(standin: StandIn) -> int:
    """Return how many orders came, of whatever kind."""
    return sum(method == "POST" for method, _, _ in standin.requests)


def test_no_video_can_be_made_of_the_invalid_order() -> None:
    """It has no prompt, no field with a valid value, and an input at a name that never has an address."""
    order = json.loads(INVALID_ORDER)
    assert "prompt" not in order
    names = {"referenceVideos": "reference_videos"}
    with pytest.raises(StarVideosValidationError) as caught:
        build_request(**{names.get(name, name): value for name, value in order.items()})
    assert {problem.field for problem in caught.value.problems} == {"prompt", "model", "duration", "ratio"}
    assert order["duration"] == 0
    assert [url.split("/")[2].rpartition(".")[2] for url in order["referenceVideos"]] == ["invalid"]


def test_the_emulator_refuses_the_invalid_order(check: Any) -> None:
    """With either key, and nothing is billed."""
    with Emulator(key=KEY) as emulator:
        _, report = check(emulator.base_url)
        assert (emulator.requests["create"], emulator.billed.videos) == (2, 0)
    assert [one["status"] for one in report["exchanges"] if one["method"] == "POST"] == [401, 400]


@pytest.mark.parametrize(("kind", "sent"), [("key order", 1), ("invalid", 2)])
def test_a_server_that_takes_an_invalid_order(
    kind: str, sent: int, start: Any, check: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the wrong key, too: the report says so, with the id, and no further order is sent."""
    standin = start({kind: TAKEN})
    status, report = check(standin.base_url, *ORDER)
    said = capsys.readouterr()
    assert (status, report["ordered"], posts(standin)) == (1, [VIDEO_ID], sent)
    assert f"!!! A video was ordered, and may be billed: {VIDEO_ID}" in said.out
    assert "No video is ordered" in said.err


@pytest.mark.parametrize("answer", UNCLEAR)
@pytest.mark.parametrize(("kind", "sent"), [("key order", 1), ("invalid", 2), ("order", 3)])
def test_after_an_order_of_unknown_outcome_none_is_sent(
    kind: str, sent: int, answer: str, start: Any, check: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is sent once. The report says when, where to and what, so that the user can look for it."""
    standin = start({kind: UNCLEAR[answer]})
    status, report = check(standin.base_url, *ORDER)
    assert (status, len(report["unconfirmed"]), report["ordered"], posts(standin)) == (1, 1, [], sent)
    (warning,) = report["warnings"]
    assert f"!!! {warning}" in capsys.readouterr().out
    assert re.search(f"sent to {standin.base_url} at {WHEN}: ", warning)
    assert (PROMPT if kind == "order" else "no-such-model") in warning


def test_orders_are_announced_before_they_are_sent(start: Any, check: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The user knows what is sent, and when, also if this process is killed a moment later."""
    seen: dict[str, str] = {}

    def note(kind: str) -> Any:
        def change(usual: Reply, number: int) -> Reply:
            seen[kind] = capsys.readouterr().err
            return usual

        return change

    check(start({kind: note(kind) for kind in ("key order", "invalid", "order")}).base_url, *ORDER)
    assert "invalid order with a wrong key" in seen["key order"]
    assert "invalid order, which must be refused" in seen["invalid"]
    assert re.search(f"Ordering one video of 3 seconds at {WHEN}. This costs money.* {PROMPT}", seen["order"])


def test_without_the_probe_nothing_is_posted(start: Any, check: Any) -> None:
    """Assumptions that need it are unknown."""
    standin = start()
    status, report = check(standin.base_url, "--no-order-probe")
    assert (status, posts(standin)) == (0, 0)
    unknown = {name for name, outcome in outcomes(report).items() if outcome == "unknown"}
    assert unknown >= {"key-wrong-order", "order-path", "order-refused"}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": error(401, "no")},
        {"id": Reply(500, {"message": "null pointer"})},
        {"id": Reply(404, {"message": "No handler found for GET"})},
        {"path": error(404, "not here")},
    ],
)
def test_no_video_is_ordered_where_it_might_be_lost(changes: dict[str, Any], start: Any, check: Any) -> None:
    """The basic assumptions come first: without them nothing is ordered."""
    standin = start(changes)
    check(standin.base_url, *ORDER)
    assert standin.counts.get("order", 0) == 0


@pytest.mark.parametrize("sent_signal", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["invalid", "order", "query", UNKNOWN])
def test_an_interrupted_check_says_what_to_look_for(
    kind: str, sent_signal: signal.Signals, start: Any, tmp_path: Path
) -> None:
    """Ctrl-C while a request hangs: nothing is sent again, and the report names every order."""
    hangs, go_on = threading.Event(), threading.Event()

    def hang(usual: Reply, number: int) -> Reply:
        hangs.set()
        go_on.wait(60)
        return usual

    standin = start({"id" if kind == UNKNOWN else kind: hang})
    env = {**os.environ, "STARVIDEOS_API_URL": standin.base_url, "STARVIDEOS_API_KEY": KEY}
    path = tmp_path / "report.json"
    command = [sys.executable, "-m", "airflow_provider_starvideos.check", *ORDER, "--json", str(path)]
    with subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    ) as process:
        assert hangs.wait(60)
        process.send_signal(sent_signal)
        out, said = process.communicate(timeout=60)
    go_on.set()
    assert "Traceback" not in said
    if kind == UNKNOWN:
        assert (process.returncode, posts(standin), path.exists()) == (2, 0, False)
        return
    report = json.loads(path.read_text("utf-8"))
    assert (process.returncode, report["interrupted"]) == (130, True)
    assert posts(standin) == {"invalid": 2, "order": 3, "query": 3}[kind]
    ordered, unconfirmed = {"invalid": ([], ["invalid order"]), "order": ([], ["order"]), "query": ([VIDEO_ID], [])}[
        kind
    ]
    assert (report["ordered"], report["unconfirmed"]) == (ordered, unconfirmed)
    assert f"!!! {report['warnings'][0]}" in out
    assert "Interrupted" in out


def test_a_flaw_of_the_check_itself_hides_no_order(
    start: Any, check: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever fails after the order: the report is there, and names the video."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(f"with {KEY}")

    monkeypatch.setattr("airflow_provider_starvideos.check.one_video._fetch", fail)
    status, report = check(start().base_url, *ORDER)
    assert (status, report["ordered"]) == (2, [VIDEO_ID])
    assert "ZeroDivisionError: with ***" in report["crashed"]
    assert f"!!! A video was ordered, and may be billed: {VIDEO_ID}" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--poll-interval", "--timeout"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_refused_at_once(option: str, value: str, start: Any, check: Any) -> None:
    """Before a single request."""
    standin = start()
    with pytest.raises(SystemExit) as ended:
        check(standin.base_url, "--order-one-video", f"{option}={value}")
    assert (ended.value.code, standin.requests) == (2, [])


def test_without_a_folder_for_the_report_nothing_is_sent(
    start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The folder is checked before anything is ordered."""
    standin = start()
    monkeypatch.setenv("STARVIDEOS_API_URL", standin.base_url)
    monkeypatch.setenv("STARVIDEOS_API_KEY", KEY)
    assert main([*ORDER, "--json", str(tmp_path / "nowhere" / "report.json")]) == 2
    assert standin.requests == []


def test_the_report_is_written_also_where_the_text_has_no_reader(start: Any, tmp_path: Path) -> None:
    """As in ``… | head``."""
    path = tmp_path / "report.json"
    env = {**os.environ, "STARVIDEOS_API_URL": start().base_url, "STARVIDEOS_API_KEY": KEY}
    command = [sys.executable, "-m", "airflow_provider_starvideos.check", "--no-order-probe", "--json", str(path)]
    reading, writing = os.pipe()
    os.close(reading)
    subprocess.run(command, env=env, stdout=writing, stderr=subprocess.DEVNULL, timeout=120, check=False)
    os.close(writing)
    assert json.loads(path.read_text("utf-8"))["ordered"] == []
