"""Tests of your own Dag, as the documentation shows them; run by test_your_tests.py in a separate pytest."""

from pathlib import Path

from airflow_provider_starvideos.emulator import Emulator
from example_dags.save import save_one


# [saved: begin]
def test_the_video_is_ordered_once_and_saved(starvideos_emulator: Emulator, tmp_path: Path) -> None:
    """The Dag's video is in the folder, and was paid for once."""
    run = save_one().test(run_conf={"prompt": "A blue kite", "destination": f"{tmp_path}/"})
    assert run.state == "success"
    (order,) = starvideos_emulator.orders
    assert order.prompt == "A blue kite"
    assert [file.suffix for file in tmp_path.iterdir()] == [".mp4"]


# [saved: end]
# [lost: begin]
def test_a_lost_answer_is_not_paid_for_twice(starvideos_emulator: Emulator, tmp_path: Path) -> None:
    """The order is accepted, its answer gets lost: the run fails instead of ordering again."""
    starvideos_emulator.add_fault(on="create", kind="reset", when="after")
    run = save_one().test(run_conf={"destination": f"{tmp_path}/"})
    assert run.state == "failed"
    assert starvideos_emulator.billed.videos == 1
    assert not list(tmp_path.iterdir())


# [lost: end]
# [failed: begin]
def test_a_video_that_fails_leaves_no_file(starvideos_emulator: Emulator, tmp_path: Path) -> None:
    """What fails at the API fails the run."""
    starvideos_emulator.update(fail_rate=1.0)
    run = save_one().test(run_conf={"destination": f"{tmp_path}/"})
    assert run.state == "failed"
    assert not list(tmp_path.iterdir())


# [failed: end]
