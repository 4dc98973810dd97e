"""Batches with a library: what was made before isn't ordered, whatever comes between; what isn't there is, once."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_starvideos.batch import additions, reuse
from airflow_provider_starvideos.batch.reuse import Reuse
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosBatchError,
    StarVideosError,
    StarVideosRecordError,
    StarVideosStorageError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.library import claims
from airflow_provider_starvideos.library.folder import Folder
from airflow_provider_starvideos.orders.installation import VARIABLE, installation
from airflow_provider_starvideos.orders.questions import AGAIN
from airflow_provider_starvideos.orders.submitter import Submitter
from airflow_provider_starvideos.storage.destinations import Destination
from tests.batch.desk import Desk, make_desk, prompts
from tests.orders.asking import Left, Page
from tests.orders.variables import Variables

pytestmark = pytest.mark.usefixtures("quick_saves")
ROWS = [{"prompt": f"fox {number}.", "name": f"fox-{number}"} for number in range(1, 11)]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The library's folder."""
    return tmp_path / "library"


@pytest.fixture
def new_run(desk: Desk) -> Callable[[], Desk]:
    """Makes another run of the Dag."""
    runs: list[Desk] = []

    def make() -> Desk:
        runs.append(Desk(desk.emulator, desk.variables))
        runs[-1].ti.run_id = f"run {len(runs)}"
        return runs[-1]

    return make


def files(folder: Path, kind: str) -> list[Path]:
    """Return the library's files of a kind."""
    return sorted(folder.glob(f"?/*.{kind}"))


def manifest(uri: str) -> list[dict[str, Any]]:
    """Return a manifest's lines."""
    return [json.loads(line) for line in Path(uri.removeprefix("file://")).read_text().splitlines()]


def run(desk: Desk, rows: Any, library: Path, **options: Any) -> Any:
    """Run a batch to its end."""
    return desk.run(rows, **{"library": f"{library}/", "timeout": 60, **options})


def test_only_what_has_changed(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten products, one of them changed: one order, and all ten files at each run's destination."""
    caplog.set_level("INFO")
    first, second = new_run(), new_run()
    run(first, ROWS, library, destination=f"{tmp_path}/1/")
    assert first.ti.xcoms["counts"] == {"rows": 10, "saved": 10}
    assert first.billed == 10
    changed = [*ROWS[:9], {"prompt": "A fox that has changed.", "name": "fox-10"}]
    lines = manifest(run(second, changed, library, destination=f"{tmp_path}/2/"))
    assert second.billed == 11
    assert second.ti.xcoms["counts"] == {"rows": 10, "reused": 9, "saved": 1}
    assert "1 new, 9 reused" in caplog.text
    for line in lines:
        file = Path(line["uri"].removeprefix("file://"))
        assert file.parent == tmp_path / "2"
        assert len(file.read_bytes()) == line["size_bytes"]
        assert (line["status"] == "reused") == bool(line["reused_from"]) == (line["row"] < 10)
    assert [line["id"] for line in lines[:9]] == [line["id"] for line in manifest(first.ti.xcoms["manifest"])[:9]]
    assert len(files(library, "json")) == len(files(library, "mp4")) == 11
    assert list((library / "claims").iterdir()) == []


def test_a_limit_counts_what_is_paid_for(new_run: Callable[[], Desk], library: Path) -> None:
    """Not the rows that are there, and of equal rows the one that is ordered for all of them."""
    run(new_run(), ROWS[:5], library)
    rows = [*ROWS[:5], *({"prompt": "A new fox."} for _ in range(4)), {"prompt": "Another one."}]
    desk = new_run()
    run(desk, rows, library, max_orders=2)
    assert desk.ti.xcoms["counts"] == {"rows": 10, "reused": 8, "saved": 2}
    assert desk.billed == 7
    with pytest.raises(AirflowFailException, match="3 orders: 3 new"):
        run(new_run(), [{"prompt": f"Fox no. {number // 2}."} for number in range(6)], library, max_orders=2)
    assert desk.billed == 7


def test_without_a_destination(new_run: Callable[[], Desk], library: Path) -> None:
    """Videos stay in the library: a first run that makes them says where they are, and so does one that reuses them."""
    first, second = new_run(), new_run()
    ids = run(first, ROWS, library)
    assert run(second, ROWS, library) == ids
    assert second.billed == 10
    assert first.ti.xcoms["uris"] == second.ti.xcoms["uris"]
    assert [Path(uri.removeprefix("file://")) for uri in sorted(first.ti.xcoms["uris"])] == files(library, "mp4")


@pytest.mark.parametrize("deferrable", [True, False])
def test_two_at_once(new_run: Callable[[], Desk], library: Path, tmp_path: Path, deferrable: bool) -> None:
    """Over the same 50 rows: 50 orders, and both have all of their files."""
    first, second = new_run(), new_run()
    rows = prompts(50)
    wrong: list[BaseException] = []

    def work(desk: Desk) -> None:
        try:
            run(desk, rows, library, destination=f"{tmp_path}/{desk.ti.run_id}/", deferrable=deferrable)
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(desk,)) for desk in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(map(str, wrong)) == []
    assert first.billed_prompts() == Counter(row["prompt"] for row in rows)
    counts = first.ti.xcoms["counts"], second.ti.xcoms["counts"]
    assert sum(one.get("saved", 0) for one in counts) == sum(one.get("reused", 0) for one in counts) == 50
    for desk in (first, second):
        assert len(list((tmp_path / desk.ti.run_id).glob("*.mp4"))) == 50
    assert list((library / "claims").iterdir()) == []


def entry_of(library: Path, prompt: str) -> tuple[Path, Path]:
    """Return the document and the video of a prompt."""
    (document,) = [one for one in files(library, "json") if json.loads(one.read_text())["request"]["prompt"] == prompt]
    return document, document.parent / json.loads(document.read_text())["file"]


@pytest.mark.parametrize("what", ["deleted", "cut", "other bytes", "broken document", "deleted document"])
def test_a_damaged_entry(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Its row is ordered, with a warning, and nothing else is; the entry is whole again afterwards."""
    run(new_run(), ROWS, library)
    document, video = entry_of(library, "fox 3.")
    changes: dict[str, Callable[[], Any]] = {
        "deleted": video.unlink,
        "cut": lambda: video.write_bytes(video.read_bytes()[:-1]),
        "other bytes": lambda: video.write_bytes(video.read_bytes()[::-1]),
        "broken document": lambda: document.write_text("{"),
        "deleted document": document.unlink,
    }
    changes[what]()
    caplog.clear()
    second = new_run()
    lines = manifest(run(second, ROWS, library, destination=f"{tmp_path}/2/"))
    assert second.billed_prompts() == Counter({row["prompt"]: 2 if row["prompt"] == "fox 3." else 1 for row in ROWS})
    assert [line["row"] for line in lines if line["status"] == "saved"] == [3]
    warned = [one for one in caplog.messages if "can't be used" in one]
    assert len(warned) == (0 if what == "deleted document" else 1)
    assert all(one.startswith("Row 3: its entry in the library can't be used") for one in warned)
    third = new_run()
    run(third, ROWS, library, destination=f"{tmp_path}/3/")
    assert (third.billed, third.ti.xcoms["counts"]["reused"]) == (11, 10)


def test_what_is_ordered_twice_on_purpose(new_run: Callable[[], Desk], library: Path) -> None:
    """By variant, a column or a default; by pattern; or all."""
    first = new_run()
    rows = [{"prompt": "A fox.", "variant": variant} for variant in ("a", "b", None, 7)]
    assert len(set(run(first, rows, library))) == first.billed == 4
    assert len(set(run(new_run(), rows, library))) == first.billed == 4
    run(new_run(), ["A fox."], library, variant="b")
    assert first.billed == 4
    run(new_run(), ["A fox."], library, variant="c")
    assert first.billed == 5
    run(new_run(), rows, library, reuse=False)
    assert first.billed == 9
    run(new_run(), ROWS, library)
    assert first.billed == 19
    for refresh, ordered in (("fox-1*", 2), ("fox-1, fox-2", 2), ("['fox-3']", 1), (["fox-4"], 1), (True, 10)):
        before = first.billed
        run(new_run(), ROWS, library, refresh=refresh)
        assert first.billed - before == ordered, refresh
    before = first.billed
    for refresh in ("", None, "None", False, "False", "dog-*", []):
        run(new_run(), ROWS, library, refresh=refresh)
    assert first.billed == before


def test_what_is_ordered_anew_replaces(new_run: Callable[[], Desk], library: Path) -> None:
    """The next run gets the new video; the old file stays until the library is pruned."""
    old = run(new_run(), ROWS[:1], library)
    new = run(new_run(), ROWS[:1], library, refresh="*")
    assert old != new == run(new_run(), ROWS[:1], library)
    assert len(files(library, "json")) == 1
    assert len(files(library, "mp4")) == 2


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("reuse", [True, False])
def test_equal_rows_are_one_order(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, deferrable: bool, reuse: bool
) -> None:
    """Each row has its file; without a library they would be two videos."""
    desk = new_run()
    rows = [{"prompt": "A fox.", "name": name} for name in "abc"] + ROWS[:2]
    options = {"destination": f"{tmp_path}/1/", "deferrable": deferrable, "reuse": reuse}
    lines = manifest(run(desk, rows, library, **options))
    assert desk.billed == 3
    assert len({line["id"] for line in lines[:3]}) == 1
    assert sorted(line["status"] for line in lines[:3]) == ["reused", "reused", "saved"]
    assert {path.name for path in (tmp_path / "1").glob("?.mp4")} == {"a.mp4", "b.mp4", "c.mp4"}


@pytest.mark.parametrize("options", [{"refresh": "*"}, {"reuse": False}])
def test_equal_rows_are_one_order_also_where_all_are_ordered_again(
    new_run: Callable[[], Desk], library: Path, options: dict[str, Any]
) -> None:
    """All of them have the new video."""
    (old,) = run(new_run(), ["A fox."], library)
    desk = new_run()
    ids = run(desk, ["A fox."] * 3, library, **options)
    assert (desk.billed, len(set(ids))) == (2, 1)
    assert old not in ids


def test_equal_rows_that_are_ordered_again(
    new_run: Callable[[], Desk], library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order, also if the run is killed when the first of them has its video."""
    run(new_run(), ["A fox."], library)
    desk = new_run()
    with monkeypatch.context() as patch:
        patch.setattr(Reuse, "take_added", _killed)
        with pytest.raises(Killed):
            run(desk, ["A fox."] * 2, library, refresh="*")
    assert desk.billed == 2
    desk.next_try()
    first, second = run(desk, ["A fox."] * 2, library, refresh="*")
    assert (first == second, desk.billed) == (True, 2)


def test_an_equal_row_of_a_video_that_failed(new_run: Callable[[], Desk], library: Path) -> None:
    """It isn't ordered by itself: the error says of which row it is the same request."""
    desk = new_run()
    with pytest.raises(StarVideosBatchError, match=r"Row 2: not ordered. Billed: no. it is the same request as row 1"):
        run(desk, ["[fail: no] A fox."] * 2, library)
    assert desk.billed == 1
    assert list((library / "claims").iterdir()) == []


def test_retry_and_clear(new_run: Callable[[], Desk], library: Path, tmp_path: Path) -> None:
    """A retry goes on with what is left; a cleared success orders nothing that is there."""
    desk = new_run()
    rows = [*ROWS[:3], {"prompt": "[fail: no] fox.", "name": "bad"}]
    with pytest.raises(AirflowFailException, match="1 of 4 rows"):
        run(desk, rows, library, destination=f"{tmp_path}/1/")
    desk.next_try()
    rows[3] = ROWS[3]
    lines = manifest(run(desk, rows, library, destination=f"{tmp_path}/1/"))
    assert [line["status"] for line in lines] == ["saved"] * 4
    assert desk.billed == 5
    desk.succeed()
    desk.next_try()
    desk.ti.state = "running"
    lines = manifest(run(desk, rows, library, destination=f"{tmp_path}/1/"))
    assert [line["status"] for line in lines] == ["reused"] * 4
    assert desk.billed == 5


def test_a_copy_that_fails(new_run: Callable[[], Desk], library: Path, tmp_path: Path) -> None:
    """The row isn't ordered for it; a retry copies it."""
    run(new_run(), ROWS, library)
    desk = new_run()
    (tmp_path / "2" / "fox-4.mp4").mkdir(parents=True)
    with pytest.raises(StarVideosBatchError, match=r"Row 4: reused.*Billed: no\."):
        run(desk, ROWS, library, destination=f"{tmp_path}/2/")
    (tmp_path / "2" / "fox-4.mp4").rmdir()
    desk.next_try()
    run(desk, ROWS, library, destination=f"{tmp_path}/2/")
    assert desk.billed == 10
    assert desk.ti.xcoms["counts"]["reused"] == 10


@pytest.mark.parametrize("if_exists", ["skip", "error"])
def test_a_file_is_at_the_destination(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, if_exists: str
) -> None:
    """It stays: the row's file is that one, or the row fails."""
    run(new_run(), ROWS, library)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "fox-4.mp4").write_bytes(b"mine")
    desk = new_run()
    try:
        run(desk, ROWS, library, destination=f"{tmp_path}/2/", if_exists=if_exists)
    except StarVideosBatchError as error:
        assert "Row 4: reused" in str(error)  # noqa: PT017
        assert if_exists == "error"
    assert (tmp_path / "2" / "fox-4.mp4").read_bytes() == b"mine"
    assert desk.billed == 10


def test_nothing_secret_is_in_a_library(new_run: Callable[[], Desk], library: Path) -> None:
    """No key, and no signature of an input or of a URL in a prompt; signed again, the request is the same."""
    desk = new_run()
    for number in (1, 2):
        url = (
            f"https://cdn.example.com/a.png?X-Amz-Signature={number}ecret0123456789&X-Amz-Date=2026112{number}T000000Z"
        )
        rows = [{"prompt": "A fox.", "reference_images": [url]}, {"prompt": "A dog as in " + url.replace("a.", "b.")}]
        run(new_run(), rows[:1] if number == 2 else rows, library)
    assert desk.billed == 2
    texts = [path.read_text() for path in files(library, "json")]
    assert all("cret0123" not in text and desk.emulator.key not in text for text in texts)
    made_by = json.loads(texts[0])["made_by"]
    assert made_by == {"dag_id": "dag", "run_id": "run 2", "task_id": "batch", "map_index": -1}


def test_an_input_that_changes_while_its_video_is_made(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows which content the video shows: it isn't added. Its row has it all the same."""
    known = iter([{"etag": "1"}, {"etag": "2"}, {"etag": "2"}, {"etag": "2"}, {"etag": "2"}])

    def contents(inputs: list[str], endpoint: Any, *, head: bool) -> dict[str, Any]:
        return dict.fromkeys(inputs, next(known)) if inputs else {}

    monkeypatch.setattr(additions, "contents_of", contents)
    rows = [{"prompt": "A fox.", "reference_images": ["https://cdn.example.com/a.png"]}]
    first, second, third = new_run(), new_run(), new_run()
    (uri,) = [run(first, rows, library, deferrable=False), first.ti.xcoms["uris"]][1]
    assert Path(uri.removeprefix("file://")).parent == library / "others"
    assert files(library, "json") == []
    run(second, rows, library, deferrable=False)
    run(third, rows, library, deferrable=False)
    assert (second.ti.xcoms["counts"], third.ti.xcoms["counts"]) == ({"rows": 1, "saved": 1}, {"rows": 1, "reused": 1})
    assert first.billed == 2
    assert list((library / "claims").iterdir()) == []


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def dead(new_run: Callable[[], Desk], library: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A run that was killed between its claims and its first order."""
    desk = new_run()
    with monkeypatch.context() as patch:
        patch.setattr(Submitter, "run", _killed)
        with pytest.raises(Killed):
            run(desk, ROWS, library)
    assert desk.billed == 0
    assert len(list((library / "claims").iterdir())) == 10
    return desk


def _killed(*_: Any) -> Any:
    raise Killed


def test_a_dead_runs_retry(dead: Desk, library: Path) -> None:
    """Its claims are its own: it orders at once."""
    dead.next_try()
    run(dead, ROWS, library, timeout=5)
    assert dead.ti.xcoms["counts"] == {"rows": 10, "saved": 10}
    assert list((library / "claims").iterdir()) == []


def test_a_dead_runs_claims_are_taken_over(
    dead: Desk, new_run: Callable[[], Desk], library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When their time is over, by the next run."""
    monkeypatch.setattr(claims, "CLOCK_SECONDS", -10_000.0)
    run(new_run(), ROWS, library)
    assert dead.billed == 10


@pytest.mark.parametrize("late", [False, True])
def test_a_claim_that_stays_is_no_reason_to_order(
    new_run: Callable[[], Desk], library: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The other run has added its video, and may not delete its claim: it has no right to, or was killed in between."""
    first, second = new_run(), new_run()
    deferred = first.first_leg(ROWS[:2], library=f"{library}/", timeout=60)
    batch = second.begin(ROWS[:2], library=f"{library}/", timeout=60, deferrable=False)
    batch.order()
    assert batch.counts() == {"rows": 2, "open": 2}
    with monkeypatch.context() as forbidden:
        forbidden.setattr(claims.Claims, "release", lambda self, name: None)
        first.resume(deferred)
    if late:
        monkeypatch.setattr(Reuse, "_is_too_late", lambda self: True)
    batch.order()
    assert batch.counts() == {"rows": 2, "reused": 2}
    assert second.billed == 2


def test_two_airflows_with_runs_of_the_same_name(desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test system that shares the library of production: the same Dag, the same scheduled run."""
    desk.first_leg(ROWS[:2], library=f"{library}/", timeout=60)
    ours, other = desk.variables, make_desk(desk.emulator, monkeypatch)
    waiting = other.begin(ROWS[:2], library=f"{library}/", timeout=60)
    waiting.order()
    assert desk.billed == 2
    assert waiting.counts() == {"rows": 2, "open": 2}
    ours.install(monkeypatch)
    desk.next_try()
    run(desk, ROWS[:2], library)
    assert desk.billed == 2
    assert desk.ti.xcoms["counts"] == {"rows": 2, "saved": 2}


def test_tasks_that_begin_at_once_agree_on_the_airflows_id(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two with a library, on an Airflow that has no id yet; later ones read it."""
    del desk.variables.texts[VARIABLE]
    both_have_read = threading.Barrier(2)
    monkeypatch.setattr(desk.variables, "write_variable", lambda *args: (both_have_read.wait(10), write(*args)))
    write = Variables.write_variable.__get__(desk.variables)
    desk.variables.install(monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: installation(), range(2))
    assert first == second == installation()
    assert len(desk.variables.writes) == 2


def test_an_airflow_without_its_id_orders_nothing(desk: Desk, library: Path) -> None:
    """It couldn't tell its own claims."""
    desk.variables.refuses = lambda step, key, value: key == VARIABLE
    with pytest.raises(StarVideosRecordError, match=f"{VARIABLE} can't be read or written .*no more room"):
        run(desk, ROWS[:2], library)
    assert desk.billed == 0


def test_another_run_is_not_awaited_for_ever(
    dead: Desk, new_run: Callable[[], Desk], library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Past its own timeout a run orders by itself, and says so."""
    desk = new_run()
    run(desk, ROWS, library, timeout=1)
    assert desk.ti.xcoms["counts"] == {"rows": 10, "saved": 10}
    assert len([one for one in caplog.messages if "another run hasn't finished it in time" in one]) == 10
    dead.next_try()
    run(dead, ROWS, library)
    assert dead.ti.xcoms["counts"] == {"rows": 10, "reused": 10}
    assert dead.billed == 10
    assert list((library / "claims").iterdir()) == [], "no other run waits for claims that nothing comes of"


def test_a_retry_keeps_the_claims_of_the_videos_that_it_waits_for(desk: Desk, library: Path) -> None:
    """For its whole wait, as long as a new order's claim holds: else another run would order them meanwhile."""
    ends = []
    for _ in range(2):
        desk.first_leg(ROWS[:2], library=f"{library}/", timeout=10_000)
        ends.append([json.loads(path.read_text())["until"] for path in sorted((library / "claims").iterdir())])
        desk.next_try()
    assert len(ends[0]) == len(ends[1]) == 2
    assert all(late > early for early, late in zip(*ends, strict=True))


TROUBLE = (
    StarVideosStorageError("The library is away."),
    StarVideosValidationError([Problem("library_check", "must have an ETag", "x")]),
)


@pytest.mark.parametrize("method", ["look_up", "check"])
@pytest.mark.parametrize("error", TROUBLE, ids=["for now", "for good"])
@pytest.mark.parametrize("when", ["in the same try", "in the next try"])
def test_a_library_that_fails_after_orders(
    desk: Desk,
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    error: StarVideosError,
    when: str,
) -> None:
    """What was paid for is waited for and saved. Nothing more is ordered, and the task fails."""
    options: dict[str, Any] = {"library": f"{library}/", "destination": f"{tmp_path}/1/", "max_in_flight": 2}
    deferred = desk.first_leg(ROWS, **options)
    with monkeypatch.context() as patch:
        patch.setattr(reuse.Reuse, method, _raising(error))
        if when == "in the next try":
            desk.next_try()
            with pytest.raises((StarVideosStorageError, AirflowFailException)):
                desk.run(ROWS, **options)
        else:
            with pytest.raises((StarVideosStorageError, AirflowFailException)):
                desk.resume(deferred)
    assert desk.billed == len(list((tmp_path / "1").glob("*.mp4"))) == 2
    desk.next_try()
    desk.run(ROWS, **options)
    assert (desk.billed, desk.ti.xcoms["counts"]) == (10, {"rows": 10, "saved": 10})


def _raising(error: Exception) -> Callable[..., Any]:
    def fails(*_: Any) -> Any:
        raise error

    return fails


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("by", ["answer", "variable"])
def test_an_order_that_a_person_wants_again(
    new_run: Callable[[], Desk], library: Path, monkeypatch: pytest.MonkeyPatch, by: str, is_there: bool
) -> None:
    """Its outcome was unknown, so it wasn't looked up before. It is now, and ordered if it isn't there."""
    desk, page = new_run(), Page()
    page.install(monkeypatch)
    options: dict[str, Any] = {"library": f"{library}/", "on_unconfirmed": "ask"}
    desk.emulator.add_fault(on="create", kind="reset", when="after", times=1, match="fox 2.")
    with pytest.raises(Left):
        desk.run(ROWS[:3], **options)
    if is_there:
        for file in (library / "claims").iterdir():
            file.unlink()
        run(new_run(), ROWS[1:2], library)
    event = page.answer(AGAIN)
    if by == "variable":
        desk.variables.texts[desk.begin(ROWS[:3], **options).decision_variable] = "resubmit"
    desk._legs(lambda operator: operator.execute_answered(desk.context, event=event, **page.kwargs))
    reused = {"reused": 1} if is_there else {}
    assert (desk.billed, desk.ti.xcoms["counts"]) == (4, {"rows": 3, "saved": 3 - is_there, **reused})


class Steps:
    """Counts what a run writes, and kills it at one of these: nothing is written from then on."""

    def __init__(self, at: int, variables: Variables) -> None:
        self.at, self.count, self.variables = at, 0, variables
        self.lock = threading.Lock()

    def __call__(self) -> None:
        with self.lock:
            self.count += 1
            if self.count >= self.at:
                raise Killed

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a step before it, and one after."""

        def stepping(*args: Any, **kwargs: Any) -> Any:
            self()
            result = function(*args, **kwargs)
            self()
            return result

        return stepping

    def watch(self, step: str, key: str, value: Any) -> None:
        """Be a step of the journal, unless an order is unanswered: what becomes of those is tested with it."""
        if not any('"state":"sending"' in text for text in (*self.variables.texts.values(), str(value))):
            self()


def test_killed_at_every_step(
    new_run: Callable[[], Desk], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two writes: claims, videos, documents, copies, the journal. A retry, and a run after it, order
    nothing twice, and never find half a video.
    """
    unwatched = new_run().variables.watches
    for number in itertools.count(1):
        desk, other = new_run(), new_run()
        there, new = {"prompt": f"fox {number} there.", "name": "there"}, {"prompt": f"fox {number}.", "name": "new"}
        run(new_run(), [there], library)
        rows, steps = [there, new, new | {"name": "again"}], Steps(number, desk.variables)
        with monkeypatch.context() as patch:
            patch.setattr(Destination, "put", steps.around(Destination.put))
            patch.setattr(Folder, "delete", steps.around(Folder.delete))
            desk.variables.watches = steps.watch
            try:
                run(desk, rows, library, destination=f"{tmp_path}/{number}/")
            except Killed:
                pass
            else:
                break
            finally:
                desk.variables.watches = unwatched
        for path in (*library.rglob("*.mp4"), *tmp_path.glob("*/*.mp4")):
            assert path.read_text().startswith("the video video_")
        desk.next_try()
        lines = manifest(run(desk, rows, library, destination=f"{tmp_path}/{number}/"))
        assert [line["status"] in ("saved", "reused") for line in lines] == [True] * 3, number
        assert len({line["id"] for line in lines}) == 2, number
        run(other, rows, library, destination=f"{tmp_path}/{number} again/")
        assert other.ti.xcoms["counts"] == {"rows": 3, "reused": 3}, number
        billed = desk.billed_prompts()
        assert billed[there["prompt"]] == billed[new["prompt"]] == 1, number
    assert number > 20, "there were so many steps"
    assert list((library / "claims").iterdir()) == []
