"""Claims: one of several runs orders a request, whatever comes between; a dead run's claim is replaced."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_starvideos.library import claims as module
from airflow_provider_starvideos.library.claims import CLAIMS, CLOCK_SECONDS, Claims
from airflow_provider_starvideos.library.folder import Folder
from tests.library.conftest import name

NAMES = [name(number) for number in range(8)]


def files(folder: Folder) -> list[str]:
    """Return all claims' files."""
    return sorted(file.name for file in folder.files(CLAIMS))


def taken(claims: Claims, names: list[str] = NAMES) -> set[str]:
    """Return which of the names it gets."""
    claims.load()
    return claims.confirm({one for one in names if claims.take(one)})


def test_a_claim_that_has_just_vanished_is_no_broken_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another run's before it is deleted: that claim stays."""
    gone, read = Claims(folder, "gone", -10 * CLOCK_SECONDS - module.DEAD_SECONDS), folder.read
    for clean in (lambda one: one.release(NAMES[0]), lambda one: one.remove_dead()):
        assert gone.take(NAMES[0])
        one = Claims(folder, "one", 60)
        assert one.take(NAMES[0])
        monkeypatch.setattr(folder, "read", lambda file: None if file.endswith(".1.json") else read(file))
        clean(one)
        monkeypatch.undo()
        assert f"{NAMES[0]}.1.json" in files(folder)
        for file in files(folder):
            folder.delete(f"{CLAIMS}/{file}")
        gone = Claims(folder, "gone", -10 * CLOCK_SECONDS - module.DEAD_SECONDS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the clock forward."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def test_one_gets_it_until_it_is_released(folder: Folder) -> None:
    """The other one waits, and gets it afterwards; then the first one waits."""
    one, other = Claims(folder, "one", 60), Claims(folder, "other", 60)
    assert taken(one) == set(NAMES)
    assert taken(other) == set()
    assert taken(one) == set(NAMES), "its own: a retry of the same task"
    for each in NAMES:
        other.release(each)
    assert taken(other) == set(), "another's claim isn't released"
    for each in NAMES:
        one.release(each)
    assert files(folder) == []
    assert taken(other) == set(NAMES)
    assert taken(one) == set()


def test_a_dead_runs_claim_is_replaced_once(folder: Folder, clock: Callable[[float], None]) -> None:
    """Not before its time is over, clocks that differ allowed for; its owner, should it wake up, doesn't get it."""
    dead, one, other = (Claims(folder, owner, 60) for owner in ("dead", "one", "other"))
    assert taken(dead) == set(NAMES)
    clock(60 + CLOCK_SECONDS - 1)
    assert taken(one) == set()
    clock(2)
    assert taken(one) == set(NAMES)
    assert taken(other) == taken(dead) == set()
    for each in NAMES:
        one.release(each)
    assert files(folder) == []


def test_a_renewed_claim_lives_on(folder: Folder, clock: Callable[[float], None]) -> None:
    """A run that goes on takes its claims again, which holds for as long as a new one."""
    one, other = Claims(folder, "one", 600), Claims(folder, "other", 600)
    for _ in range(4):
        assert taken(one) == set(NAMES)
        clock(500)
        assert taken(other) == set()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"owner": "one"}', b'{"owner": 1, "until": "never"}'])
def test_a_broken_claim_holds_nothing(folder: Folder, data: bytes) -> None:
    """Claims are written whole, so it isn't one. Other files are left alone."""
    folder.write(f"{CLAIMS}/{NAMES[0]}.1.json", data)
    folder.write(f"{CLAIMS}/notes.json", data)
    other = Claims(folder, "other", 60)
    assert taken(other, NAMES[:1]) == {NAMES[0]}
    other.release(NAMES[0])
    assert files(folder) == ["notes.json"]


def test_three_at_any_interleaving(folder: Folder, clock: Callable[[float], None]) -> None:
    """Over a dead claim, with claims that are released meanwhile: never do two have one request at the same time."""
    chance = random.Random(1)
    for _ in range(400 if folder.is_local else 8):
        order = chance.sample("aaaabbbbcccc", 12)
        dead = Claims(folder, "dead", 60)
        assert taken(dead, NAMES[:1])
        clock(1000)
        holders: set[str] = set()
        runs = {owner: _run(Claims(folder, owner, 10_000), owner, holders) for owner in "abc"}
        for owner in order:
            next(runs[owner], None)
        clock(20_000)
        for file in files(folder):
            folder.delete(f"{CLAIMS}/{file}")


def _run(claims: Claims, owner: str, holders: set[str]):  # type: ignore[no-untyped-def]
    """Look, take, confirm, release: one step at a time."""
    claims.load()
    yield
    wanted = {NAMES[0]} if claims.take(NAMES[0]) else set()
    yield
    if claims.confirm(wanted):
        holders.add(owner)
    assert len(holders) <= 1
    yield
    holders.discard(owner)
    claims.release(NAMES[0])
    yield


def test_many_at_once(folder: Folder) -> None:
    """Threads over dead claims, taking and releasing at random: no request is held twice at the same time."""
    for each in NAMES:
        folder.write(f"{CLAIMS}/{each}.1.json", json.dumps({"owner": "dead", "until": 0}).encode())
    held, wrong, lock = Counter[str](), [], threading.Lock()

    def work(owner: str) -> None:
        chance = random.Random(owner)
        claims = Claims(folder, owner, 600)
        for _ in range(4):
            mine = taken(claims, chance.sample(NAMES, 4))
            with lock:
                held.update(mine)
                wrong.extend(one for one in mine if held[one] > 1)
            with lock:
                held.subtract(mine)
            for one in mine:
                claims.release(one)

    threads = [threading.Thread(target=work, args=(f"owner {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_claims_end_on_several_threads(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker run after a wait releases without a look at what there is; while one thread looks, another releases."""
    assert taken(Claims(folder, "one", 60)) == set(NAMES)
    later, plain = Claims(folder, "one", 60), Claims._listed
    together, looks = threading.Barrier(2, timeout=1), itertools.count()

    def listed(self: Claims) -> dict[str, set[int]]:
        found = plain(self) if next(looks) == 0 else {}  # after the claims have been released
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait()
        return found

    monkeypatch.setattr(Claims, "_listed", listed)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(later.release, NAMES))
    assert files(folder) == []
