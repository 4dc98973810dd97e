"""What happens to Airflow itself in the crash matrix: its components are killed or frozen, or can't write."""

from __future__ import annotations

from collections.abc import Callable, Generator

import psutil

from tests.airflow.crash.row import Condition, Row, Script


class Killed:
    """SIGKILL of a component once every row of the run is where it waits; then it is started again.

    :param component: ``triggerer``, ``scheduler`` or ``api-server``
    """

    def __init__(self, component: str) -> None:
        self._component = component
        self._waiting: list[Row] = []
        self._rows = 0
        self._done = False

    def script(self) -> Callable[[Row], Script]:
        """Return a row's part in it. The last row to come there kills."""
        self._rows += 1

        def script(row: Row) -> Script:
            row.holds_video = True
            if row.wait == "none":
                row.hold("post_execute")
            if row.defers:
                yield lambda: row.state == "deferred" and row.polled(2)() and row.left_its_worker()
            else:
                yield row.held_at("post_execute") if row.wait == "none" else row.polled(2)
            self._waiting.append(row)
            if len(self._waiting) == self._rows:
                row.bench.airflow.kill(self._component)
                row.bench.airflow.start(self._component)
                self._done = True
            yield lambda: self._done
            row.let_go("post_execute")
            row.holds_video = False

        return script


class Moved:
    """Two mapped rows are killed with their ids on record, and find each other's prompt at the next try."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def script(self) -> Callable[[Row], Script]:
        """Return a row's part in it."""

        def script(row: Row) -> Script:
            row.hold("post_execute")
            self._rows.append(row)
            yield row.held_at("post_execute")
            (other,) = (each for each in self._rows if each is not row)
            row.change_prompt(f"{other.name} a red fox")
            yield lambda: all((row.bench.folder / f"{each.name}.prompt").exists() for each in self._rows)
            row.kill()
            row.let_go("post_execute")

        return script


def worker_killed(row: Row) -> Script:
    """SIGKILL of the task's process and of its supervisor, as when a machine is lost."""
    row.hold("post_execute")
    yield row.held_at("post_execute")
    _kill_with_supervisor(row)
    row.let_go("post_execute")


def worker_killed_while_hanging(row: Row) -> Script:
    """The same while the request hangs that the API has accepted."""
    fault = row.fault("hang", when="after")
    yield row.happened("fault", fault="hang")
    _kill_with_supervisor(row)
    yield row.happened("client_gone")
    row.bench.emulator.clear_faults(fault)


def _kill_with_supervisor(row: Row) -> None:
    supervisor = row.supervisor
    supervisor.kill()
    row.kill()


def worker_given_up(row: Row) -> Script:
    """The supervisor sleeps until Airflow gives the task up; then it wakes up and reports a success."""
    row.hold("post_execute")
    yield row.held_at("post_execute")
    supervisor = row.supervisor
    supervisor.suspend()
    row.let_go("post_execute")
    yield lambda: row.state == "up_for_retry" or row.try_number > 1
    supervisor.resume()


def frozen_before_its_order(row: Row) -> Script:
    """The process and its supervisor are frozen after they have read the journal, until another try has ordered."""
    frozen = yield from _frozen(row)
    row.let_go("sign")
    yield lambda: row.try_number > 1 and row.state == "success"
    yield _thawed(frozen, supervisor_first=True)


def marked_before_its_order(row: Row) -> Script:
    """The same. A user marks the task as failed meanwhile."""
    frozen = yield from _frozen(row)
    row.mark_failed()
    row.let_go("sign")
    yield _thawed(frozen)


def cleared_before_its_order(row: Row) -> Script:
    """The same. A user clears the task, and the next try orders."""
    frozen = yield from _frozen(row)
    row.clear()
    row.let_go("sign")
    yield _thawed(frozen)
    yield row.try_is(2, "success", "failed")


def _frozen(row: Row) -> Generator[Condition, None, list[psutil.Process]]:
    """Freeze the task's process and its supervisor before the order. Return them, the supervisor first."""
    row.hold("sign")
    yield row.held_at("sign")
    frozen = [row.supervisor, *row.processes()]
    for process in frozen:
        process.suspend()
    return frozen


def _thawed(frozen: list[psutil.Process], *, supervisor_first: bool = False) -> Condition:
    """Let frozen processes go on. Return the condition that they have ended.

    :param supervisor_first: it goes on first, and may end the task's process
    """
    for process in frozen if supervisor_first else reversed(frozen):
        process.resume()
    return lambda: not any(process.is_running() for process in frozen[1:])  # the executor's worker goes on


def intent_refused(row: Row) -> Script:
    """Airflow's database refuses the record, until the first try has failed."""
    row.hold("template")
    yield row.held_at("template")
    _refuse(row, "INSERT")
    row.let_go("template")
    yield lambda: row.state == "up_for_retry" or row.try_number > 1
    _accept(row, "INSERT")


def id_refused(row: Row) -> Script:
    """Airflow's database takes the intent, but not the id; the process is killed when it has said so."""
    row.hold("template")
    yield row.held_at("template")
    _refuse(row, "UPDATE")
    row.let_go("template")
    yield lambda: "The journal of orders can't be written" in row.log(1)
    _accept(row, "UPDATE")
    row.kill()
    yield row.state_is("failed")
    row.decide(row.orders[0].id)
    row.clear()
    yield row.try_is(3, "success", "failed")


def _refuse(row: Row, operation: str) -> None:
    row.bench.write(
        f"CREATE TRIGGER refuse_{operation}_{row.index} BEFORE {operation} ON variable "
        f"WHEN NEW.key LIKE '{row.journal.base}%' "
        "BEGIN SELECT RAISE(ABORT, 'no more room'); END"
    )


def _accept(row: Row, operation: str) -> None:
    row.bench.write(f"DROP TRIGGER refuse_{operation}_{row.index}")
