"""Parent of every process that a stack starts; ends them all when its own starter is gone.

Run by `dev.processes`, never imported by it. Whatever happens to the starter, SIGKILL included, the pipe that is
this process's standard input closes, and everything below this process is killed and waited for.

It is a subreaper (Linux): orphans, such as a killed scheduler's workers, become its children, so none escapes
the sweep. It is in a separate session, where a terminal's Ctrl-C doesn't reach it.

Input: one JSON object per line, `{"argv": [...], "env": {...}, "cwd": "...", "log": "..."}`. Answer: `{"pid": 1}`.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

import psutil

PR_SET_CHILD_SUBREAPER = 36
SWEEP_SECONDS = 20


def become_subreaper() -> None:
    """Adopt orphaned descendants; elsewhere than on Linux, a killed process's children may get away."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(*_: object) -> None:
    """Collect every child that has ended, so that none stays behind as a zombie."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def sweep() -> None:
    """Kill all descendants until there are none: a process may start another while it is being killed."""
    me = psutil.Process()
    until = time.monotonic() + SWEEP_SECONDS
    while (descendants := me.children(recursive=True)) and time.monotonic() < until:
        for process in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.02)
        reap()


def serve(lines: Iterable[str]) -> None:
    """Start a process for each line, and answer with its pid or the reason why not."""
    for line in lines:
        order = json.loads(line)
        with open(order["log"], "ab") as log:  # noqa: PTH123 - opened once, for a child's output
            try:
                # Never waited for here: `reap` collects it.
                pid = subprocess.Popen(
                    order["argv"],
                    env=order["env"],
                    cwd=order["cwd"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                ).pid
                answer: dict[str, object] = {"pid": pid}
            except OSError as error:
                answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Serve until the starter is gone, then sweep."""
    become_subreaper()
    signal.signal(signal.SIGCHLD, reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        serve(sys.stdin)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sweep()


if __name__ == "__main__":
    main()
