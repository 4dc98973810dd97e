"""The emulator inside a test, and on the command line: it starts, ends, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.emulator import __main__ as command
from airflow_provider_starvideos.emulator.control import ControlError
from airflow_provider_starvideos.emulator.settings import SettingsError
from airflow_provider_starvideos.emulator.studio import Cache

MODULE = "airflow_provider_starvideos.emulator"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def until_cut(work: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    """Start a request on a thread; what ended it is in the list afterwards."""
    ends: list[Exception] = []

    def run() -> None:
        try:
            work()
        except requests.RequestException as exc:
            ends.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ends


def test_closing_leaves_nothing(start: Any, temporary: Path) -> None:
    """After closing there is no thread, no port, no file and no unclosed resource, whatever was going on."""
    others = set(threading.enumerate())  # another test's emulator may live for a whole session
    client = start(seconds=0)
    emulator = client.emulator
    client.fetch(client.finished(referenceImages=[emulator.sample("cat.png")])["video_url"])
    emulator.add_fault(on="query", kind="hang")
    emulator.add_fault(on="create", kind="slow", bytes_per_second=1)
    busy = [
        until_cut(lambda: client.get("x")),
        until_cut(client.create),
        until_cut(lambda: client.control("GET", "/journal?event=never&wait=60")),
    ]
    emulator.wait_for("fault", fault="hang")
    emulator.wait_for("fault", fault="slow")
    started = time.monotonic()
    emulator.close()
    assert time.monotonic() - started < 3
    for thread, ends in busy:
        thread.join(5)
        assert len(ends) == 1
    gc.collect()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", emulator.port), timeout=1):
        pass
    ours = set(threading.enumerate()) - others
    assert not [thread for thread in ours if thread.name.startswith("starvideos-emulator")]
    assert list(temporary.iterdir()) == []


def test_closing_twice_and_using_it_closed(start: Any) -> None:
    """A second close does nothing; a closed emulator says so."""
    emulator = start().emulator
    emulator.close()
    emulator.close()
    with pytest.raises(RuntimeError, match="closed"):
        _ = emulator.orders
    with pytest.raises(RuntimeError, match="closed"):
        emulator.wait_for("accepted")


def test_a_taken_port_is_an_error(emulator: Any, temporary: Path) -> None:
    """A port that is taken is an OSError in the constructor, and leaves nothing behind."""
    threads = threading.active_count()
    with pytest.raises(OSError, match=r"address already in use|Errno"):
        Emulator(port=emulator.port)
    assert (threading.active_count(), list(temporary.iterdir())) == (threads, [])


def test_wrong_use_is_an_error(emulator: Any) -> None:
    """Wrong settings, ids and statuses raise, and change nothing."""
    with pytest.raises(SettingsError):
        Emulator(seconds="soon")
    with pytest.raises(SettingsError):
        emulator.update(fail_rate=5)
    with pytest.raises(ControlError):
        emulator.finish("nobody")
    with pytest.raises(KeyError):
        emulator.order("nobody")
    with pytest.raises(TimeoutError, match="accepted"):
        emulator.wait_for("accepted", prompt="never", timeout=0.05)


def test_several_can_run_at_once(start: Any) -> None:
    """Emulators share nothing: keys, orders and ports are each one's own."""
    first, second = start(key="one"), start(key="two")
    first.order()
    assert (first.emulator.billed.videos, second.emulator.billed.videos) == (1, 0)
    url = f"{first.emulator.base_url}/v1/result/x"
    assert requests.get(url, headers=second.headers, timeout=10).status_code == 401


async def test_coroutines_can_wait(start: Any) -> None:
    """async_wait_for lets the caller's event loop go on meanwhile."""
    client = start(seconds="hold")
    waiting = asyncio.create_task(client.emulator.async_wait_for("accepted", prompt="a fox"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await asyncio.to_thread(client.order, "a fox")
    assert (await waiting)["event"] == "accepted"
    with pytest.raises(TimeoutError):
        await client.emulator.async_wait_for("accepted", prompt="never", timeout=0.05)


def test_it_shares_nothing_with_the_provider() -> None:
    """The emulator imports no other module of this package, and PyAV and Pillow only for videos."""
    code = (
        f"import sys, {MODULE}, {MODULE}.__main__\n"
        "ours = [m for m in sys.modules if m.startswith('airflow_provider_starvideos.')]\n"
        f"print([m for m in ours if not m.startswith('{MODULE}')])\n"
        "print([m for m in ('av', 'PIL', 'airflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


# The command line.


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for the ready file, and no process left at the end."""
    yield tmp_path
    for path in tmp_path.glob("pid-*"):
        try:
            os.kill(int(path.name[4:]), signal.SIGKILL)
        except ProcessLookupError:
            continue


def launch(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start the command, and return it with what its ready file says."""
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning:aiohttp.web_request",  # 3.14.0 warns of itself in the dev mode
            "-m",
            MODULE,
            "--port",
            "0",
            "--ready-file",
            str(ready),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    (folder / f"pid-{process.pid}").touch()
    deadline = time.monotonic() + 20
    while not ready.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, json.loads(ready.read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_starts_and_ends(folder: Path, temporary: Path, number: int) -> None:
    """The command says how to use it, serves, and ends with 0 on a signal, even while requests hang."""
    process, ready = launch(
        folder, "--key", "k1", "--key", "k2", "--seconds", "hold", "--fault", "query:hang:match=slow"
    )
    assert set(ready) == {"base_url", "url", "key", "pid", "port"}
    assert (ready["pid"], ready["key"]) == (process.pid, "k1")
    url = f"{ready['base_url']}/v1/result/"
    for key in ("k1", "k2"):
        assert requests.get(url + "x", headers={"Authorization": f"Bearer {key}"}, timeout=10).status_code == 404
    hanging, ends = until_cut(lambda: requests.get(url + "slow", timeout=20))
    journal = f"{ready['url']}/_control/journal?event=fault&wait=10"
    assert requests.get(journal, timeout=15).json()[0]["fault"] == "hang"
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    hanging.join(10)
    assert len(ends) == 1
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Warning" not in errors
    assert ready["base_url"] in output
    assert "What it does not emulate" in output
    connection = output.split("AIRFLOW_CONN_STARVIDEOS_DEFAULT='")[1].split("'")[0]
    assert json.loads(connection) == {"conn_type": "starvideos", "password": "k1", "host": ready["base_url"]}
    assert errors.count("GET /kyyReactApiServer/v1/result/x -> 404") == 2
    assert "k1" not in errors
    assert list(temporary.iterdir()) == []


def test_quiet_says_nothing_of_requests(folder: Path) -> None:
    """With --quiet there is no line per request."""
    process, ready = launch(folder, "--quiet", "--fail-rate", "1", "--pad-bytes", "8", "--no-ranges")
    requests.get(f"{ready['url']}/x", timeout=10)
    settings = requests.get(f"{ready['url']}/_control/state", timeout=10).json()["settings"]
    assert (settings["fail_rate"], settings["pad_bytes"], settings["ranges"]) == (1.0, 8, False)
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert errors == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "soon"],
        ["--fail-rate", "2"],
        ["--fault", "create:fire"],
        ["--fault", "query:delay"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option ends with 2 and says what is wrong with it."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_help_lists_faults_and_limitations(capsys: pytest.CaptureFixture[str]) -> None:
    """--help lists every kind of fault, and what is not emulated."""
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(kind in text for kind in ("rate_limit", "expire_midway", "unknown_status"))
    assert "What it does not emulate" in text


def test_missing_libraries_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], start: Any
) -> None:
    """Without PyAV the command says what to install; inside a test everything but the videos still works."""
    monkeypatch.setitem(sys.modules, "av", None)
    assert command.main([]) == 1
    assert 'pip install "airflow-provider-starvideos[emulator]"' in capsys.readouterr().err
    client = start(seconds=0)
    response = client.fetch(client.finished()["video_url"])
    assert response.status_code == 501
    assert "[emulator]" in response.json()["error"]["message"]


def test_a_taken_port_is_said_plainly(emulator: Any, temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A taken port ends the command with 1 and one line."""
    assert command.main(["--port", str(emulator.port)]) == 1
    assert capsys.readouterr().err.startswith(f"can't listen on 127.0.0.1:{emulator.port}: ")
    assert list(temporary.iterdir()) == []


def test_leaving_loopback_is_warned_of(emulator: Any) -> None:
    """The banner warns of an address that others can reach, and of no other."""
    server = emulator._server
    assert "Warning" not in command.banner(server, "k", "127.0.0.1")
    assert "Warning" not in command.banner(server, "k", "::1")
    assert "Warning" in command.banner(server, "k", "0.0.0.0")


def test_the_cache_drops_what_was_not_used() -> None:
    """Beyond its size the cache drops what was used least recently, and keeps the newest whatever its size."""
    cache = Cache(100)
    for key in "abc":
        cache.put(key, key.encode() * 30)
    assert cache.get("a") == b"a" * 30
    cache.put("d", b"d" * 30)
    assert [cache.get(key) is None for key in "abcd"] == [False, True, False, False]
    cache.put("e", b"e" * 500)
    assert [cache.get(key) is None for key in "abcde"] == [True, True, True, True, False]
    cache.put("e", b"e" * 5)
    cache.clear()
    assert cache.get("e") is None
