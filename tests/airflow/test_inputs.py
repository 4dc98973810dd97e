"""Templates on a real Airflow: text stays text, and what found nothing is no prompt (CASES.md A7, A8)."""

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack


@pytest.mark.parametrize("dag_id", ["inputs_native", "inputs_text"])
def test_what_templates_give_is_ordered_as_written_or_refused(
    airflow: AirflowStack, emulator: Emulator, dag_id: str
) -> None:
    """Nothing is ordered where a template found nothing, mapped or not, and no retry is spent on it."""
    before = len(emulator.orders)
    run_id = airflow.finished_run(dag_id, state="failed")
    for task_id in ("missing",) if dag_id == "inputs_native" else ("missing", "gone"):
        assert airflow.task(dag_id, run_id, task_id)["try_number"] == 1
        assert "prompt: must be given and not blank" in airflow.log(dag_id, run_id, task_id)
    lacking = {"image": "reference_images", "mapped": "first_image", "library": "library"}
    for task_id, field in lacking.items() if dag_id == "inputs_text" else ():
        index = 0 if task_id == "mapped" else -1
        assert airflow.task(dag_id, run_id, task_id, index)["try_number"] == 1
        assert f"{field}: is given as a template" in airflow.log(dag_id, run_id, task_id, map_index=index)
    model = {"model": "starvideos_o3"}
    right = [model | {"prompt": "1_000", "duration": 4}, model | {"prompt": "2024", "duration": 5}]
    sent = sorted((order.request for order in emulator.orders[before:]), key=lambda order: order["prompt"])
    assert sent == (right if dag_id == "inputs_native" else [])
