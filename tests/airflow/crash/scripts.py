"""What happens to a row of the crash matrix: scripts, each a generator (see ``row``).

Nothing here reaches into the provider: faults of the emulator, signals, clears, and files that the user's code watches.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from tests.airflow.crash.row import AIRFLOW_3_0, Row, Script


def undisturbed(row: Row) -> Script:
    """Nothing."""
    yield row.state_is("success")


def undisturbed_failure(row: Row) -> Script:
    """Nothing; the task fails by itself."""
    yield row.state_is("failed")


def timed_out(row: Row) -> Script:
    """The video isn't there when the wait ends; a user clears the task later."""
    row.holds_video = True
    yield row.state_is("failed")
    row.clear()
    row.holds_video = False
    yield row.try_is(2, "success", "failed")


def held_video(row: Row) -> Script:
    """The video isn't there when the wait ends, and later it is."""
    row.holds_video = True
    yield row.state_is("failed")
    row.holds_video = False


def killed_at(place: str) -> Callable[[Row], Script]:
    """SIGKILL while the user's code runs: a macro (``template``) before, ``post_execute`` after ``execute``."""

    def script(row: Row) -> Script:
        row.hold(place)
        yield row.held_at(place)
        row.kill()
        row.let_go(place)

    return script


def killed_while_hanging(when: str) -> Callable[[Row], Script]:
    """SIGKILL while the order's request hangs, ``before`` or ``after`` it was accepted."""

    def script(row: Row) -> Script:
        fault = row.fault("hang", when=when)
        yield row.happened("fault", fault="hang")
        row.kill()
        yield row.happened("client_gone")
        row.bench.emulator.clear_faults(fault)

    return script


def killed_before_the_id_is_stored(row: Row) -> Script:
    """SIGKILL once the answer has arrived, while Airflow's api-server doesn't answer."""
    fault = row.fault("hang", when="after", release="answer")
    yield row.happened("fault", fault="hang")
    airflow, emulator = row.bench.airflow, row.bench.emulator
    airflow.kill("api-server", signal.SIGSTOP, tree=True)
    try:
        emulator.clear_faults(fault)
        emulator.wait_for("answered", contains=row.name)
        row.kill()
    finally:
        airflow.kill("api-server", signal.SIGCONT, tree=True)


def killed_while_waiting(row: Row) -> Script:
    """SIGKILL of a worker's process in the middle of its wait."""
    row.holds_video = True
    yield row.polled(2)
    row.kill()
    row.holds_video = False


def killed_on_resume(row: Row) -> Script:
    """SIGKILL of the process that takes the trigger's event, before it runs."""
    row.holds_video = True
    yield row.state_is("deferred")
    row.hold("template")
    row.holds_video = False
    yield row.held_at("template")
    row.kill()
    row.let_go("template")


def spoiled(kind: str, **fields: Any) -> Callable[[Row], Script]:
    """The emulator spoils the answer to the order."""

    def script(row: Row) -> Script:
        row.fault(kind, **fields)
        yield row.happened("fault", fault=kind)

    return script


def then_cleared(script: Callable[[Row], Script], *states: str, decision: str = "") -> Callable[[Row], Script]:
    """After that the task ends in one of ``states``, and a user clears it, with a decision or without."""

    def cleared(row: Row) -> Script:
        yield from script(row)
        yield row.ended(*states)
        if decision:
            row.decide(row.orders[0].id if decision == "ID" else decision)
        tries = row.try_number
        row.clear()
        yield lambda: row.try_number > tries

    return cleared


def delivered_then_killed_at_once(row: Row) -> Script:
    """A user clears the task after its success; the process is killed while its fields are rendered."""
    yield row.ended("success")
    row.hold("template")
    row.clear()
    yield row.held_at("template")
    row.kill()
    row.let_go("template")
    yield row.try_is(3, "success", "failed")


def delivered_then_killed_while_hanging(row: Row) -> Script:
    """A user clears the task after its success; the process is killed when its order was accepted."""
    yield row.ended("success")
    fault = row.fault("hang", when="after")
    row.clear()
    yield row.happened("fault", fault="hang")
    row.kill()
    yield row.happened("client_gone")
    row.bench.emulator.clear_faults(fault)
    yield row.try_is(3, "success", "failed")


def cleared_while_waiting(row: Row) -> Script:
    """A user clears the task while it waits."""
    row.holds_video = True
    yield row.polled(2)
    row.clear()
    yield row.try_is(2, "running", "deferred")
    row.holds_video = False


def cleared_while_ending(row: Row) -> Script:
    """A user clears the task when ``execute`` is over, and the process ends before Airflow has stopped it."""
    row.hold("post_execute")
    yield row.held_at("post_execute")
    row.clear()
    row.let_go("post_execute")
    if AIRFLOW_3_0:  # leaves such a task as it is, for good, until a user marks it and clears it again
        yield row.state_is("restarting")
        row.mark_failed()
        row.clear()
    yield row.try_is(2, "success", "failed")


def marked_failed_while_ending(row: Row) -> Script:
    """A user marks the task as failed when ``execute`` is over, and clears it later."""
    row.hold("post_execute")
    yield row.held_at("post_execute")
    row.mark_failed()
    row.let_go("post_execute")
    yield lambda: not row.processes()
    row.clear()
    yield row.try_is(2, "success", "failed")


def wrong_then_right_decision(row: Row) -> Script:
    """A person gives an id that doesn't exist, gets an error, and gives the right one."""
    yield from then_cleared(killed_while_hanging("after"), "failed", decision="video_starvideos_1234567890")(row)
    yield row.try_is(3, "failed")
    row.decide(row.orders[0].id)
    row.clear()
    yield row.try_is(4, "success", "failed")


def prompt_changed(row: Row) -> Script:
    """The process is killed with its id on record, and the next try asks for something else."""
    row.hold("post_execute")
    yield row.held_at("post_execute")
    row.change_prompt(f"{row.name} a grey wolf")
    row.kill()
    row.let_go("post_execute")


def killed_while_backing_off(row: Row) -> Script:
    """SIGKILL while the process sleeps, after the API has refused the order for now."""
    row.fault("rate_limit", retry_after=40)
    answered = row.happened("answered", status=429)
    yield lambda: answered() and row.record() is None
    row.kill()


def ended_while_backing_off(row: Row) -> Script:
    """SIGTERM (``on_kill``) while the process sleeps, after the API has refused the order for now."""
    row.fault("rate_limit", retry_after=6)
    answered = row.happened("answered", status=429)
    yield lambda: answered() and row.record() is None
    for process in row.processes():
        process.terminate()


def state_discarded(script: Callable[[Row], Script], decision: str = "") -> Callable[[Row], Script]:
    """After that the task fails, and is cleared by an Airflow that discards the state of a task that is cleared."""

    def cleared(row: Row) -> Script:
        yield from script(row)
        yield row.state_is("failed")
        if decision:
            row.decide(row.orders[0].id if decision == "ID" else decision)
        row.discard_state()
        tries = row.try_number
        row.clear()
        yield lambda: row.try_number > tries

    return cleared


def killed_before_it_asks(script: Callable[[Row], Script], option: str) -> Callable[[Row], Script]:
    """After that the process is killed before Airflow has stored its question; the next try's is answered."""

    def killed(row: Row) -> Script:
        row.hold("ask")
        yield from script(row)
        yield row.held_at("ask")
        row.kill()
        row.let_go("ask")
        yield row.asks(2)
        row.answer(option)

    return killed


def killed_after_the_answer(
    script: Callable[[Row], Script], option: str, place: str, *, asked_again: bool = False
) -> Callable[[Row], Script]:
    """After that a person answers, and the process that has the answer is killed at ``place``.

    :param asked_again: the answer isn't kept yet, so the next try asks, too
    """

    def killed(row: Row) -> Script:
        yield from script(row)
        yield row.asks(1)
        row.hold(place)
        row.answer(option)
        yield row.held_at(place)
        row.kill()
        row.let_go(place)
        if asked_again:
            yield row.asks(2)
            row.answer(option)

    return killed


def nothing(row: Row) -> Script:
    """Nothing, and nothing is waited for."""
    yield lambda: True
