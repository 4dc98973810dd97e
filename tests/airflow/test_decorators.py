"""TaskFlow functions that order, on a real Airflow."""

import pytest

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack


@pytest.fixture(scope="module")
def decorated(airflow: AirflowStack, emulator: Emulator) -> str:
    """A finished run of the Dag "decorated"."""
    return airflow.finished_run("decorated")


@pytest.mark.parametrize(("index", "name"), [(0, "gull"), (1, "seal")])
def test_a_function_orders_what_it_returns(
    airflow: AirflowStack, emulator: Emulator, decorated: str, index: int, name: str
) -> None:
    """Its arguments come from upstream and from the context; its text isn't rendered; the decorator's options hold."""
    video_id = airflow.xcom("decorated", decorated, "one", map_index=index)
    assert emulator.order(video_id).request == {
        "model": "starvideos_o3",
        "prompt": f"{{# as it is #}} {name} of one",
        "duration": 4,
        "ratio": "1:1",
    }


def test_what_a_function_has_ordered_stays_to_be_seen(airflow: AirflowStack, decorated: str) -> None:
    """Also after a wait, when another process, which doesn't know it, ends the task."""
    rendered = airflow.task("decorated", decorated, "one", map_index=0)["rendered_fields"]
    assert rendered["prompt"] == "{# as it is #} gull of one"


def test_a_generator_makes_a_batch(airflow: AirflowStack, emulator: Emulator, decorated: str) -> None:
    """Called once per try: the worker run after the wait resumes what was ordered."""
    ids = airflow.xcom("decorated", decorated, "many")
    assert [emulator.order(one).request["prompt"] for one in ids] == ["batch of gull", "batch of seal"]
    assert airflow.task("decorated", decorated, "many")["try_number"] == 1


def test_what_isnt_a_request_is_told(airflow: AirflowStack, emulator: Emulator) -> None:
    """Nothing is ordered, no retry is spent, and the message names the function or the field."""
    before = emulator.billed.videos
    run_id = airflow.finished_run("decorated_wrongly", state="failed")
    assert "number: must return the prompt, or a mapping of request arguments (got 7)" in airflow.log(
        "decorated_wrongly", run_id, "number"
    )
    assert "lenght: isn't a field of a request" in airflow.log("decorated_wrongly", run_id, "unknown")
    assert emulator.billed.videos == before
