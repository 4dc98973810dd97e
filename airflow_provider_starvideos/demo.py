"""``python -m airflow_provider_starvideos.demo``: one video from a Dag, on this machine, without a key or a bill.

A local StarVideos server runs in this process. Airflow's own commands run as children, which end before this process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.emulator.libraries import MissingLibraryError, require_libraries
from airflow_provider_starvideos.emulator.service import DEFAULT_KEY, connection_to

DAG_ID = "kite"
FOLDER = "~/videos/"  # where the Dag of the README saves; the demo's own copy has another
DAG = f'''\
from airflow.sdk import dag
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

@dag
def {DAG_ID}():
    create = StarVideosCreateOperator(task_id="create", prompt="A red kite over the sea, slow pan", duration=5)
    wait = StarVideosTaskSensor(task_id="wait", video_id=create.output)
    StarVideosDownloadOperator(task_id="save", video_id=wait.output, destination="{FOLDER}")

{DAG_ID}()
'''
SERVER = "http://127.0.0.1:8642/kyyReactApiServer"  # where starvideos-emulator listens
END_SECONDS = 10.0
LOG = "log.txt"
LOG_LINES = 30


class DemoError(Exception):
    """A command of Airflow failed."""


def run(name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
    """Run a command of Airflow to its end; end it and its children if this process is interrupted.

    :param name: what it is, for the line that says how long it took
    :param log: file that its output is appended to
    :raises DemoError: it failed
    """
    began = time.monotonic()
    print(f"{name} …", end="", flush=True)
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603  our own arguments
            [sys.executable, "-m", "airflow", *command],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = child.wait()
    finally:
        end(child)
    print(f" {time.monotonic() - began:.0f} s", flush=True)
    if code:
        raise DemoError(f"airflow {' '.join(command)} failed with exit status {code}.")


def end(child: subprocess.Popen[bytes]) -> None:
    """End a command's whole process group, if anything of it still runs."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def environment(folder: Path, connection: str) -> dict[str, str]:
    """Return the environment of Airflow's commands: nothing of the caller's Airflow, and no proxy for loopback.

    :param connection: the connection as JSON
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    return kept | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_STARVIDEOS_DEFAULT": connection,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def demo(folder: Path) -> None:
    """Make the video.

    :param folder: where everything is put; it exists
    :raises DemoError: a command of Airflow failed, or there is no video
    """
    dag, videos, log = folder / "dags" / f"{DAG_ID}.py", folder / "videos", folder / LOG
    dag.parent.mkdir(exist_ok=True)
    dag.write_text(DAG.replace(FOLDER, f"{videos}/"))
    with Emulator(seconds=0) as server:
        print(f"Folder: {folder}")
        print("1. A StarVideos server on this machine: started", flush=True)
        env = environment(folder, connection_to(server.base_url, server.key))
        try:
            run("2. A database for Airflow: airflow db migrate", ["db", "migrate"], env, log)
            run(f"3. The Dag: airflow dags test {DAG_ID}", ["dags", "test", DAG_ID], env, log)
        finally:
            shutil.rmtree(folder / "airflow", ignore_errors=True)
        billed = server.billed
    saved = sorted(videos.glob("*.mp4")) if videos.is_dir() else []
    if not saved:
        raise DemoError("The Dag ran, and saved no video.")
    print(f"\nVideo:  {saved[0]}")
    print(f"Orders: {billed.videos}, of {billed.seconds:g} seconds. Billed: nothing, the server is local.")
    print(NEXT.format(dag=dag, local=connection_to(SERVER, DEFAULT_KEY)))


NEXT = """
To go on in your own Airflow:
1. Copy the Dag into its Dags folder, and change its destination: {dag}
2. Make the connection. To a local server, which the command starvideos-emulator starts:
   export AIRFLOW_CONN_STARVIDEOS_DEFAULT='{local}'
   Or to StarVideos. Then every order costs money:
   export AIRFLOW_CONN_STARVIDEOS_DEFAULT='{{"conn_type": "starvideos", "password": "YOUR-KEY"}}'"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    :param argv: the command line; None for the process's
    :return: exit status: 0; 1 if it failed; 130 if it was interrupted
    """
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_starvideos.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the Dag and the video are put (default: a temporary folder)")
    given: Path | None = parser.parse_args(argv).folder
    try:
        require_libraries()
    except MissingLibraryError as error:
        print(error, file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell in the background has SIGINT ignored
        signal.signal(number, _interrupt)
    # Absolute, because Airflow's commands run elsewhere, and the Dag names it.
    folder = Path(tempfile.mkdtemp(prefix="starvideos-demo-")) if given is None else given.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        demo(folder)
    except DemoError as error:
        log = folder / LOG
        tail = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        print("", *tail, "", f"{error} The whole log: {log}", sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is left running.", file=sys.stderr)
        return 130
    return 0


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
