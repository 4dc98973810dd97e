"""The demo that the README begins with: what it prints, what it leaves, and that it ends when it is interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import psutil
import pytest

from airflow_provider_starvideos import demo
from dev.airflow_runs import wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMAND = [sys.executable, "-m", "airflow_provider_starvideos.demo"]
pytestmark = [pytest.mark.real_airflow, pytest.mark.timeout(180)]


def told(text: str) -> str:
    """Return what the demo prints without what differs from run to run."""
    text = re.sub(r"\S*(/dags/kite\.py|/videos/video_)", r"FOLDER\1", text)
    text = re.sub(r"^Folder: .*$", "Folder: FOLDER", text, flags=re.MULTILINE)
    return re.sub(r"… \d+ s", "… N s", re.sub(r"video_[0-9a-f-]{36}", "ID", text)).strip()


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    """Word by word; it leaves a whole MP4 and the Dag, and removes Airflow's home."""
    done = subprocess.run([*COMMAND, "--folder", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = README.partition("<!-- demo: begin -->\n```text\n")[2].partition("\n```\n")[0]
    assert told(done.stdout) == told(shown)
    (video,) = (tmp_path / "videos").iterdir()
    with av.open(str(video)) as opened:
        assert opened.duration == pytest.approx(5 * av.time_base, rel=0.05)
        assert sum(1 for _ in opened.decode(video=0)) > 20
    assert str(video) in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"dags", "videos", "log.txt"}


def test_its_dag_is_that_of_the_readme() -> None:
    """Its copy in the demo's folder differs by the destination only."""
    assert f"```python\n{demo.DAG}```\n" in README
    assert README.count(demo.FOLDER) == demo.DAG.count(demo.FOLDER) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_running(number: signal.Signals, tmp_path: Path) -> None:
    """Neither Airflow's command nor the server; it says so."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*COMMAND, "--folder", str(tmp_path)], **options)  # type: ignore[call-overload]
    children = wait_until(lambda: running(process, tmp_path / "airflow"), "Airflow's command", timeout=60, poll=0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "Interrupted. Nothing is left running."
    assert not any(child.is_running() for child in children)
    assert not (tmp_path / "airflow").exists()


def running(process: subprocess.Popen[str], home: Path) -> list[psutil.Process] | None:
    """Return the demo's children once Airflow's command has begun to work."""
    assert process.poll() is None, process.communicate()
    return psutil.Process(process.pid).children(recursive=True) or None if home.exists() else None
