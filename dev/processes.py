"""Start processes that can't outlive us. `dev/keeper.py` says how."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

KEEPER = Path(__file__).with_name("keeper.py")
END_SECONDS = 30


class Processes:
    """A set of processes, each with its output in a separate log file under ``logs``.

    They and all that they start end, and are waited for, with `close`, or when this process ends in any way.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._by_name: dict[str, psutil.Process] = {}
        self._keeper = subprocess.Popen(
            [sys.executable, str(KEEPER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def keeper_pid(self) -> int:
        """The process above all the others."""
        return self._keeper.pid

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None
    ) -> psutil.Process:
        """Start ``argv`` as ``name``; its output is appended to `log_file(name)`."""
        order = {
            "argv": list(argv),
            "env": dict(env),
            "cwd": str(cwd or Path.cwd()),
            "log": str(self.log_file(name)),
        }
        stdin, stdout = self._keeper.stdin, self._keeper.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the keeper has no pipes")
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline() or '{"error": "the keeper process has ended"}')
        if "error" in answer:
            raise RuntimeError(f"{name} can't be started: {answer['error']}")
        try:
            self._by_name[name] = psutil.Process(answer["pid"])
        except psutil.NoSuchProcess as error:
            raise RuntimeError(f"{name} ended at once:\n{self.tail(name)}") from error
        return self._by_name[name]

    def process(self, name: str) -> psutil.Process:
        """Return the process last started as ``name``, running or not."""
        return self._by_name[name]

    def running(self, name: str) -> bool:
        """Return whether ``name`` was started and still runs."""
        process = self._by_name.get(name)
        try:
            return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # gone between the two questions
            return False

    def kill(self, name: str, number: signal.Signals, *, tree: bool = True) -> None:
        """Send a signal to ``name`` and (``tree``) to all below it, and wait for those to end."""
        process = self._by_name[name]
        targets = [process]
        with contextlib.suppress(psutil.NoSuchProcess):
            targets += process.children(recursive=True) if tree else []
        for target in targets:
            with contextlib.suppress(psutil.NoSuchProcess):
                target.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            _, alive = psutil.wait_procs(targets, timeout=END_SECONDS)
            if alive:
                raise TimeoutError(f"{name}: {alive} did not end within {END_SECONDS} s of {number.name}")

    def log_file(self, name: str) -> Path:
        """Return the file with the output of ``name``."""
        return self.logs / f"{name}.log"

    def tail(self, name: str, lines: int = 30) -> str:
        """Return the last lines that ``name`` has written."""
        path = self.log_file(name)
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def close(self) -> None:
        """End everything, and wait for it. May be called twice."""
        keeper = self._keeper
        for pipe in (keeper.stdin, keeper.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        keeper.wait(END_SECONDS)
